fn main() {
    println!("cargo:rerun-if-changed=c");
    cc::Build::new().file("c/stir.c").file("c/boil.c").include("c").warnings(true).compile("pantry_kitchen");
    println!("cargo:heat=180");
}
