//! `bellows plan`: a plan from a file, shown and put on paper. Asks nobody.

mod export;
mod show;

use std::path::Path;

use bellows_proto::v1::Plan;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
};

/// A plan is never longer.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What can be done with a plan in a file, besides carrying it out.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show a plan from a file
    Show(show::Args),
    /// Put a plan on paper: one file for a change request
    Export(export::Args),
}

pub fn run(context: &Context, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Show(args) => show::run(context, args),
        Command::Export(args) => export::run(context, args),
    }
}

/// Reads a plan that was written with `--out`.
///
/// # Errors
/// If the file cannot be read, is too long, or is no plan.
pub fn read(path: &Path) -> Result<Plan, Failure> {
    let shown = path.display().to_string();
    let length = std::fs::metadata(path).map_err(|e| Failure::file(&shown, "read", &e))?.len();
    if length > LARGEST_FILE {
        return Err(Failure::file(&shown, "read as a plan", &"it is too long"));
    }
    let text = std::fs::read(path).map_err(|e| Failure::file(&shown, "read", &e))?;
    let plan: Plan =
        serde_json::from_slice(&text).map_err(|e| Failure::file(&shown, "read as a plan", &e))?;
    if plan.format == 0 {
        return Err(Failure::file(&shown, "read as a plan", &"it has no format of a plan"));
    }
    Ok(plan)
}
