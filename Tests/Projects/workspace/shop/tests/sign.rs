mod common;

#[test]
fn the_sign_has_seven_words() {
    assert_eq!(common::words(&shop::sign()), 7);
}
