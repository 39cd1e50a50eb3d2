//! `bellows apply`: carries out a plan that was written with `--out`.

use std::path::PathBuf;

use bellows_proto::v1::Plan;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    propose::{Agreement, agree_and_apply},
};

/// A plan is never longer.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Arguments of `bellows apply`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file with the plan
    file: PathBuf,
    #[command(flatten)]
    agreement: Agreement,
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let plan = read(&args.file)?;
    let client = context.client()?;
    agree_and_apply(context, &client, plan, &args.agreement).await
}

fn read(path: &std::path::Path) -> Result<Plan, Failure> {
    let shown = path.display().to_string();
    let length = std::fs::metadata(path).map_err(|e| Failure::file(&shown, "read", &e))?.len();
    if length > LARGEST_FILE {
        return Err(Failure::file(&shown, "read as a plan", &"it is too long"));
    }
    let text = std::fs::read(path).map_err(|e| Failure::file(&shown, "read", &e))?;
    serde_json::from_slice(&text).map_err(|e| Failure::file(&shown, "read as a plan", &e))
}
