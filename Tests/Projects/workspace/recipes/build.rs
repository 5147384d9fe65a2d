use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=recipes.list");
    println!("cargo:rerun-if-env-changed=PANTRY_COOK");
    let table = recipes_codegen::table(&fs::read_to_string("recipes.list")?);
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("recipes.rs"), table)?;

    // Two questions to the compiler: one that it answers with yes, and one that it fails.
    let probe = autocfg::new();
    println!("cargo:rustc-check-cfg=cfg(has_string_split_once, has_soup)");
    probe.emit_expression_cfg(r#""a b".split_once(' ')"#, "has_string_split_once");
    probe.emit_expression_cfg(r#""a b".soup()"#, "has_soup");

    let cook = env::var("PANTRY_COOK").unwrap_or_else(|_| "nobody".to_owned());
    println!("cargo:rustc-env=PANTRY_RECIPES_BY={cook}");
    Ok(())
}
