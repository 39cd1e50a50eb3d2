//! The cluster as this host's bookie sees it. One that cannot be told whole is a fault. Must not change anything.

use std::time::Duration;

use bellows_proto::v1::{BookkeeperCluster, Fault};

use super::{
    http::{cluster_info, get},
    values::Node,
};
use crate::{
    facilities::Runner,
    tools::{
        QUERY_DEADLINE,
        bookkeeper_http::{
            Registered, bookies_target, delay_target, parse_bookies, parse_delay,
            parse_underreplicated, underreplicated_target,
        },
    },
};

/// So many ledgers are named.
const MOST: usize = 1000;
/// What reads ZooKeeper alone has so long.
const METADATA_DEADLINE: Duration = Duration::from_millis(2500);
/// Kept for the way back to the coordinator.
const MARGIN_MS: i64 = 250;

/// Asks what reads ZooKeeper alone first, so that nothing else is in its time; the rest side by side.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn read(runner: &dyn Runner, node: &Node) -> Result<BookkeeperCluster, Fault> {
    let clock = &runner.local().clock;
    let since_ms = clock.now_ms();
    let delay = get(runner, node, delay_target(), METADATA_DEADLINE).await?;
    let took_ms = (clock.now_ms() - since_ms).max(0);
    let lost_bookie_delay_s = parse_delay(&delay)?;
    let limit_ms = i64::try_from(QUERY_DEADLINE.as_millis()).unwrap_or(i64::MAX);
    let left_ms = u64::try_from(limit_ms - MARGIN_MS - took_ms).unwrap_or_default();
    let left = Duration::from_millis(left_ms);
    let (writable, read_only, info, lacking) = futures::join!(
        get(runner, node, bookies_target(Registered::Writable), left),
        get(runner, node, bookies_target(Registered::ReadOnly), left),
        cluster_info(runner, node, left),
        get(runner, node, underreplicated_target(), left),
    );
    let (info, lacking) = (info?, parse_underreplicated(&lacking?)?);
    Ok(BookkeeperCluster {
        writable: parse_bookies(&writable?)?,
        read_only: parse_bookies(&read_only?)?,
        autorecovery: info.ledger_replication_enabled,
        auditor: info.auditor(),
        underreplicated_count: count(lacking.len()),
        underreplicated: lacking.into_iter().take(MOST).collect(),
        unavailable: info.unavailable_bookies_count,
        metadata_ms: u64::try_from(took_ms).unwrap_or_default(),
        lost_bookie_delay_s,
    })
}

/// A number for a message.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
