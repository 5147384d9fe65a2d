//! C functions behind safe ones.

use std::ffi::c_int;

extern "C" {
    fn kitchen_stir(spoons: c_int) -> c_int;
    fn kitchen_boil(litres: c_int) -> c_int;
}

/// Stirs every pot.
pub fn stir(spoons: i32) -> i32 {
    // SAFETY: the function takes and gives an int and touches nothing else.
    unsafe { kitchen_stir(spoons) }
}

/// Boils.
pub fn boil(litres: i32) -> i32 {
    // SAFETY: as above.
    unsafe { kitchen_boil(litres) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn boils_what_it_stirs() {
        assert_eq!(super::boil(2), 106);
        assert_eq!(super::stir(2), 6);
    }
}
