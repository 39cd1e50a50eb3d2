//! `bellows explain`: what a code means and what to do. Asks nobody.

use bellows_proto::v1::Explanation;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
        page::{Page, Table, Tone},
    },
    explain,
};

/// Arguments of `bellows explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As Bellows shows it, e.g. PG-13, stalled, STALE_TERM; without it: the list of all
    code: Option<String>,
}

pub fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let Some(code) = &args.code else {
        context.out.data(&explain::all(), list)?;
        return Ok(Exit::AsAsked);
    };
    let found = explain::find(code);
    if found.is_empty() {
        let what = format!("nothing is called {code:?}");
        return Err(Failure::usage(what, "bellows explain lists all codes"));
    }
    context.out.data(&found, |page, found| found.iter().for_each(|one| show(page, one)))?;
    Ok(Exit::AsAsked)
}

#[allow(clippy::ptr_arg)]
fn list(page: &mut Page, all: &Vec<Explanation>) {
    let mut table = Table::new(&["CODE", "MEANING"]);
    for known in all {
        table.row(Tone::Plain, &[&known.code, &known.name]);
    }
    page.table(0, &table);
}

fn show(page: &mut Page, known: &Explanation) {
    page.gap();
    page.line(Tone::Strong, &format!("{}: {}", known.code, known.name));
    page.line(Tone::Plain, &known.text);
    if !known.remedy.is_empty() {
        page.line(Tone::Plain, &format!("What to do: {}", known.remedy));
    }
}
