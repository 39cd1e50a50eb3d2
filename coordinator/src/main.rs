//! `bellows`: the coordinator (`bellows serve`) and its command line. Thin: all is in the
//! library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match bellows::cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(shown) => {
            // Help and version go to standard output and are no mistakes.
            let _ = shown.print();
            return if shown.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::from(1);
        }
    };
    ExitCode::from(runtime.block_on(bellows::cli::run(cli)).code())
}
