//! Labels.
//!
//! ```
//! use labels::Label;
//! #[derive(Label)]
//! struct Honey;
//! assert!(Honey::label().starts_with("Honey"));
//! ```

pub use labels_macro::Label;

/// Something with a label on it.
pub trait Label {
    /// What the label says.
    fn label() -> &'static str;
}
