//! Counts jars of the kinds it is asked for.

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    for kind in std::env::args().skip(1) {
        let jars = jars::count(&kind).with_context(|| format!("no jars of {kind}"))?;
        println!("{kind} {jars}");
    }
    Ok(())
}
