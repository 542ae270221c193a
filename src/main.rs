//! jobwire
fn main() {}
