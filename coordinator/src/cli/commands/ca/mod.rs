//! `bellows ca`: the certificate authority of the site.

mod rotate;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
};

/// What can be done with the authority.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Go from the site's authority to a new one, phase by phase
    #[command(subcommand)]
    Rotate(rotate::Command),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Rotate(command) => rotate::run(context, command).await,
    }
}
