//! Where replicas go (facts sections 4.1, 5, 6): replicas that are owed first, then those of nodes that are to go or dead, then too many,
//! then balance. One copy at a time comes into a store and one leaves it, at 8 MiB/s unless set otherwise.
//!
//! What cannot go anywhere stays for ever: three nodes with three replicas, a constraint that names the node, a single-replica cluster.
//! Unconfirmed: in which order the real allocator takes ranges; here chance decides, so that counts fall irregularly.

use std::collections::BTreeSet;

use super::cluster::{Cluster, Kind, Node, NodeId, Range, Snapshot, StartMode};

/// What is to be done with one range.
enum Need {
    Add,
    Replace(NodeId),
    Remove(NodeId),
}

impl Cluster {
    pub(crate) fn allocate(&mut self) {
        self.place_new();
        if !matches!(self.start_mode, StartMode::Start) {
            return;
        }
        let mut busy = self.busy();
        // Neither changes while replicas are given out.
        let leaving = self.all_leaving();
        let wanted = self.all_wanted();
        for (id, wanted) in wanted {
            let Some(range) = self.ranges.get(&id) else { continue };
            if range.underway.is_some()
                || self.knobs.never_move.contains(&id)
                || !self.available(range)
            {
                continue;
            }
            let Some(need) = self.need(range, wanted, &leaving) else { continue };
            // Some ranges wait for the next turn: the count falls irregularly.
            if self.random(10) < 4 {
                continue;
            }
            match need {
                Need::Remove(node) => self.remove(id, node),
                Need::Add => self.copy(id, None, &mut busy, "kv.snapshot_recovery.max_rate"),
                Need::Replace(node) => {
                    self.copy(id, Some(node), &mut busy, "kv.snapshot_recovery.max_rate");
                }
            }
        }
        self.balance(&mut busy);
    }

    /// Stores that send or take a copy now.
    fn busy(&self) -> BTreeSet<NodeId> {
        let copies = self.ranges.values().filter_map(|range| range.underway.as_ref());
        copies.flat_map(|copy| [Some(copy.to), copy.instead_of]).flatten().collect()
    }

    /// A range that nobody has yet goes to the least full store.
    pub(crate) fn place_new(&mut self) {
        let new: Vec<u64> = self
            .ranges
            .values()
            .filter(|range| range.replicas.is_empty())
            .map(|range| range.id)
            .collect();
        for id in new {
            let least =
                self.nodes.keys().copied().filter(|node| self.takes(*node)).min_by_key(|node| {
                    (self.ranges.values().filter(|r| r.replicas.contains(node)).count(), *node)
                });
            if let (Some(node), Some(range)) = (least, self.ranges.get_mut(&id)) {
                range.replicas.push(node);
                range.lease = node;
            }
        }
    }

    /// Nodes whose replicas are to go elsewhere.
    fn all_leaving(&self) -> BTreeSet<NodeId> {
        let dead_moves =
            self.setting("kv.allocator.ts_store_dead_rebalance.enabled") == Some("true");
        let leaves =
            |node: &&Node| node.decommissioning || (dead_moves && !node.up && self.dead(node));
        self.nodes.values().filter(leaves).map(|node| node.id).collect()
    }

    /// Every range with the number of replicas that it is to have.
    fn all_wanted(&self) -> Vec<(u64, usize)> {
        // Ranges of a zone mostly stand side by side.
        let mut last: Option<(&str, usize)> = None;
        let mut all = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.values() {
            let wanted = match last {
                Some((zone, wanted)) if zone == range.zone => wanted,
                Some(_) | None => self.effective_replicas(range),
            };
            last = Some((&range.zone, wanted));
            all.push((range.id, wanted));
        }
        all
    }

    fn need(&self, range: &Range, wanted: usize, leaving: &BTreeSet<NodeId>) -> Option<Need> {
        if range.replicas.len() < wanted {
            return Some(Need::Add);
        }
        // What is no node at all leaves too.
        let gone = |node: &NodeId| leaving.contains(node) || !self.nodes.contains_key(node);
        let leaving = range.replicas.iter().copied().find(gone);
        if range.replicas.len() > wanted {
            let fullest = range.replicas.iter().copied().max_by_key(|node| self.replicas(*node));
            return leaving.or(fullest).map(Need::Remove);
        }
        leaving.map(Need::Replace)
    }

    fn remove(&mut self, id: u64, node: NodeId) {
        if let Some(range) = self.ranges.get_mut(&id) {
            range.replicas.retain(|replica| *replica != node);
        }
    }

