//! Whether those who stay have room for the replicas of those who leave. A range has at most one replica on
//! a node, so that the sum of what is free does not say enough: what two disks have too much, a third one
//! that must hold a copy of everything may lack.

use super::sizes;

/// A node's disk, bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) node: String,
    /// Of the whole disk.
    pub(super) capacity: u64,
    /// What is free.
    pub(super) available: u64,
    /// What the node's replicas take.
    pub(super) used: u64,
}

/// This part of each disk stays free: the tool puts nothing on a disk that is 95 % full, and a change takes
/// more for a while.
const KEPT_FREE: u64 = 10;

impl Disk {
    /// What replicas may come to take here.
    fn spare(&self) -> u64 {
        self.available.saturating_sub(self.capacity / KEPT_FREE)
    }

    fn usable(&self) -> u128 {
        u128::from(self.used) + u128::from(self.spare())
    }
}

/// What is to move, and what there is for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes that the leaving ones hold.
    pub(super) held: u64,
    /// Free bytes that those who stay may take, each.
    pub(super) spare: Vec<(String, u64)>,
    /// Bytes that find no place; 0: there is room.
    pub(super) missing: u64,
}

impl Room {
    /// In words.
    pub(super) fn text(&self) -> String {
        let spare: Vec<String> = self
            .spare
            .iter()
            .map(|(node, bytes)| format!("{node} {}", sizes::text(*bytes)))
            .collect();
        let (held, spare) = (sizes::text(self.held), spare.join(", "));
        let room = format!(
            "{held} move; those who stay can take, a tenth of each disk left free: {spare}"
        );
        match self.missing {
            0 => room,
            missing => format!("{room}; {} find no place", sizes::text(missing)),
        }
    }
}

/// Judges the room. `now`, `then`: replicas that ranges have, and will have.
pub(super) fn room(leaving: &[Disk], staying: &[Disk], now: u32, then: u32) -> Room {
    let held = leaving.iter().fold(0_u64, |sum, disk| sum.saturating_add(disk.used));
    let spare = staying.iter().map(|disk| (disk.node.clone(), disk.spare())).collect();
    let all: u128 = leaving.iter().chain(staying).map(|disk| u128::from(disk.used)).sum();
    let one_copy = all.div_ceil(u128::from(now.max(1)));
    let wanted = one_copy.saturating_mul(u128::from(then));
    // No node takes more than one copy of everything.
    let found: u128 = staying.iter().map(|disk| disk.usable().min(one_copy)).sum();
    let missing = wanted.saturating_sub(found);
    // One copy was rounded up.
    let missing = if missing <= u128::from(then) { 0 } else { missing };
    Room { held, spare, missing: u64::try_from(missing).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(node: &str, used: u64, available: u64) -> Disk {
        let node = node.to_owned();
        Disk { node, capacity: 100 * GIB, available: available * GIB, used: used * GIB }
    }

    fn missing(leaving: &[Disk], staying: &[Disk], now: u32, then: u32) -> u64 {
        room(leaving, staying, now, then).missing / GIB
    }

    #[test]
    fn four_to_three_copies_everything_everywhere() {
        let leaving = [disk("kw4", 30, 70)];
        let three = |third: u64| [disk("kw1", 30, 70), disk("kw2", 30, 70), disk("kw3", 30, third)];
        // 120 GiB in three copies: each of three nodes comes to hold 40.
        assert_eq!(missing(&leaving, &three(70), 3, 3), 0);
        assert_eq!(missing(&leaving, &three(20), 3, 3), 0);
        assert_eq!(missing(&leaving, &three(19), 3, 3), 1);
        // The sum would do, the third one's disk does not.
        assert_eq!(missing(&leaving, &three(12), 3, 3), 8);
        assert_eq!(missing(&leaving, &three(0), 3, 3), 10);
    }

    #[test]
    fn a_full_disk_takes_nothing_and_others_may_take_more() {
        let leaving = [disk("kw5", 24, 76)];
        let staying =
            [disk("kw1", 24, 5), disk("kw2", 24, 60), disk("kw3", 24, 60), disk("kw4", 24, 60)];
        // 120 GiB in three copies of 40: 24 stay on the full one, 96 go on three nodes.
        assert_eq!(missing(&leaving, &staying, 3, 3), 0);
        let full =
            [disk("kw1", 24, 5), disk("kw2", 24, 5), disk("kw3", 24, 60), disk("kw4", 24, 60)];
        // 24 + 24 + 40 + 40 is 128 for 120.
        assert_eq!(missing(&leaving, &full, 3, 3), 0);
        let fuller =
            [disk("kw1", 24, 5), disk("kw2", 24, 5), disk("kw3", 24, 12), disk("kw4", 24, 60)];
        assert_eq!(missing(&leaving, &fuller, 3, 3), 6);
    }

    #[test]
    fn fewer_replicas_need_less() {
        let leaving = [disk("kw5", 50, 0)];
        let staying: Vec<Disk> = ["kw1", "kw2", "kw3", "kw4"].map(|node| disk(node, 50, 0)).into();
        // 250 GiB in five copies; four nodes keep three of them.
        assert_eq!(missing(&leaving, &staying, 5, 3), 0);
        assert_eq!(missing(&leaving, &staying, 5, 5), 50);
    }

    #[test]
    fn nothing_to_move_needs_nothing() {
        assert_eq!(room(&[], &[], 3, 3), Room { held: 0, spare: Vec::new(), missing: 0 });
        let staying = ["kw1", "kw2", "kw3"].map(|node| disk(node, 10, 0));
        assert_eq!(missing(&[disk("kw4", 0, 90)], &staying, 3, 3), 0);
        let odd = [Disk { node: "kw1".to_owned(), capacity: 10, available: 0, used: 3 }];
        assert_eq!(room(&[], &odd, 2, 2).missing, 0);
    }

    #[test]
    fn sizes_beyond_all_measure_do_not_wrap() {
        let huge =
            || Disk { node: String::new(), capacity: u64::MAX, available: 0, used: u64::MAX };
        assert_eq!(room(&[huge(), huge()], &[], 1, 3).missing, u64::MAX);
    }
}
