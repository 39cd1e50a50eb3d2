//! `bellows-agent completion` and `bellows-agent man`: what shells and `man` need, made from the same
//! description of the command line as `--help`. It knows no agent.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result};

/// Arguments of `bellows-agent completion`.
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Arguments of `bellows-agent man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// A folder that gets one page per command; without it: the page of bellows-agent itself, on
    /// standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the script of a shell to standard output.
///
/// # Errors
/// Standard output is closed.
pub fn completion(mut command: clap::Command, args: &CompletionArgs) -> Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    io::stdout().write_all(&script).context("write the script")
}

/// Writes the manual pages.
///
/// # Errors
/// The folder is not there or may not be written; standard output is closed.
pub fn man(command: clap::Command, args: &ManArgs) -> Result<()> {
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(command, dir)
            .with_context(|| format!("the pages cannot be written to {}", dir.display())),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).context("make the page")?;
            io::stdout().write_all(&page).context("write the page")
        }
    }
}
