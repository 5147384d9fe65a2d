use std::process::Command;

#[test]
fn the_counter_counts() {
    let output = Command::new(env!("CARGO_BIN_EXE_shop-counter")).args(["plum", "quince"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "plum 31\nquince 7\n");
}

#[test]
fn the_counter_says_what_it_lacks() {
    let output = Command::new(env!("CARGO_BIN_EXE_shop-counter")).arg("tin").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("no jars of tin"));
}
