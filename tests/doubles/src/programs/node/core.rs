//! How nodes agree: the whole state is one register. A candidate asks the members for a term and takes the newest state that a majority knows; the
//! leader pushes each change with a rising number, and it counts when a majority of the members, before and after the change, has it on disk.
//!
//! The real one has a Raft group per range; that one group decides here is the double's own.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::peers::Peers;
use super::share::{Disk, Share};
use crate::kwdb::{Cluster, Kind, Knobs, NodeId, Request, Response, StartMode};
use crate::programs::frame::{Ask, State, Tell};
use crate::programs::now_ms;

/// A node that was heard within this counts as reachable.
pub(crate) const FRESH: Duration = Duration::from_millis(2_000);
/// How long a change waits for its majority.
const AGREE: Duration = Duration::from_millis(3_000);

pub(crate) struct Inner {
    pub(crate) share: Share,
    pub(crate) disk: Disk,
    /// The term that this node leads in.
    pub(crate) leads: Option<u64>,
    /// Who leads, and when that was heard from him.
    pub(crate) leader: Option<(NodeId, Instant)>,
    /// When nodes were heard last.
    pub(crate) heard: BTreeMap<NodeId, Instant>,
    /// Since when there is no leader.
    pub(crate) leaderless: Instant,
    /// The state as gossip would know it now, with the number that it was made from.
    view: Option<(u64, u64, Cluster)>,
    pub(crate) draining: bool,
    pub(crate) joined: bool,
}

pub(crate) struct Core {
    inner: Mutex<Inner>,
    /// One change at a time.
    proposing: Mutex<()>,
    pub(crate) changed: Condvar,
    pub(crate) peers: Peers,
    /// What `double.toml` says, and when it was read.
    knobs: Mutex<(Instant, Knobs)>,
}

/// What became of a change.
pub(crate) enum Change<T> {
    /// A majority has it.
    Done(T),
    /// This node does not lead: nothing was done.
    NotHere,
    /// It was sent out, and no majority was heard.
    Unclear,
}

