//! Whether the bookies that are left are more than any ledger, default or policy needs; those that ask for isolation
//! groups are in `places`. With as many as the largest
//! ensemble there is none to take the place of the next one that fails.

use bellows_proto::v1::{BookkeeperLedgers, BookkeeperQuorum};

/// What needs more bookies than `left`, each with its ensemble; `None`: they are enough.
pub(super) fn shortage(
    left: usize,
    ledgers: &BookkeeperLedgers,
    quorums: &[BookkeeperQuorum],
) -> Option<String> {
    let short = |ensemble: u32| usize::try_from(ensemble).unwrap_or(usize::MAX) >= left;
    let mut who = Vec::new();
    if short(ledgers.largest_ensemble) && ledgers.count > 0 {
        who.push(format!("an ensemble of {} ({})", ledgers.largest_ensemble, named(ledgers)));
    }
    let anywhere = quorums.iter().filter(|quorum| quorum.groups.is_empty());
    for quorum in anywhere.filter(|quorum| short(quorum.ensemble)) {
        who.push(format!("an ensemble of {} ({})", quorum.ensemble, quorum.name));
    }
    if who.is_empty() {
        return None;
    }
    Some(format!("{left} writable bookies would be left, more are needed than {}", who.join(", ")))
}

/// Those ledgers that have the largest ensemble.
fn named(ledgers: &BookkeeperLedgers) -> String {
    let ids: Vec<String> = ledgers.largest.iter().map(u64::to_string).collect();
    match ids.as_slice() {
        [] => "some ledger".to_owned(),
        [one] => format!("ledger {one}"),
        ids => format!("ledgers {}", ids.join(" ")),
    }
}

/// In words, where they are enough.
pub(super) fn text(
    left: usize,
    ledgers: &BookkeeperLedgers,
    quorums: &[BookkeeperQuorum],
) -> String {
    let anywhere = quorums.iter().filter(|quorum| quorum.groups.is_empty());
    let most = anywhere.map(|quorum| quorum.ensemble).max().unwrap_or(0);
    let most = most.max(ledgers.largest_ensemble);
    format!("{left} writable bookies are left, the largest ensemble is {most}")
}

/// What is wrong with what clients are said to ask for: an ensemble holds the copies, and the copies those that
/// are waited for.
pub(super) fn odd(quorum: &BookkeeperQuorum) -> Option<String> {
    let BookkeeperQuorum { ensemble, write_quorum, ack_quorum, .. } = quorum;
    let good = ensemble >= write_quorum && write_quorum >= ack_quorum && *ack_quorum > 0;
    (!good).then(|| {
        format!(
            "{}: an ensemble is at least as large as the write quorum, that as the ack quorum, and that is at least 1",
            told(quorum)
        )
    })
}

/// "broker=3/2/2, public/big=5/3/2".
pub(super) fn listed(quorums: &[BookkeeperQuorum]) -> String {
    quorums.iter().map(told).collect::<Vec<_>>().join(", ")
}

fn told(quorum: &BookkeeperQuorum) -> String {
    let BookkeeperQuorum { name, ensemble, write_quorum, ack_quorum, groups } = quorum;
    let at = if groups.is_empty() { "" } else { "@" };
    format!("{name}={ensemble}/{write_quorum}/{ack_quorum}{at}{}", groups.join("+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledgers(largest_ensemble: u32, largest: &[u64]) -> BookkeeperLedgers {
        let largest = largest.to_vec();
        BookkeeperLedgers { count: 9, largest_ensemble, largest, ..Default::default() }
    }

    fn quorum(name: &str, [ensemble, write_quorum, ack_quorum]: [u32; 3]) -> BookkeeperQuorum {
        let name = name.to_owned();
        BookkeeperQuorum { name, ensemble, write_quorum, ack_quorum, groups: Vec::new() }
    }

    #[test]
    fn more_are_left_than_the_largest_ensemble() {
        assert_eq!(shortage(4, &ledgers(3, &[7]), &[]), None);
        let text = shortage(3, &ledgers(3, &[7, 12]), &[]).unwrap();
        assert_eq!(
            text,
            "3 writable bookies would be left, more are needed than an ensemble of 3 (ledgers 7 12)"
        );
        assert!(shortage(2, &ledgers(3, &[]), &[]).unwrap().contains("(some ledger)"));
        assert_eq!(shortage(1, &BookkeeperLedgers::default(), &[]), None, "there is no ledger");
    }

    #[test]
    fn what_clients_ask_for_counts_though_no_ledger_has_it() {
        let asked = [quorum("broker", [2, 2, 2]), quorum("public/big", [5, 3, 2])];
        let text = shortage(5, &ledgers(3, &[1]), &asked).unwrap();
        assert!(text.ends_with("an ensemble of 5 (public/big)"), "{text}");
        assert_eq!(shortage(6, &ledgers(3, &[1]), &asked), None);
    }

    #[test]
    fn quorums_are_in_order() {
        assert_eq!(odd(&quorum("broker", [3, 2, 2])), None);
        for wrong in [[2, 3, 2], [3, 2, 3], [3, 2, 0], [0, 0, 0]] {
            assert!(odd(&quorum("broker", wrong)).is_some(), "{wrong:?}");
        }
    }
}
