//! `servoy-bundle`.
fn main() {}
