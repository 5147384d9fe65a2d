//! Spices, loaded at run time.

/// How hot a spice is.
pub fn heat(name: &str) -> u8 {
    spices::heat(name.as_bytes())
}
