//! How time goes on (facts sections 3, 4.4, 5, 6): heartbeats every 4.5 s, gossip every 2 s, the gossiped count of replicas that lags
//! by up to 60 s, reports every 10 s, copies that arrive, leases that move, jobs that end.

use super::cluster::{Cluster, Node, NodeId, Status};

const TURN_MS: i64 = 1_000;
const HEARTBEAT_MS: i64 = 4_500;
const GOSSIP_MS: i64 = 2_000;
const SCAN_MS: i64 = 500;
const REPORT_MS: i64 = 10_000;
/// The gossiped count is renewed after this and up to [`LAG_MORE_MS`] more.
const LAG_MS: i64 = 15_000;
const LAG_MORE_MS: u64 = 45_000;
/// However far the time jumps, it is gone through in so many turns at most.
const MOST_TURNS: i64 = 4_000;

impl Cluster {
    /// Moves the cluster to this time, in milliseconds since 1970. A time before its own changes nothing.
    ///
    /// The same course comes out however the way is divided into calls only if these fall on the same times.
    pub fn advance(&mut self, now_ms: i64) {
        let turn = self.knobs.span(TURN_MS).max((now_ms - self.clock_ms) / MOST_TURNS);
        while self.clock_ms < now_ms {
            self.clock_ms = (self.clock_ms + turn).min(now_ms);
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.beat();
        self.arrive();
        self.move_leases();
        if self.clock_ms >= self.scan_next_ms && self.quorum() {
            self.scan_next_ms = self.clock_ms + self.knobs.span(SCAN_MS);
            self.allocate();
        }
        self.report();
        for job in &mut self.jobs {
            if job.status == "running" && job.ends_ms <= self.clock_ms {
                "succeeded".clone_into(&mut job.status);
            }
        }
    }

    /// Liveness is a record in the key-value store: without its range nobody renews it (section 3).
    fn beat(&mut self) {
        let now = self.clock_ms;
        let store = self.quorum();
        let (heartbeat, gossip) = (self.knobs.span(HEARTBEAT_MS), self.knobs.span(GOSSIP_MS));
        for node in self.nodes.values_mut().filter(|node| node.up) {
            if now - node.gossip_ms >= gossip {
                node.gossip_ms = now;
            }
            if store && now - node.heartbeat_ms >= heartbeat {
                node.heartbeat_ms = now;
            }
        }
    }

    /// Copies that have arrived become replicas.
    fn arrive(&mut self) {
        let due: Vec<u64> = self
            .ranges
            .values()
            .filter(|range| {
                range.underway.as_ref().is_some_and(|copy| copy.done_ms <= self.clock_ms)
            })
            .map(|range| range.id)
            .collect();
        for id in due {
            let fits = self.ranges.get(&id).is_some_and(|range| {
                let target = range.underway.as_ref().map(|copy| copy.to);
                self.available(range) && target.is_some_and(|to| self.takes(to))
            });
            let Some(range) = self.ranges.get_mut(&id) else { continue };
            let Some(copy) = range.underway.take() else { continue };
            if !fits {
                continue;
            }
            if !range.replicas.contains(&copy.to) {
                range.replicas.push(copy.to);
            }
            if let Some(old) = copy.instead_of {
                range.replicas.retain(|node| *node != old);
            }
        }
    }

    /// A node that new replicas may go to.
    pub(crate) fn takes(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.up && !node.decommissioning && !node.draining)
    }

    /// A lease is with a replica that can serve.
    fn move_leases(&mut self) {
        let fit = |node: Option<&Node>| node.is_some_and(|node| node.up && !node.draining);
        let nodes = &self.nodes;
        for range in self.ranges.values_mut() {
            if !range.replicas.contains(&range.lease) || !fit(nodes.get(&range.lease)) {
                let next = range.replicas.iter().find(|id| fit(nodes.get(*id)));
                if let Some(next) = next {
                    range.lease = *next;
                }
            }
        }
    }

    /// What nodes gossip and report about their stores.
    fn report(&mut self) {
        let now = self.clock_ms;
        let store = self.quorum();
        let ids: Vec<NodeId> =
            self.nodes.values().filter(|node| node.up).map(|node| node.id).collect();
        for id in ids {
            let lag = LAG_MS + i64::try_from(self.random(LAG_MORE_MS)).unwrap_or_default();
            let lag = self.knobs.span(lag);
            let Some(node) = self.nodes.get(&id) else { continue };
            // Counted only where it is told: it is far more seldom than a turn.
            let replicas = (now >= node.gossiped_next_ms).then(|| self.replicas(id));
            let status = (store && now >= node.status_next_ms).then(|| self.status_of(id));
            let report = self.knobs.span(REPORT_MS);
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            if let Some(replicas) = replicas {
                node.gossiped_replicas = replicas;
                node.gossiped_next_ms = now + lag;
            }
            if let Some(status) = status {
                node.status = Some(status);
                node.status_next_ms = now + report;
            }
        }
    }

    /// What a node says of its store now.
    pub(crate) fn status_of(&self, id: NodeId) -> Status {
        let mut status = Status::default();
        for range in self.ranges.values().filter(|range| range.replicas.contains(&id)) {
            status.ranges += 1;
            status.bytes += range.bytes;
            if range.lease == id {
                status.leases += 1;
                status.leaders += 1;
            }
            if self.reporter(range) == Some(id) {
                let living = self.living_replicas(range);
                status.unavailable += u64::from(living * 2 <= range.replicas.len());
                status.underreplicated += u64::from(self.underreplicated(range));
            }
        }
        status
    }
}
