//! Who lives, which ranges answer, how many replicas are owed (facts sections 3, 4.4, 6).

use super::cluster::{Cluster, Kind, Node, NodeId, Range};

/// How long a liveness record holds.
const LIVENESS_MS: i64 = 9_000;
/// How long a mark of gossip holds.
const GOSSIP_MS: i64 = 4_000;
/// How long the gossip keeps what a node said of itself.
const DESCRIPTOR_MS: i64 = 2 * 3_600_000;

impl Cluster {
    /// The time, in milliseconds since 1970, until which a node's liveness record holds.
    #[must_use]
    pub fn expires_ms(&self, node: &Node) -> i64 {
        node.heartbeat_ms + self.knobs.span(LIVENESS_MS)
    }

    /// The node's liveness record holds.
    #[must_use]
    pub fn alive(&self, node: &Node) -> bool {
        self.expires_ms(node) > self.clock_ms
    }

    /// The node answers in gossip.
    #[must_use]
    pub fn heard(&self, node: &Node) -> bool {
        node.up || node.gossip_ms + self.knobs.span(GOSSIP_MS) > self.clock_ms
    }

    /// Someone still knows what the node said of itself: not longer than 2 hours, and not over a restart of all the others.
    #[must_use]
    pub fn described(&self, node: &Node) -> bool {
        node.up
            || (node.gossip_ms + self.knobs.span(DESCRIPTOR_MS) > self.clock_ms
                && self.nodes.values().any(|other| other.up && other.started_ms <= node.gossip_ms))
    }

    /// `kwbase node upgrade` is under way on the node.
    #[must_use]
    pub fn upgrading(&self, node: NodeId) -> bool {
        self.knobs.upgrading.contains(&node)
    }

    /// After how long without liveness a store counts as dead.
    pub(crate) fn dead_after_ms(&self) -> i64 {
        let text = self.setting("server.time_until_store_dead").unwrap_or_default();
        self.knobs.span(duration_ms(text).unwrap_or(1_800_000))
    }

    /// The node has been without liveness for so long that its store counts as dead.
    #[must_use]
    pub fn dead(&self, node: &Node) -> bool {
        self.expires_ms(node) + self.dead_after_ms() <= self.clock_ms
    }

    /// The internal name of the node's state, as in `/_admin/v1/liveness`.
    #[must_use]
    pub fn state(&self, node: &Node) -> &'static str {
        match (self.dead(node), node.decommissioning) {
            (true, true) => "DECOMMISSIONED",
            (true, false) => "DEAD",
            (false, true) => "DECOMMISSIONING",
            (false, false) if self.upgrading(node.id) => "UPGRADING",
            (false, false) if node.draining || !self.alive(node) => "UNAVAILABLE",
            (false, false) => "LIVE",
        }
    }

    /// The node's process runs and can be reached.
    pub(crate) fn up(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.up)
    }

    /// More than half of the range's replicas can be reached.
    #[must_use]
    pub fn available(&self, range: &Range) -> bool {
        let up = range.replicas.iter().filter(|node| self.up(**node)).count();
        up * 2 > range.replicas.len()
    }

    /// The ranges that every statement needs answer: where ranges are, and the system's tables.
    #[must_use]
    pub fn quorum(&self) -> bool {
        self.ranges
            .values()
            .filter(|range| matches!(range.kind, Kind::Meta | Kind::Liveness | Kind::System))
            .all(|range| self.available(range))
    }

    /// Nodes that count for the number of replicas: all but those that are to go.
    pub(crate) fn counted_nodes(&self) -> usize {
        self.nodes.values().filter(|node| !node.decommissioning).count()
    }

    /// The number of replicas that a range is to have: its zone's, or the largest odd number of available nodes, not below 3
    /// (section 6).
    #[must_use]
    pub fn effective_replicas(&self, range: &Range) -> usize {
        let zone = self.zones.get(&range.zone).or_else(|| self.zones.get("RANGE default"));
        let wanted: usize = zone
            .and_then(|zone| zone.option("num_replicas"))
            .and_then(|text| text.parse().ok())
            .unwrap_or(3);
        let nodes = self.counted_nodes().min(wanted);
        let odd = if nodes.is_multiple_of(2) { nodes.saturating_sub(1) } else { nodes };
        odd.max(3).min(wanted)
    }

    /// The node that reports on the range: the first with a replica that lives.
    pub(crate) fn reporter(&self, range: &Range) -> Option<NodeId> {
        let alive = |node: &&NodeId| self.nodes.get(*node).is_some_and(|node| node.up);
        range.replicas.iter().find(alive).copied()
    }

    /// Replicas whose node's liveness holds.
    pub(crate) fn living_replicas(&self, range: &Range) -> usize {
        range
            .replicas
            .iter()
            .filter(|id| self.nodes.get(*id).is_some_and(|node| self.alive(node)))
            .count()
    }

    /// Fewer living replicas than owed.
    #[must_use]
    pub fn underreplicated(&self, range: &Range) -> bool {
        self.living_replicas(range) < self.effective_replicas(range)
    }
}

/// Reads a duration as settings have it, `30m0s`, `1h15m`, `75s`, `500ms`: milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let number: i64 = number.parse().ok()?;
        let (unit, factor) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))?;
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = tail.strip_prefix(unit)?;
    }
    (!text.is_empty()).then_some(total)
}
