//! `bellows plan show`.

use std::path::PathBuf;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows plan show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file with the plan
    file: PathBuf,
}

pub fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let plan = super::read(&args.file)?;
    context.out.data(&plan, render::plan::plan)?;
    Ok(Exit::AsAsked)
}
