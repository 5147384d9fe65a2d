//! Recipes, written into the crate by its build script.

include!(concat!(env!("OUT_DIR"), "/recipes.rs"));

/// Who the build script says cooked.
pub const COOK: &str = env!("PANTRY_RECIPES_BY");

/// How hot it gets.
pub fn heat() -> i32 {
    kitchen::boil(RECIPES.len() as i32)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_build_script_wrote_them() {
        assert_eq!(super::RECIPES.len(), 3);
        assert!(cfg!(has_string_split_once));
        assert!(!cfg!(has_soup));
    }
}
