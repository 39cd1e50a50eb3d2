//! How a node's process goes on and ends: joining, looking after others, leading, draining.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::answer;
use super::core::{Change, Core};
use crate::kwdb::time::stamp;
use crate::kwdb::{Cluster, Knobs, NodeId, Request, Response, StartArgs, StartMode, Store};
use crate::programs::client::pause;
use crate::programs::frame::{Ask, Tell};
use crate::programs::{now_ms, say_out};

/// How often a leader lets time go on, and others look for one.
const TICK_MS: i64 = 150;
/// How often a node asks another one whether it is there.
const LOOK_MS: i64 = 200;
/// A call that fails sooner was refused.
const REFUSED: Duration = Duration::from_millis(100);
/// Facts section 5: no contact for this long is told.
const ALONE_MS: i64 = 30_000;
/// How long a stop waits for leases to go, at pace 1.
const DRAIN_MS: i64 = 60_000;

/// Why the process ends.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// Asked for: drained, or `quit`.
    Asked,
    /// It may not be in this cluster.
    Refused(String),
}

pub(crate) struct Life {
    end: Mutex<Option<End>>,
    told: Condvar,
    founds: AtomicBool,
    log: PathBuf,
    args: StartArgs,
    knobs: Knobs,
}

impl Life {
    pub(crate) fn new(args: StartArgs, log: PathBuf, knobs: Knobs) -> Arc<Self> {
        Arc::new(Self {
            end: Mutex::new(None),
            told: Condvar::new(),
            founds: AtomicBool::new(args.mode == StartMode::StartSingleNode),
            log,
            args,
            knobs,
        })
    }

    /// A line of the log, shown too.
    pub(crate) fn say(&self, text: &str) {
        let line = format!("{text}\n");
        say_out(&line);
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        // A log that cannot be written ends nothing.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }

    /// `kwbase init` was asked of this node.
    pub(crate) fn found(&self) {
        self.founds.store(true, Ordering::SeqCst);
    }

    pub(crate) fn end(&self, why: &str) {
        self.say(&format!("I {} server ends: {why}", stamp(now_ms())));
        self.finish(End::Asked);
    }

    fn finish(&self, end: End) {
        let mut slot = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(end);
        self.told.notify_all();
    }

    pub(crate) fn ending(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Until the process is to end.
    pub(crate) fn wait(&self) -> End {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(end) = end.clone() {
                return end;
            }
            end = self.told.wait(end).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// SIGTERM: leases go first, for a while.
    pub(crate) fn drain(self: &Arc<Self>, core: &Arc<Core>) {
        let (life, core) = (Arc::clone(self), Arc::clone(core));
        thread::spawn(move || {
            life.say(&format!("I {} initiating graceful shutdown of server", stamp(now_ms())));
            core.lock().draining = true;
            let end = now_ms() + life.knobs.span(DRAIN_MS).max(2_000);
            while now_ms() < end && !life.drained(&core) {
                pause(100);
            }
            life.say(&format!("I {} server drained and shutdown completed", stamp(now_ms())));
            life.finish(End::Asked);
        });
    }

    fn drained(&self, core: &Core) -> bool {
        let Some(me) = core.lock().share.store.node else { return true };
        let left = |tell| matches!(tell, Tell::Response(Response::Remaining(0)));
        match core.leader() {
            Some(leader) if leader == me => {
                match core.propose(|cluster| cluster.serve(me, &Request::Drain, now_ms())) {
                    Change::Done(Some(response)) => left(Tell::Response(response)),
                    Change::Done(None) | Change::NotHere | Change::Unclear => false,
                }
            }
            Some(leader) => {
                let address = core
                    .view(|cluster, _| cluster.nodes.get(&leader).map(|node| node.address.clone()));
                let Some(Some(address)) = address else { return false };
                let ask = Ask::Forward { at: me, request: Request::Drain };
                core.peers.ask_once(&address, &ask).is_ok_and(left)
            }
            None => false,
        }
    }

    /// Asks its way in until it is in: for ever, if need be.
    pub(crate) fn enter(&self, core: &Arc<Core>) {
        let begun = now_ms();
        let mut alone = false;
        loop {
            if self.founds.load(Ordering::SeqCst)
                && core.lock().share.store.cluster.is_none()
                && let Some((cluster, node)) = self.begin_cluster(core)
            {
                self.show(&cluster, node, "initialized new cluster", begun);
                return;
            }
            let store = core.lock().share.store.clone();
            for tell in self.ask_in(core, &store) {
                match tell {
                    Tell::Joined { cluster, joined } => {
                        let mut inner = core.lock();
                        inner.share.store = Store {
                            cluster: Some(cluster.clone()),
                            node: Some(joined.node),
                            start_mode: Some(self.args.mode),
                        };
                        if inner.disk.keep(&inner.share).is_err() {
                            continue;
                        }
                        inner.joined = true;
                        drop(inner);
                        self.show(&cluster, joined.node, &joined.status, begun);
                        return;
                    }
                    Tell::NoEntry(text) => {
                        self.finish(End::Refused(text));
                        return;
                    }
                    Tell::Response(_)
                    | Tell::Silent
                    | Tell::NotNow
                    | Tell::Pong { .. }
                    | Tell::Vote { .. } => {}
                }
            }
            if !alone && now_ms() - begun >= self.knobs.span(ALONE_MS) {
                alone = true;
                self.say("The server appears to be unable to contact the other nodes in the cluster. Please try:\n\n- starting the other nodes, if you haven't already;\n- double-checking that the '--join' and '--listen'/'--advertise' flags are set up correctly;\n- running the 'kwbase init' command if you are trying to initialize a new cluster.");
            }
            pause(100);
        }
    }

    /// The answers to a request to be let in, until one is final.
    fn ask_in(&self, core: &Arc<Core>, store: &Store) -> Vec<Tell> {
        let mut answers = Vec::new();
        if store.node.is_some() {
            answers.push(answer::join(core, store.clone(), &self.args, false));
        }
        let seeds = self.args.join.iter().filter(|seed| **seed != self.args.advertise);
        for seed in seeds {
            if matches!(answers.last(), Some(Tell::Joined { .. } | Tell::NoEntry(_))) {
                break;
            }
            let ask = Ask::Join {
                store: store.clone(),
                args: Box::new(self.args.clone()),
                passed: false,
            };
            answers.extend(core.peers.ask_once(seed, &ask));
        }
        answers
    }

    fn begin_cluster(&self, core: &Core) -> Option<(String, NodeId)> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).ok()?;
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        let id = format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        );
        let mut cluster =
            Cluster::new(&id, self.args.mode, !self.args.insecure, self.knobs.clone(), now_ms());
        let mut store = Store::default();
        let me = cluster.join(&mut store, &self.args, now_ms()).ok()?.node;
        core.lock().share.store = store;
        core.found(cluster, me).ok()?;
        core.lock().joined = true;
        Some((id, me))
    }

