//! `bellows store check`.

use std::path::PathBuf;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
        page::Tone,
    },
    serve::offline,
};

/// Shown below `--help`.
pub const STATUSES: &str = "Exit status:
  0  the store is sound and no doubt stands
  1  something is wrong: all of it is listed
  2  there is no store, or it cannot be looked at
  3  it is sound, and a doubt of an earlier start stands
  5  a coordinator holds it";

/// Arguments of `bellows store check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the copy that is looked at is made; without it: beside the store
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

pub fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let site = context.global.site_folder();
    let report = offline::check(&site, args.scratch.as_deref()).map_err(|e| super::offline(&e))?;
    let doubts: Vec<&str> = report
        .doubt
        .iter()
        .flat_map(|doubt| doubt.reasons.iter().map(|reason| reason.text.as_str()))
        .collect();
    if context.out.is_json() {
        context.out.json(&serde_json::json!({
            "storeId": report.store_id,
            "operations": report.operations,
            "unfinished": report.unfinished,
            "faults": report.faults,
            "doubts": doubts,
        }))?;
    } else {
        let mut page = context.out.page();
        for fault in &report.faults {
            page.line(Tone::Bad, &format!("wrong: {fault}"));
        }
        for doubt in &doubts {
            page.line(Tone::Warn, &format!("in doubt: {doubt}"));
        }
        let (operations, unfinished) = (report.operations, report.unfinished);
        let count = format!("{operations} operations, {unfinished} of them unfinished");
        let sound =
            if report.faults.is_empty() { "the store is sound" } else { "the store is damaged" };
        page.line(Tone::Strong, &format!("{sound}: {count}"));
        context.out.show(page)?;
    }
    Ok(match (report.faults.is_empty(), doubts.is_empty()) {
        (false, _) => Exit::BeforeFirstAct,
        (true, false) => Exit::Held,
        (true, true) => Exit::AsAsked,
    })
}
