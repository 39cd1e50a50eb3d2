//! `bellows store restore`.

use std::path::PathBuf;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
        page::Tone,
    },
    serve::offline,
};

/// Arguments of `bellows store restore`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A backup as `bellows store backup` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let site = context.global.site_folder();
    let restored = offline::restore(&site, &args.file).map_err(|e| super::offline(&e))?;
    if context.out.is_json() {
        context.out.json(&serde_json::json!({
            "siteId": restored.site_id,
            "fromStore": restored.from_store,
            "storeId": restored.store_id,
            "madeAtMs": restored.made_at_ms,
            "values": restored.entries,
        }))?;
        return Ok(Exit::AsAsked);
    }
    let mut page = context.out.page();
    page.line(Tone::Strong, &format!("The store is restored: {} values", restored.entries));
    page.line(Tone::Plain, &format!("  made from store  {}", restored.from_store));
    page.line(Tone::Plain, &format!("  this store is    {}", restored.store_id));
    context.out.show(page)?;
    context.out.say(
        "What was done after the backup is not in it: open operations are held. \
         Start with: bellows serve --take-over",
    );
    Ok(Exit::AsAsked)
}
