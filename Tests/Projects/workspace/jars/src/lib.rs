//! What stands on the shelves.
//!
//! ```
//! assert_eq!(jars::total(), 50);
//! ```

mod count;

pub use count::{count, total};

/// The list this crate was built with: a file that only `include_str!` names.
pub const LIST: &str = include_str!("data/jars.txt");

/// The same as bytes.
pub const BYTES: &[u8] = include_bytes!("data/jars.txt");

/// This crate's version, as Cargo's variable had it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a variable said when this crate was compiled, if it was set.
pub const SEASON: Option<&str> = option_env!("PANTRY_SEASON");

/// Whether the feature is on.
pub fn has_pickles() -> bool {
    cfg!(feature = "pickles")
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_the_text() {
        assert_eq!(super::LIST.as_bytes(), super::BYTES);
        assert_eq!(super::VERSION, "0.3.1");
    }
}
