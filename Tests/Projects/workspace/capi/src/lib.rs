//! The pantry for C programs.

/// How many jars there are.
#[no_mangle]
pub extern "C" fn pantry_total() -> u32 {
    jars::total()
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_for_c() {
        assert_eq!(super::pantry_total(), 50);
    }
}
