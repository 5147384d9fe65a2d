//! Turns a list of recipes into a Rust table.

/// The source of a table with one entry per line of `list`.
pub fn table(list: &str) -> String {
    let entries: String = list.lines().map(|line| format!("    {line:?},\n")).collect();
    format!("pub const RECIPES: &[&str] = &[\n{entries}];\n")
}
