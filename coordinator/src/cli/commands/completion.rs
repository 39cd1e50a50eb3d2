//! `bellows completion` and `bellows man`: what shells and `man` need, made from the same
//! description of the command line as `--help`.

use std::{io::Write as _, path::PathBuf};

use clap::CommandFactory as _;

use crate::cli::{
    Cli, Context,
    exit::{Exit, Failure},
};

/// Arguments of `bellows completion`.
#[derive(Debug, clap::Args)]
pub struct Completion {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Arguments of `bellows man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// A folder that gets one page per command; without it: the page of bellows itself, on standard
    /// output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn completion(context: &Context, args: &Completion) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bellows", &mut script);
    context.out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::AsAsked)
}

pub fn man(context: &Context, args: &Man) -> Result<Exit, Failure> {
    match &args.dir {
        None => {
            let mut page = Vec::new();
            let made = clap_mangen::Man::new(Cli::command()).render(&mut page);
            made.and_then(|()| page.flush()).map_err(|error| {
                Failure::new(
                    Exit::BeforeFirstAct,
                    format!("no page: {error}"),
                    "report this as a bug",
                )
            })?;
            context.out.text(&String::from_utf8_lossy(&page))?;
        }
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir).map_err(|error| {
            let what = format!("the pages cannot be written to {}: {error}", dir.display());
            Failure::usage(what, "name a folder that is there and may be written")
        })?,
    }
    Ok(Exit::AsAsked)
}