impl Core {
    pub(crate) fn new(share: Share, disk: Disk, peers: Peers, knobs: Knobs) -> Arc<Self> {
        let inner = Inner {
            share,
            disk,
            leads: None,
            leader: None,
            heard: BTreeMap::new(),
            leaderless: Instant::now(),
            view: None,
            draining: false,
            joined: false,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            proposing: Mutex::new(()),
            changed: Condvar::new(),
            peers,
            knobs: Mutex::new((Instant::now(), knobs)),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `double.toml` says now: it is read again after a second.
    pub(crate) fn knobs(&self) -> Knobs {
        let mut kept = self.knobs.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.elapsed() > Duration::from_secs(1) {
            kept.0 = Instant::now();
            // A file that is being written is read the next time.
            if let Ok(knobs) = crate::programs::knobs() {
                kept.1 = knobs;
            }
        }
        kept.1.clone()
    }

    /// The leader: this node, or the one that was heard lately.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let inner = self.lock();
        inner.current_leader()
    }

    /// Waits a little until somebody leads.
    pub(crate) fn wait_for_leader(&self, most: Duration) -> Option<NodeId> {
        let end = Instant::now() + most;
        let mut inner = self.lock();
        loop {
            if let Some(leader) = inner.current_leader() {
                return Some(leader);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(inner, left.min(Duration::from_millis(50)));
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Changes the state, as the leader. What is answered from it holds: where the members follow the ranges, they have done so.
    pub(crate) fn propose<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> Change<T> {
        let _one = self.proposing.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.propose_locked(change);
        let mut goes_on = matches!(done, Change::Done(_));
        while goes_on && self.members_follow() {
            goes_on = matches!(self.propose_locked(|_| ()), Change::Done(()));
        }
        done
    }

    /// The ranges are where the members are not, and one of them can come or go.
    fn members_follow(&self) -> bool {
        let inner = self.lock();
        let (Some(me), Some(state)) = (inner.share.store.node, &inner.share.accepted) else {
            return false;
        };
        next_voters(state, &inner.fresh(me), me).is_some()
    }

    fn propose_locked<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> Change<T> {
        let knobs = self.knobs();
        let (state, before, me, result) = {
            let mut inner = self.lock();
            let Some(me) = inner.share.store.node else { return Change::NotHere };
            let (Some(term), Some(old)) = (inner.leads, inner.share.accepted.clone()) else {
                return Change::NotHere;
            };
            let before = old.voters.clone();
            let mut state = old;
            inner.mark(&mut state.cluster, me);
            state.cluster.knobs = knobs;
            let result = change(&mut state.cluster);
            (state.term, state.version) = (term, state.version + 1);
            if let Some(voters) = next_voters(&state, &inner.fresh(me), me) {
                state.voters = voters;
            }
            let kept = inner.accept(state.clone());
            if !kept {
                inner.leads = None;
                return Change::NotHere;
            }
            (state, before, me, result)
        };
        let after = state.voters.clone();
        let targets = self.addresses(&state.cluster, me);
        let ask = Ask::Accept { from: me, state: Box::new(state) };
        let mut yes = BTreeSet::from([me]);
        let enough = |yes: &BTreeSet<NodeId>| majority(&before, yes) && majority(&after, yes);
        let answers = self.peers.ask_all(&ask, &targets, AGREE);
        let agreed = self.collect(&answers, &mut yes, enough, |_| {});
        if agreed {
            Change::Done(result)
        } else {
            let mut inner = self.lock();
            inner.leads = None;
            inner.leaderless = Instant::now();
            Change::Unclear
        }
    }

    /// The nodes to push to: all that were heard lately.
    fn addresses(&self, cluster: &Cluster, me: NodeId) -> Vec<(NodeId, String)> {
        let inner = self.lock();
        let fresh = inner.fresh(me);
        cluster
            .nodes
            .values()
            .filter(|node| node.id != me && fresh.contains(&node.id))
            .map(|node| (node.id, node.address.clone()))
            .collect()
    }

    /// Takes votes until there are enough; `false` if there never are.
    fn collect(
        &self,
        answers: &mpsc::Receiver<(NodeId, Option<Tell>)>,
        yes: &mut BTreeSet<NodeId>,
        enough: impl Fn(&BTreeSet<NodeId>) -> bool,
        mut take: impl FnMut(State),
    ) -> bool {
        let end = Instant::now() + AGREE;
        while !enough(yes) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((node, answer)) = answers.recv_timeout(left) else { return false };
            if let Some(Tell::Vote { yes: agrees, promised, accepted }) = answer {
                if agrees {
                    yes.insert(node);
                }
                if let Some(state) = accepted {
                    take(*state);
                }
                let mut inner = self.lock();
                if !agrees && promised > inner.share.promised {
                    // Someone is ahead: the next term must be above.
                    inner.share.promised = promised;
                    return false;
                }
            }
        }
        true
    }

    /// Tries to become the leader.
    pub(crate) fn campaign(&self) {
        let _one = self.proposing.lock().unwrap_or_else(PoisonError::into_inner);
        let (cluster, term, mut best, me) = {
            let mut inner = self.lock();
            let Some(me) = inner.share.store.node else { return };
            let Some(best) = inner.share.accepted.clone() else { return };
            if inner.current_leader().is_some() {
                return;
            }
            // Terms of two nodes are never the same.
            let term = (inner.share.promised / 1_000 + 1) * 1_000 + u64::from(me) % 1_000;
            inner.share.promised = term;
            if inner.disk.keep(&inner.share).is_err() {
                return;
            }
            (best.cluster.id.clone(), term, best, me)
        };
        let voters = best.voters.clone();
        let targets = self.addresses(&best.cluster, me);
        let answers = self.peers.ask_all(&Ask::Prepare { cluster, term }, &targets, AGREE);
        let mut yes = BTreeSet::from([me]);
        let mut newest = best.clone();
        let won = self.collect(
            &answers,
            &mut yes,
            |yes| majority(&voters, yes),
            |state| {
                if (state.term, state.version) > (newest.term, newest.version) {
                    newest = state;
                }
            },
        );
        // The newest state's own members must agree too.
        if !won || !majority(&newest.voters, &yes) {
            return;
        }
        best = newest;
        {
            let mut inner = self.lock();
            if inner.share.promised != term {
                return;
            }
            inner.share.accepted = Some(best);
            inner.leads = Some(term);
        }
        // It counts only when a majority has the first change of this term.
        if let Change::Done(()) = self.propose_locked(|cluster| cluster.advance(now_ms())) {
            self.changed.notify_all();
        }
    }

    /// A new cluster with this node as its first.
    pub(crate) fn found(&self, cluster: Cluster, me: NodeId) -> std::io::Result<()> {
        let mut inner = self.lock();
        let term = 1_000 + u64::from(me);
        inner.share.promised = term;
        inner.share.accepted =
            Some(State { term, version: 1, voters: BTreeSet::from([me]), cluster });
        inner.leads = Some(term);
        inner.disk.keep(&inner.share)?;
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// Answers from what this node knows by gossip.
    pub(crate) fn by_gossip(&self, request: &Request) -> Option<Response> {
        let knobs = self.knobs();
        let mut inner = self.lock();
        let me = inner.share.store.node?;
        inner.look(me)?;
        let (_, _, view) = inner.view.as_mut()?;
        view.knobs = knobs;
        view.serve(me, request, now_ms())
    }

    /// Reads what gossip knows.
    pub(crate) fn view<T>(&self, read: impl FnOnce(&Cluster, NodeId) -> T) -> Option<T> {
        let mut inner = self.lock();
        let me = inner.share.store.node?;
        inner.look(me)?;
        inner.view.as_ref().map(|(_, _, view)| read(view, me))
    }
}

impl Inner {
    pub(crate) fn current_leader(&self) -> Option<NodeId> {
        if self.leads.is_some() {
            return self.share.store.node;
        }
        self.leader.filter(|(_, at)| at.elapsed() < FRESH * 3 / 2).map(|(node, _)| node)
    }

    /// This node and those that were heard lately.
    pub(crate) fn fresh(&self, me: NodeId) -> BTreeSet<NodeId> {
        let heard = self.heard.iter().filter(|(_, at)| at.elapsed() < FRESH);
        heard.map(|(node, _)| *node).chain([me]).collect()
    }

    /// Tells the state who can be reached from here.
    fn mark(&self, cluster: &mut Cluster, me: NodeId) {
        let fresh = self.fresh(me);
        for node in cluster.nodes.values_mut() {
            node.up = fresh.contains(&node.id);
        }
    }

    /// Takes a state if it is newer and of no lower term than was promised, and puts it on disk. One that is there already is taken: who asks
    /// again has not heard the answer.
    pub(crate) fn accept(&mut self, state: State) -> bool {
        if state.term < self.share.promised {
            return false;
        }
        let old = self.share.accepted.as_ref().map(|old| (old.term, old.version));
        match Some((state.term, state.version)).cmp(&old) {
            Ordering::Less => return false,
            Ordering::Equal => return true,
            Ordering::Greater => {}
        }
        let before = (self.share.promised, self.share.accepted.take());
        self.share.promised = state.term;
        self.share.accepted = Some(state);
        if self.disk.keep(&self.share).is_err() {
            (self.share.promised, self.share.accepted) = before;
            return false;
        }
        true
    }

    /// Brings the view up to now. With a leader its own knowledge of who is up holds, without one this node's.
    fn look(&mut self, me: NodeId) -> Option<()> {
        let state = self.share.accepted.as_ref()?;
        let known = (state.term, state.version);
        let led = self.current_leader().is_some();
        if self.view.as_ref().is_none_or(|(term, version, _)| (*term, *version) != known) {
            self.view = Some((known.0, known.1, state.cluster.clone()));
        }
        let mut taken = self.view.take()?;
        taken.2.advance(now_ms());
        if !led {
            self.mark(&mut taken.2, me);
        }
        self.view = Some(taken);
        Some(())
    }
}

pub(crate) fn majority(of: &BTreeSet<NodeId>, yes: &BTreeSet<NodeId>) -> bool {
    of.intersection(yes).count() * 2 > of.len()
}

/// The members become the nodes that hold data, one at a time. None comes or goes by which the members that can be reached would be no majority:
/// so one that cannot be reached becomes one where the others suffice, as a range with a replica there has it.
fn next_voters(state: &State, fresh: &BTreeSet<NodeId>, me: NodeId) -> Option<BTreeSet<NodeId>> {
    let multi = state.cluster.start_mode == StartMode::Start;
    let holders: BTreeSet<NodeId> = state
        .cluster
        .ranges
        .values()
        .filter(|range| multi || matches!(range.kind, Kind::Meta | Kind::Liveness | Kind::System))
        .flat_map(|range| range.replicas.iter().copied())
        .collect();
    let more =
        holders.difference(&state.voters).map(|node| &state.voters | &BTreeSet::from([*node]));
    // The leader goes last: it hands over by ending.
    let old = state.voters.difference(&holders).filter(|node| **node != me);
    let less = old.map(|node| &state.voters - &BTreeSet::from([*node]));
    more.chain(less).find(|voters| majority(voters, fresh))
}

#[cfg(test)]
mod tests;
