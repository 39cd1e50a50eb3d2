//! The `bellows-agent` program: a thin `main` over the library.

fn main() {}
