//! `bellows plan export`.

use std::path::PathBuf;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
        onpaper::{OnPaper, write},
    },
    paper,
};

/// Arguments of `bellows plan export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file with the plan
    file: PathBuf,
    #[command(flatten)]
    paper: OnPaper,
}

pub fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let plan = super::read(&args.file)?;
    let document = paper::plan(&plan, &args.paper.style());
    write(context, &args.paper, &document, &plan)
}
