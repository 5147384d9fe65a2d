//! Says hello with the sign.

fn main() {
    println!("hello from {}", shop::sign());
}
