//! What the shop sells.

use labels::Label;

/// A jar with a label.
#[derive(Label)]
pub struct Jam;

/// One line about everything.
///
/// ```
/// assert!(shop::sign().ends_with("heat 109"));
/// ```
pub fn sign() -> String {
    format!("{}: {} jars, {} recipes, heat {}", Jam::label(), jars::total(), recipes::RECIPES.len(), recipes::heat())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sign_names_the_jam() {
        assert!(super::sign().starts_with("Jam"));
    }
}
