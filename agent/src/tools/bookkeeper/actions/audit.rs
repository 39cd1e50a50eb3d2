//! Audits, and the switch of autorecovery.
//!
//! An audit of all bookies tells its end by a counter that the auditor's bookie shows beside its HTTP API (`/metrics`, where a
//! statistics provider is configured): it moves when an audit has ended. Since one may have been at work when another was
//! asked for, two are asked for, one after the end of the other: the second end is of one that began after the first request.

use std::time::Duration;

use bellows_proto::v1::{BookkeeperAudit, BookkeeperSetAutorecovery, Fault, FaultCode};

use super::{running::CHANGE, wait, words::reason};
use crate::{
    facilities::Runner as _,
    host::http::{HttpRequest, Target},
    tools::{
        JobContext, Note,
        bookkeeper::{http, saved, session::led, values::Node},
        bookkeeper_shell::BookieId,
    },
};

/// The counter's end: before it stands whose statistics they are.
const COUNTER: &str = "auditor_AUDIT_BOOKIES_TIME_count{success=\"true\"}";
/// One request that reads.
const READ: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(500);
/// An audit reads the metadata of all ledgers. A request is lost when the auditor is busy with something else: it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(2 * 60);
const LIMIT: Duration = Duration::from_secs(60 * 60);
/// Without a counter nothing tells the end. `decommissionbookie` itself waits for so long after it has asked for one.
const SETTLE: Duration = Duration::from_secs(30);

/// Asks for an audit, and ends when one that began after it has ended.
pub(super) async fn audit(action: &BookkeeperAudit, context: &JobContext) -> Result<Note, Fault> {
    let local = context.local();
    let at = led(local, action.at.as_ref())?;
    let id = BookieId::new(&at.id())?;
    let auditor = http::cluster_info(context, &at, READ).await?.auditor();
    if auditor != at.id() {
        let found = if auditor.is_empty() {
            "no auditor is elected".to_owned()
        } else {
            format!("the auditor is {auditor} now")
        };
        return Err(Fault::new(FaultCode::Drift, format!("{found}, and {id} is to be asked"))
            .remedy("retry: the auditor is looked for anew"));
    }
    let note = match ended(context, &at).await? {
        None => {
            trigger(context, &at).await?;
            wait(context, SETTLE).await?;
            format!(
                "an audit was asked for {} s ago; nothing tells its end here (statsProviderClass is not set)",
                SETTLE.as_secs()
            )
        }
        Some(before) => {
            let first = one(context, &at, before).await?;
            one(context, &at, first).await?;
            "an audit has ended that began after it was asked for".to_owned()
        }
    };
    saved::audited(local, &id, action.after_ms)?;
    Ok(note)
}

/// Asks for an audit and waits for an end of one; how many have ended then.
async fn one(context: &JobContext, at: &Node, before: u64) -> Result<u64, Fault> {
    let clock = &context.local().clock;
    let since = clock.elapsed();
    let mut asked: Option<Duration> = None;
    loop {
        let waited = clock.elapsed().saturating_sub(since);
        if asked.is_none_or(|asked| waited.saturating_sub(asked) >= ASK_AGAIN) {
            trigger(context, at).await?;
            asked = Some(waited);
        }
        match ended(context, at).await? {
            Some(now) if now != before => return Ok(now),
            Some(_) => {}
            None => {
                let message = format!("the bookie {} has no statistics any more", at.name);
                return Err(Fault::new(FaultCode::Drift, message).remedy("retry"));
            }
        }
        if waited >= LIMIT {
            let message = format!("no audit has ended within {} min", LIMIT.as_secs() / 60);
            return Err(Fault::new(FaultCode::Deadline, message).remedy(
                "see the log of the auditor's bookie, and whether ZooKeeper is slow; then retry",
            ));
        }
        wait(context, POLL).await?;
    }
}

/// How many audits have ended since the bookie began; `None`: it does not tell.
async fn ended(context: &JobContext, at: &Node) -> Result<Option<u64>, Fault> {
    use crate::host::http::Cause;
    match context.http(HttpRequest::get(at.http, Target::new("/metrics"), READ)).await {
        Ok(reply) if reply.status == 200 => Ok(count(&String::from_utf8_lossy(&reply.body))),
        Ok(_) => Ok(None),
        // So many statistics that they cannot be taken in.
        Err(error) if matches!(error.cause, Cause::TooLongReply) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn count(metrics: &str) -> Option<u64> {
    metrics.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        if !name.ends_with(COUNTER) {
            return None;
        }
        // Some providers print whole numbers as decimals.
        let (whole, _) = value.split_once('.').unwrap_or((value, ""));
        whole.parse().ok()
    })
}

async fn trigger(context: &JobContext, at: &Node) -> Result<(), Fault> {
    let target = Target::new("/api/v1/autorecovery/trigger_audit");
    let request = HttpRequest::put(at.http, target, Vec::new(), CHANGE);
    let command = request.command();
    let reply = context.http(request).await?;
    if reply.status == 200 {
        return Ok(());
    }
    let message =
        format!("an audit was refused (status {}): {}", reply.status, reason(&reply.body));
    Err(Fault::new(FaultCode::ToolFailed, message)
        .remedy("autorecovery must be on, and an auditor be elected; then retry")
        .tool(&command, None, b""))
}

/// Switches autorecovery of the whole cluster, and reads it back.
pub(super) async fn set_autorecovery(
    action: &BookkeeperSetAutorecovery,
    context: &JobContext,
) -> Result<Note, Fault> {
    let at = led(context.local(), action.at.as_ref())?;
    switch(context, &at, action.enabled).await?;
    Ok(format!("autorecovery is {}", if action.enabled { "on" } else { "off" }))
}

/// Whether autorecovery is on.
pub(super) async fn is_on(context: &JobContext, at: &Node) -> Result<bool, Fault> {
    Ok(http::cluster_info(context, at, READ).await?.ledger_replication_enabled)
}

/// Makes it so and reads it back.
pub(super) async fn switch(context: &JobContext, at: &Node, enabled: bool) -> Result<(), Fault> {
    if is_on(context, at).await? == enabled {
        return Ok(());
    }
    let target = Target::new("/api/v1/autorecovery/status").query("enabled", &enabled.to_string());
    let request = HttpRequest::put(at.http, target, Vec::new(), CHANGE);
    let command = request.command();
    let reply = context.http(request).await?;
    if reply.status == 200 && is_on(context, at).await? == enabled {
        return Ok(());
    }
    let message = format!(
        "autorecovery was to be {}, and is not (status {}): {}",
        if enabled { "on" } else { "off" },
        reply.status,
        reason(&reply.body)
    );
    Err(Fault::new(FaultCode::ToolFailed, message)
        .remedy("see who else switches it, and whether ZooKeeper answers; then retry")
        .tool(&command, None, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_under_either_name() {
        let inside = "# TYPE replication_auditor_AUDIT_BOOKIES_TIME summary\n\
                      replication_auditor_AUDIT_BOOKIES_TIME_count{success=\"false\"} 7\n\
                      replication_auditor_AUDIT_BOOKIES_TIME_count{success=\"true\"} 2\n\
                      replication_auditor_AUDIT_BOOKIES_TIME_sum{success=\"true\"} 512.0\n";
        assert_eq!(count(inside), Some(2));
        assert_eq!(count("auditor_AUDIT_BOOKIES_TIME_count{success=\"true\"} 3.0\n"), Some(3));
        assert_eq!(count("jvm_threads_current 5\n"), None);
        assert_eq!(count(""), None);
    }
}