    fn show(&self, cluster: &str, node: NodeId, status: &str, begun: i64) {
        let now = now_ms();
        self.say(&format!(
            "KWDB node starting at {} (took {:.1}s)\nbuild:               {}\nsql:                 postgresql://root@{}\nstore[0]:            path={}\nstatus:              {status}\nclusterID:           {cluster}\nnodeID:              {node}",
            stamp(now),
            Duration::from_millis(u64::try_from(now - begun).unwrap_or_default()).as_secs_f64(),
            self.knobs.version,
            self.args.advertise,
            self.args.store
        ));
    }
}

/// Looks after the others and leads if it is this node's turn; for ever.
pub(crate) fn watch(core: &Arc<Core>) {
    let mut watched: BTreeSet<(NodeId, String)> = BTreeSet::new();
    let mut leaderless: Option<Instant> = None;
    loop {
        let others = core.view(|cluster, me| {
            let nodes = cluster.nodes.values().filter(|node| node.id != me);
            (
                cluster.id.clone(),
                nodes.map(|node| (node.id, node.address.clone())).collect::<Vec<_>>(),
            )
        });
        if let Some((cluster, others)) = others {
            for (node, address) in others {
                if watched.insert((node, address.clone())) {
                    let (core, cluster) = (Arc::clone(core), cluster.clone());
                    thread::spawn(move || look_at(&core, &cluster, node, &address));
                }
            }
        }
        if core.lock().leads.is_some() {
            leaderless = None;
            // A change that finds no majority ends the lead by itself.
            let _ = core.propose(|cluster| cluster.advance(now_ms()));
        } else if core.leader().is_some() {
            leaderless = None;
        } else {
            let since = leaderless.get_or_insert_with(Instant::now).elapsed();
            if may_lead(core, since) {
                core.campaign();
            }
        }
        pause(TICK_MS);
    }
}

/// Asks one node again and again whether it is there.
fn look_at(core: &Core, cluster: &str, node: NodeId, address: &str) {
    let ask = Ask::Ping { cluster: cluster.to_owned() };
    let mut refused = 0;
    loop {
        let begun = Instant::now();
        let answer = core.peers.ask(address, &ask);
        // Refused at once and again: nobody listens there. One that is cut off is heard of nothing, and counts as gone later.
        refused = if answer.is_none() && begun.elapsed() < REFUSED { refused + 1 } else { 0 };
        if refused == 2 {
            let mut inner = core.lock();
            inner.heard.remove(&node);
            inner.leader = inner.leader.filter(|(leader, _)| *leader != node);
        }
        if let Some(Tell::Pong { node: Some(found), leads, .. }) = answer
            && found == node
        {
            let mut inner = core.lock();
            inner.heard.insert(node, Instant::now());
            if leads && inner.leads.is_none() {
                inner.leader = Some((node, Instant::now()));
                core.changed.notify_all();
            }
        }
        pause(LOOK_MS);
    }
}

/// The lowest member that can be reached leads; when it does not, another one after a while.
fn may_lead(core: &Core, leaderless: Duration) -> bool {
    let inner = core.lock();
    let (Some(me), Some(state)) = (inner.share.store.node, &inner.share.accepted) else {
        return false;
    };
    let fresh = inner.fresh(me);
    let here: BTreeSet<NodeId> = state.voters.intersection(&fresh).copied().collect();
    if !here.contains(&me) || !super::core::majority(&state.voters, &here) {
        return false;
    }
    let patience = Duration::from_millis(1_500 + 300 * u64::from(me % 16));
    here.first() == Some(&me) && leaderless > Duration::from_millis(300) || leaderless > patience
}
