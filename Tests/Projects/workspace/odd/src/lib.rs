//! Everything here is odd on purpose: the tests compare what rustc says about it.

#[path = "with space.rs"]
mod with_space;

#[path = "größe.rs"]
mod groesse;

/// Warned about by rustc: a variable that nobody uses.
pub fn wasteful() -> usize {
    let unused = 1;
    with_space::WIDTH + groesse::HEIGHT
}

/// Warned about by clippy: a return that says nothing.
pub fn wordy(width: usize) -> usize {
    return width * 2;
}
