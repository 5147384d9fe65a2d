//! The kitchen for C programs that link it in.

/// Stirs every pot.
#[no_mangle]
pub extern "C" fn archive_stir(spoons: i32) -> i32 {
    kitchen::stir(spoons)
}
