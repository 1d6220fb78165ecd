//! Tells the crate its target triple, which `cfg!` cannot.

fn main() {
    let target = std::env::var("TARGET").expect("cargo sets it for build scripts");
    println!("cargo::rustc-env=TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
}
