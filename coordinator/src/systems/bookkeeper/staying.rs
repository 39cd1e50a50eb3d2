//! What those who stay are and have, when some leave: by an observation.

use bellows_proto::v1::BookkeeperSpecOptions;

use super::{
    enough,
    places::{self, Parting},
    room::{self, Disk, Room, WARNS_AT},
    view::{self, View, reading, server},
};

/// A bookie's own level, in its configuration: a part of 1.
const WARNS: &str = "diskUsageWarnThreshold";

/// Writable bookies besides these, by whoever sees fewest.
pub(super) fn writable(view: View<'_>, without: &[String]) -> Result<usize, String> {
    let mut ids = Vec::new();
    for node in without {
        ids.push(view.id(node)?);
    }
    let witnesses = view.witnesses()?;
    let count = |cluster: &bellows_proto::v1::BookkeeperCluster| {
        cluster.writable.iter().filter(|id| !ids.contains(id)).count()
    };
    let fewest = witnesses.iter().map(|witness| count(witness.cluster)).min();
    fewest.ok_or_else(|| "nobody tells which bookies are writable".to_owned())
}

/// Whether enough are left. What was seen; inner error: too few; outer error: something was not read.
pub(super) fn enough(
    view: View<'_>,
    without: &[String],
    options: Option<&BookkeeperSpecOptions>,
) -> Result<Result<String, String>, String> {
    let (left, ledgers) = (writable(view, without)?, view.ledgers()?);
    let unsaid = BookkeeperSpecOptions::default();
    let options = options.unwrap_or(&unsaid);
    let names = names(view, without)?;
    let parting = Parting { left: &names, going: without };
    let mut short: Vec<String> =
        enough::shortage(left, ledgers, &options.quorums).into_iter().collect();
    short.extend(places::short_groups(parting, options));
    if let Some(asked) = places::asked(view, without, options)? {
        short.extend(places::short_racks(&names, &options.places, &asked));
    }
    Ok(match short.as_slice() {
        [] => Ok(enough::text(left, ledgers, &options.quorums)),
        short => Err(short.join("; ")),
    })
}

/// Members besides these that all see writable.
fn names(view: View<'_>, without: &[String]) -> Result<Vec<String>, String> {
    let witnesses = view.witnesses()?;
    let mut found = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        let id = view.id(&member.node)?;
        if witnesses.iter().all(|witness| witness.is_writable(&id)) {
            found.push(member.node.clone());
        }
    }
    Ok(found)
}

/// Bytes that these hold, about, by the ledgers' metadata.
pub(super) fn held(view: View<'_>, nodes: &[String]) -> Result<u64, String> {
    let mut bytes = 0_u64;
    for node in nodes {
        bytes = bytes.saturating_add(view.held(&view.id(node)?)?.bytes);
    }
    Ok(bytes)
}

/// What moves when these leave, and what those who stay have for it.
pub(super) fn room(view: View<'_>, without: &[String]) -> Result<Room, String> {
    Ok(room::room(held(view, without)?, &disks(view, without)?))
}

/// The ledger disks of the members but these.
pub(super) fn disks(view: View<'_>, without: &[String]) -> Result<Vec<Disk>, String> {
    let mut disks = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        let reading = reading(member)?;
        let server = server(&member.node, reading)?;
        disks.push(Disk {
            node: member.node.clone(),
            free: server.free_bytes,
            total: server.total_bytes,
            warns_at: view::setting(reading, WARNS).and_then(thousandths).unwrap_or(WARNS_AT),
        });
    }
    Ok(disks)
}

/// A part of 1, as a configuration has it, in thousandths: "0.98", ".9", "1".
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    let all = whole.checked_mul(1000)?.checked_add(digits.parse::<u64>().ok()?)?;
    (1..=1000).contains(&all).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn levels_are_parts_of_one() {
        for (text, wanted) in [
            ("0.98", Some(980)),
            (".9", Some(900)),
            ("1", Some(1000)),
            ("0.95001", Some(950)),
            ("0", None),
            ("1.5", None),
            ("-0.5", None),
            ("0.-5", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(thousandths(text), wanted, "{text}");
        }
    }
}
