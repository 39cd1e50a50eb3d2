//! `bellows audit show`.

use bellows_proto::v1::ShowAuditRequest;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows audit` and `bellows audit show`.
#[derive(Debug, Default, PartialEq, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The log of this host's agent; without it: the coordinator's own
    #[arg(long)]
    host: Option<String>,
    /// Only what is about this operation
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    /// Nothing from before: 2026-11-21, "2026-11-21 14:30", an RFC 3339 time, or 2h for two
    /// hours ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Nothing from after
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
}

/// A moment as people write it, in milliseconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    moment_at(text, Timestamp::now(), &TimeZone::system())
}

fn moment_at(text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, String> {
    let zoned = |civil: DateTime| civil.to_zoned(zone.clone()).map(|at| at.timestamp());
    let ago = || text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
    let at = match (text.parse::<Timestamp>(), text.parse::<DateTime>(), ago()) {
        (Ok(at), _, _) => Some(at),
        (Err(_), Ok(civil), _) => zoned(civil).ok(),
        (Err(_), Err(_), Some(ago)) => now.checked_sub(ago).ok(),
        (Err(_), Err(_), None) => None,
    };
    at.map(Timestamp::as_millisecond).filter(|ms| *ms > 0).ok_or_else(|| {
        "use a date, a date with a time, an RFC 3339 time, or a duration such as 2h".to_owned()
    })
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = ShowAuditRequest {
        host: args.host.unwrap_or_default(),
        operation: args.operation.unwrap_or_default(),
        since_ms: args.since.unwrap_or_default(),
        until_ms: args.until.unwrap_or_default(),
    };
    let mut api = client.api.clone();
    let mut entries = client.answer(api.show_audit(request)).await?;
    while let Some(entry) = entries.message().await.map_err(|e| client.failure(&e))? {
        context.out.data(&entry, render::audit::entry)?;
    }
    Ok(Exit::AsAsked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_people_write_them() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |text: &str| moment_at(text, now, &TimeZone::UTC);
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(at("2026-11-21T10:00:00Z"), Ok(ms("2026-11-21T10:00:00Z")));
        assert_eq!(at("2026-11-21 10:30"), Ok(ms("2026-11-21T10:30:00Z")));
        assert_eq!(at("2026-11-20"), Ok(ms("2026-11-20T00:00:00Z")));
        assert_eq!(at("2h"), Ok(ms("2026-11-21T10:00:00Z")));
        assert_eq!(at("90m"), Ok(ms("2026-11-21T10:30:00Z")));
        for bad in ["", "yesterday", "-2h", "12", "1960-01-01"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
