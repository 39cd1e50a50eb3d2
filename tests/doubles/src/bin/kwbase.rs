//! The double of `kwbase`.
use std::process::ExitCode;

fn main() -> ExitCode {
    bellows_doubles::programs::main()
}
