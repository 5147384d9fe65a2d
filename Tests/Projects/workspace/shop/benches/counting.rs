//! How long a count takes.

fn main() {
    let start = std::time::Instant::now();
    let jars: u64 = (0..1000).map(|_| u64::from(std::hint::black_box(jars::total()))).sum();
    println!("{jars} jars in {:?}", start.elapsed());
}
