//! How many ledgers a bookie still holds, and how that is shown. A reading of the metadata: what a copier says of itself is no proof.

use std::{num::NonZeroU64, time::Duration};

use bellows_proto::v1::{
    BookkeeperHeld, BookkeeperLedgers, BookkeeperLedgersQuery, BookkeeperShellQuery, Fault,
    FaultCode, Progress, ServiceState,
};

use crate::tools::{
    JobContext,
    bookkeeper::{ledgers, service, shell, values::Node},
    bookkeeper_shell::BookieId,
};

/// Between two readings while something else copies, at least.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// A reading of all metadata costs ZooKeeper something: between two there is so many times the time that one takes.
const REST: u32 = 10;
/// So many ledgers are named in an error.
const NAMED: usize = 10;

/// About what a copier does where nothing holds it back: ledgers a second (20,000 in two to three hours, by the manual), and
/// bytes a second.
const LEDGERS_PER_S: u64 = 2;
const BYTES_PER_S: u64 = 10_000_000;

/// What a bookie holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Ledgers that name it.
    pub ledgers: u64,
    /// About, of closed ledgers.
    pub bytes: u64,
    /// The first of them.
    pub first: Vec<u64>,
    /// Of them, those of which no copy is anywhere else, if it is gone for good.
    pub lost: u64,
}

/// Asks the bookie at hand. `gone`: the bookie that is asked about is dead.
pub(super) async fn read(
    context: &JobContext,
    at: &Node,
    id: &BookieId,
    gone: bool,
) -> Result<Held, Fault> {
    let bookies = vec![id.to_string()];
    let gone = if gone { bookies.clone() } else { Vec::new() };
    let here = Some(at.reference());
    let query = BookkeeperLedgersQuery { at: here.clone(), bookies, gone };
    match ledgers::read(context, &query).await {
        Ok(read) => of(read, id),
        // An undo of a start that came to nothing: its host has no HTTP API, and the metadata are asked themselves.
        Err(_) if at.id() == id.to_string() && !runs(context, at).await? => {
            let query = BookkeeperShellQuery { at: here, bookie: id.to_string() };
            let read = shell::read(context, &query).await?;
            let (ledgers, first) = (read.ledgers, read.first);
            Ok(Held { ledgers, first, ..Held::default() })
        }
        Err(fault) => Err(fault),
    }
}

/// Whether it runs, by the service manager and the processes.
pub(super) async fn runs(context: &JobContext, node: &Node) -> Result<bool, Fault> {
    Ok(service::reading(context, node).await?.state() == ServiceState::Running)
}

fn of(read: BookkeeperLedgers, id: &BookieId) -> Result<Held, Fault> {
    let lost = read.lost_count;
    let held = read.held.into_iter().find(|held| held.bookie == id.to_string());
    let held = held.ok_or_else(|| {
        Fault::new(
            FaultCode::Unreadable,
            format!("the ledgers of {id} were asked for, and are not told"),
        )
    })?;
    let BookkeeperHeld { ledgers, bytes, first, .. } = held;
    Ok(Held { ledgers, bytes, first, lost })
}

/// "12 ledgers (1, 2, 3, ...)"
pub(super) fn named(held: &Held) -> String {
    let mut names: Vec<String> = held.first.iter().take(NAMED).map(u64::to_string).collect();
    if u64::try_from(names.len()).unwrap_or(u64::MAX) < held.ledgers {
        names.push("...".to_owned());
    }
    let plural = if held.ledgers == 1 { "" } else { "s" };
    format!("{} ledger{plural} ({})", held.ledgers, names.join(", "))
}

/// Whether all of it can be done before the hours are over, and half as much again.
pub(super) fn fits(held: &Held, rate: Option<NonZeroU64>, left: Duration) -> bool {
    let by_bytes = held.bytes / rate.map_or(BYTES_PER_S, |rate| rate.get().min(BYTES_PER_S));
    let needed = by_bytes.max(held.ledgers / LEDGERS_PER_S);
    needed.saturating_add(needed / 2) < left.as_secs()
}

/// How far it is: against the most that was ever seen, since a writer may add to what is there at the beginning.
#[derive(Debug, Default)]
pub(super) struct Meter {
    ledgers: u64,
    bytes: u64,
    next_at: Duration,
}

impl Meter {
    /// Whether it is time to read again, by the clock that does not go back.
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.next_at
    }

    /// Takes a reading in that lasted from one moment to another, and shows it.
    pub fn read(&mut self, held: &Held, from: Duration, to: Duration) -> Progress {
        let rest = to.saturating_sub(from).saturating_mul(REST).max(EVERY);
        self.next_at = to.saturating_add(rest);
        self.show(held)
    }

    fn show(&mut self, held: &Held) -> Progress {
        self.ledgers = self.ledgers.max(held.ledgers);
        self.bytes = self.bytes.max(held.bytes);
        Progress {
            done: self.ledgers - held.ledgers,
            total: Some(self.ledgers),
            unit: "ledgers".to_owned(),
            bytes_done: Some(self.bytes - held.bytes),
            bytes_total: Some(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_against_the_most_that_was_seen() {
        let mut meter = Meter::default();
        let held = |ledgers, bytes| Held { ledgers, bytes, ..Held::default() };
        let shown = [held(10, 100), held(12, 90), held(4, 40)].map(|held| meter.show(&held));
        let done = shown.map(|one| (one.done, one.total, one.bytes_done, one.bytes_total));
        assert_eq!(
            done,
            [
                (0, Some(10), Some(0), Some(100)),
                (0, Some(12), Some(10), Some(100)),
                (8, Some(12), Some(60), Some(100)),
            ]
        );
    }

    #[test]
    fn a_slow_reading_is_made_less_often() {
        let second = Duration::from_secs;
        let mut meter = Meter::default();
        assert!(meter.is_due(second(0)));
        meter.read(&Held::default(), second(100), second(100));
        assert!(!meter.is_due(second(109)) && meter.is_due(second(110)));
        meter.read(&Held::default(), second(200), second(220));
        assert!(!meter.is_due(second(419)) && meter.is_due(second(420)));
    }

    #[test]
    fn what_does_not_fit_into_its_hours_is_copied_ledger_by_ledger() {
        let held = |ledgers, bytes| Held { ledgers, bytes, ..Held::default() };
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let rate = NonZeroU64::new(5_000_000);
        // 50 GB at 5 MB/s are less than three hours, 500 GB more than a day.
        assert!(fits(&held(10, 50_000_000_000), rate, hours(8)));
        assert!(!fits(&held(10, 500_000_000_000), rate, hours(8)));
        assert!(fits(&held(20_000, 0), None, hours(8)));
        assert!(!fits(&held(60_000, 0), None, hours(8)));
        assert!(fits(&held(0, 0), None, Duration::from_secs(1)));
    }

    #[test]
    fn ledgers_are_named() {
        let held = Held { ledgers: 3, first: vec![1, 2, 3], ..Held::default() };
        assert_eq!(named(&held), "3 ledgers (1, 2, 3)");
        let many = Held { ledgers: 300, first: (0..100).collect(), ..Held::default() };
        assert_eq!(named(&many), "300 ledgers (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)");
    }
}