    /// Starts a copy to the least full store that may have one; nothing happens if there is none.
    fn copy(
        &mut self,
        id: u64,
        instead_of: Option<NodeId>,
        busy: &mut BTreeSet<NodeId>,
        rate: &str,
    ) {
        let Some(range) = self.ranges.get(&id) else { return };
        let pinned = self.pinned(range);
        // A constraint that names the node keeps its replica there (section 6).
        if let (Some(old), Some(pins)) = (instead_of, &pinned)
            && pins.contains(&old)
        {
            return;
        }
        let target = self
            .nodes
            .keys()
            .copied()
            .filter(|node| self.takes(*node) && !range.replicas.contains(node))
            .filter(|node| !busy.contains(node))
            .filter(|node| self.room(*node, range.bytes))
            .min_by_key(|node| (self.replicas(*node), *node));
        let source = instead_of.unwrap_or(range.lease);
        let (Some(to), false) = (target, busy.contains(&source)) else { return };
        let done_ms = self.clock_ms + self.copy_ms(range.bytes, rate);
        busy.extend([to, source]);
        if let Some(range) = self.ranges.get_mut(&id) {
            range.underway = Some(Snapshot { to, instead_of, done_ms });
        }
    }

    /// The nodes that constraints on the range's zone name, if they name any.
    fn pinned(&self, range: &Range) -> Option<BTreeSet<NodeId>> {
        let text = self.zones.get(&range.zone)?.option("constraints")?;
        let nodes = self.nodes.values();
        let named = nodes.filter(|node| names_locality(text, &node.locality)).map(|node| node.id);
        let named: BTreeSet<NodeId> = named.collect();
        (!named.is_empty()).then_some(named)
    }

    fn room(&self, node: NodeId, bytes: u64) -> bool {
        let Some(known) = self.nodes.get(&node) else { return false };
        // CockroachDB sends nothing to a store that is 95 % full.
        let used = self.bytes(node) + known.other_bytes + bytes;
        used.saturating_mul(100) <= known.capacity_bytes.saturating_mul(95)
    }

    fn copy_ms(&self, bytes: u64, rate: &str) -> i64 {
        let rate = self.setting(rate).and_then(bytes_of).unwrap_or(8 << 20).max(1);
        let ms = 50 + bytes.saturating_mul(1_000) / rate;
        self.knobs.span(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// Moves a replica from the fullest store to the emptiest, when they are far apart.
    fn balance(&mut self, busy: &mut BTreeSet<NodeId>) {
        let series = self.setting("kv.allocator.ts_consider_rebalance.enabled") == Some("true");
        let mut counts: Vec<(u64, NodeId)> = self
            .nodes
            .keys()
            .copied()
            .filter(|node| self.takes(*node))
            .map(|node| (self.replicas(node), node))
            .collect();
        counts.sort_unstable();
        let (Some((least, to)), Some((most, from))) =
            (counts.first().copied(), counts.last().copied())
        else {
            return;
        };
        // The real threshold is 5 % of the mean; of few ranges that is less than one.
        let total: u64 = counts.iter().map(|(count, _)| count).sum();
        let mean = total / (counts.len() as u64).max(1);
        if most <= least + (mean / 20).max(2) {
            return;
        }
        let movable = self.ranges.values().find(|range| {
            range.replicas.contains(&from)
                && !range.replicas.contains(&to)
                && range.underway.is_none()
                && !self.knobs.never_move.contains(&range.id)
                && (series || range.kind != Kind::TimeSeries)
                && self.available(range)
                && self.pinned(range).is_none_or(|pins| !pins.contains(&from))
                && range.replicas.len() == self.effective_replicas(range)
        });
        if let Some(id) = movable.map(|range| range.id) {
            self.copy(id, Some(from), busy, "kv.snapshot_rebalance.max_rate");
        }
    }
}

/// `text` has `+<locality>` as a whole word: `NODE1` is not in `NODE10`.
fn names_locality(text: &str, locality: &str) -> bool {
    let wanted = format!("+{locality}");
    text.match_indices(&wanted).any(|(at, _)| {
        let after = text.get(at + wanted.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    })
}

/// Reads a size as settings have it, `8.0 MiB`, `32MiB`, `1048576`.
pub(crate) fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let tenth: u64 = part.get(..1)?.parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(factor)?.checked_add(factor.checked_mul(tenth)? / 10)
}
