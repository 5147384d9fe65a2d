//! The shop's window as a shared library.

/// How many jars stand in the window.
#[no_mangle]
pub extern "C" fn window_jars() -> u32 {
    jars::total() / 10
}
