//! The `bellows` program: a thin `main` over the library.

fn main() {}
