//! `bellows apply`: carries out a plan that was written with `--out`.

use std::path::PathBuf;

use crate::cli::{
    Context,
    commands::plan,
    exit::{Exit, Failure},
    propose::{Agreement, agree_and_apply},
};

/// Arguments of `bellows apply`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file with the plan
    file: PathBuf,
    #[command(flatten)]
    agreement: Agreement,
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let plan = plan::read(&args.file)?;
    let client = context.client()?;
    Box::pin(agree_and_apply(context, &client, plan, &args.agreement)).await
}
