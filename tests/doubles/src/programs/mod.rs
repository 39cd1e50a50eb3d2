//! The program `kwbase` of the double (facts sections 2, 5): what the library decides, brought to files, sockets and signals.
//!
//! `kwbase version` ends with a line that only the double prints: `Double:            bellows`.

mod cert;
mod client;
mod frame;
mod node;
mod tls;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::kwdb::cli::{self, Invocation};
use crate::kwdb::{Failure, Knobs};

/// Runs the words of this process.
#[must_use]
pub fn main() -> ExitCode {
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let knobs = match knobs() {
        Ok(knobs) => knobs,
        Err(text) => {
            say_err(&format!("double.toml: {text}\n"));
            return ExitCode::from(1);
        }
    };
    let status = match argv.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            say_out(USAGE);
            0
        }
        Some("version" | "--version") => {
            say_out(&cli::version(&knobs));
            0
        }
        Some("cert") => cert::run(argv.get(1..).unwrap_or_default(), &env, &knobs),
        Some("start" | "start-single-replica" | "start-single-node") => {
            node::run(&argv, &env, &knobs)
        }
        Some(_) => {
            let tty = rustix::termios::isatty(std::io::stdout());
            client::run(&Invocation { argv, env, tty }, &knobs)
        }
    };
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

const USAGE: &str = "KwDB command-line interface and server.

Usage:
  kwbase [command]

Available Commands:
  start                 start a node in a multi-node cluster
  start-single-replica  start a node in a single-replica cluster
  start-single-node     start a single-node cluster
  init                  initialize a cluster
  cert                  create ca, node, and client certs
  quit                  drain and shutdown node
  sql                   open a sql shell
  node                  list, inspect, drain or remove nodes
  version               output version information
";

/// What stands in `double.toml` beside the program; the defaults without it.
fn knobs() -> Result<Knobs, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let file = program.with_file_name("double.toml");
    match std::fs::read_to_string(&file) {
        Ok(text) => toml::from_str(&text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Knobs::default()),
        Err(error) => Err(error.to_string()),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn say_out(text: &str) {
    let mut out = std::io::stdout();
    // Whoever reads may be gone: that is his affair.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn say_err(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// An error in the layout of section 2.3.
fn told(failure: &Failure, name: &str) -> String {
    let mut text = format!("ERROR: {}\n", failure.message);
    for (label, value) in
        [("SQLSTATE", &failure.code), ("DETAIL", &failure.detail), ("HINT", &failure.hint)]
    {
        if let Some(value) = value {
            text.push_str(&format!("{label}: {value}\n"));
        }
    }
    text.push_str(&format!("Failed running \"{name}\"\n"));
    text
}
