//! `bellows store prune`.

use bellows_proto::v1::{PruneOperationsReply, PruneOperationsRequest};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    page::Tone,
};

/// Arguments of `bellows store prune`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Operations that ended longer ago, in days, e.g. 90d
    #[arg(long, value_name = "DAYS", value_parser = days)]
    older_than: u32,
    /// Do it; without this it is only shown what would go
    #[arg(long)]
    yes: bool,
}

/// `90d` or `90`.
fn days(text: &str) -> Result<u32, String> {
    match text.strip_suffix('d').unwrap_or(text).parse() {
        Ok(days) if days > 0 => Ok(days),
        Ok(_) | Err(_) => Err("use a number of days, e.g. 90d".to_owned()),
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = PruneOperationsRequest { older_than_days: args.older_than, dry_run: !args.yes };
    let mut total = PruneOperationsReply::default();
    loop {
        let reply = client.answer(client.api.clone().prune_operations(request)).await?;
        total.operations = total.operations.saturating_add(reply.operations);
        total.events = total.events.saturating_add(reply.events);
        if !reply.more {
            break;
        }
    }
    let done = args.yes;
    context.out.data(&total, |page, total| {
        let would = if done { "were taken out" } else { "would be taken out" };
        let PruneOperationsReply { operations, events, .. } = total;
        page.line(Tone::Plain, &format!("{events} events of {operations} operations {would}"));
    })?;
    if !done && total.operations > 0 {
        context.out.say("Nothing was changed: add --yes to take them out");
    }
    Ok(Exit::AsAsked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_of_days() {
        assert_eq!((days("90d"), days("7")), (Ok(90), Ok(7)));
        for bad in ["", "d", "0", "-1", "9h", "1.5d"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
