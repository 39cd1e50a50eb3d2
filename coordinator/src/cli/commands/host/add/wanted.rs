//! What was typed, as hosts that are to be added, with all its mistakes at once.

use std::path::Path;

use super::Args;
use crate::{
    bootstrap::list::{self, Wanted},
    cli::exit::Failure,
};

/// Sections of `agent.toml` are shorter.
const MOST_BYTES: u64 = 256 * 1024;

/// The hosts.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn hosts(args: &Args) -> Result<Vec<Wanted>, Failure> {
    let wanted = match &args.file {
        Some(path) => {
            let shown = path.display();
            let text = read(path)?;
            list::read(&text).map_err(|wrong| {
                Failure::usage(format!("{shown}: {}", wrong.join("; ")), "correct these lines")
            })?
        }
        None => typed(args)?,
    };
    list::check(&wanted)
        .map_err(|wrong| Failure::usage(wrong.join("; "), "name each host once"))?;
    Ok(wanted)
}

fn typed(args: &Args) -> Result<Vec<Wanted>, Failure> {
    if args.hosts.len() != args.ssh.len() {
        return Err(Failure::usage(
            format!("{} hosts and {} --ssh do not fit", args.hosts.len(), args.ssh.len()),
            "give one --ssh USER@ADDRESS for each host, in the same order; or --file; or --manual",
        ));
    }
    if args.address.is_some() && args.hosts.len() > 1 {
        return Err(Failure::usage(
            "one --address for several hosts",
            "use --file, with the address as third word of each line",
        ));
    }
    let pairs = args.hosts.iter().zip(&args.ssh);
    Ok(pairs
        .map(|(host, destination)| Wanted {
            host: host.clone(),
            destination: destination.clone(),
            address: args.address,
        })
        .collect())
}

/// The lines for `agent.toml` after `[agent]`, with their last line ended.
///
/// # Errors
/// If the file cannot be read, or has keys before its first section: they would land in `[agent]`.
pub(super) fn systems(path: Option<&Path>) -> Result<String, Failure> {
    let Some(path) = path else { return Ok(String::new()) };
    let mut text = read(path)?;
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    if first.is_none_or(|line| !line.starts_with('[')) || text.contains("[agent]") {
        return Err(Failure::usage(
            format!("{} does not begin with a section, or has [agent]", path.display()),
            "it has only the sections [systems.NAME] and [profiles.NAME] of agent.toml",
        ));
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display().to_string();
    let length = std::fs::metadata(path).map_err(|e| Failure::file(&shown, "read", &e))?.len();
    if length > MOST_BYTES {
        return Err(Failure::file(&shown, "read", &"it is too long"));
    }
    std::fs::read_to_string(path).map_err(|e| Failure::file(&shown, "read", &e))
}
