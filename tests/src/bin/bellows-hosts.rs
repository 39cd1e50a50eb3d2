//! Real systemd hosts on this machine for a person: `make hosts`, `make hosts-down`, and what can be done to them meanwhile.

use std::process::ExitCode;

use bellows_tests::standing::{self, Request};
use clap::{Parser, Subcommand};

/// Real systemd hosts on this machine, left up for a person.
#[derive(Parser)]
struct Arguments {
    /// Which set of hosts: several may stand side by side.
    #[arg(long, default_value = "hosts", value_parser = plain)]
    name: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Boot hosts h1, h2, ... and leave them up.
    Up {
        /// How many.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=200))]
        hosts: u8,
    },
    /// Take just these down, also after a kill. Nothing to do is fine.
    Down,
    /// Hold the hosts; `up` starts it in the background.
    #[command(hide = true)]
    Keep {
        #[arg(value_parser = clap::value_parser!(u8).range(1..=200))]
        hosts: u8,
    },
    #[command(flatten)]
    Tell(Request),
}

fn plain(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !text.is_empty() && text.len() <= 32 && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err("use up to 32 of a-z, 0-9 and -".to_owned()),
    }
}

fn main() -> ExitCode {
    let Arguments { name, verb } = Arguments::parse();
    let said = match verb {
        Verb::Up { hosts } => standing::up(&name, hosts).map(|said| {
            let own = std::env::args().next().unwrap_or_default();
            format!(
                "{said}\n\nThey stay until `make hosts-down`. What can be done to them: {own} --help"
            )
        }),
        Verb::Down => standing::down(&name),
        Verb::Keep { hosts } => standing::keep(&name, hosts).map(|()| "down".to_owned()),
        Verb::Tell(request) => standing::tell(&name, &request),
    };
    match said {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
