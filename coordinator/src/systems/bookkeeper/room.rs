//! Whether the bookies that stay have room for what those who leave hold. The tool does not look at disks when it
//! chooses where copies go: each of them gets about the same share.

use crate::plan::sizes;

/// From so full on a bookie warns, thousandths, where its configuration does not say otherwise.
pub(super) const WARNS_AT: u64 = 900;

/// The ledger disks of a bookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) node: String,
    /// Bytes.
    pub(super) free: u64,
    /// Bytes.
    pub(super) total: u64,
    /// From so full on it warns, thousandths, 1 to 1000.
    pub(super) warns_at: u64,
}

impl Disk {
    /// What it can take before it warns.
    fn spare(&self) -> u64 {
        let kept = u128::from(self.total) * u128::from(1000_u64.saturating_sub(self.warns_at));
        self.free.saturating_sub(u64::try_from(kept / 1000).unwrap_or(u64::MAX))
    }
}

/// What moves, and what there is for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes that the leaving ones hold.
    pub(super) held: u64,
    /// Bytes that each of those who stay gets.
    pub(super) share: u64,
    /// Bytes that each can take, in natural order of those who were given.
    pub(super) spare: Vec<(String, u64)>,
}

/// Judges the room.
pub(super) fn room(held: u64, staying: &[Disk]) -> Room {
    let each = u64::try_from(staying.len()).unwrap_or(u64::MAX).max(1);
    let spare = staying.iter().map(|disk| (disk.node.clone(), disk.spare())).collect();
    Room { held, share: held.div_ceil(each), spare }
}

impl Room {
    /// Those whose disks are too full.
    fn too_full(&self) -> Vec<&str> {
        let full = self.spare.iter().filter(|(_, spare)| *spare < self.share);
        full.map(|(node, _)| node.as_str()).collect()
    }

    /// Whether there is room.
    pub(super) fn fits(&self) -> bool {
        self.held == 0 || (!self.spare.is_empty() && self.too_full().is_empty())
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        let spare: Vec<String> = self
            .spare
            .iter()
            .map(|(node, bytes)| format!("{node} {}", sizes::text(*bytes)))
            .collect();
        let (held, share) = (sizes::text(self.held), sizes::text(self.share));
        let room = format!(
            "{held} move, about {share} to each; before they warn of a full disk they can take: {}",
            spare.join(", ")
        );
        match self.too_full().as_slice() {
            _ if self.fits() => room,
            full => format!("{room}; too little at {}", full.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(node: &str, free: u64) -> Disk {
        Disk { node: node.to_owned(), free: free * GIB, total: 100 * GIB, warns_at: WARNS_AT }
    }

    #[test]
    fn each_gets_its_share_and_a_tenth_stays_free() {
        let three = [disk("bk1", 30), disk("bk2", 30), disk("bk3", 21)];
        assert!(room(33 * GIB, &three).fits());
        let short = room(34 * GIB, &three);
        assert!(!short.fits());
        assert!(short.text().ends_with("bk3 11.0 GiB; too little at bk3"), "{}", short.text());
        assert!(room(0, &three).fits());
        assert!(room(0, &[disk("bk1", 1)]).fits(), "nothing moves");
        assert!(!room(1, &[]).fits() && room(0, &[]).fits());
    }

    #[test]
    fn a_bookie_may_warn_later() {
        let full = Disk { warns_at: 980, ..disk("bk1", 5) };
        assert!(room(3 * GIB, std::slice::from_ref(&full)).fits());
        assert!(!room(4 * GIB, &[full]).fits());
        let odd = Disk { warns_at: 2000, free: u64::MAX, total: u64::MAX, node: "x".into() };
        assert!(room(u64::MAX, &[odd]).fits());
    }
}
