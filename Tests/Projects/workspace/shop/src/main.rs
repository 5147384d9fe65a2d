//! Prints the shop's sign.

fn main() -> anyhow::Result<()> {
    anyhow::ensure!(jars::has_pickles(), "no pickles in this shop");
    println!("{}", shop::sign());
    Ok(())
}
