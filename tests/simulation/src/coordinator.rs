//! A coordinator of the simulation: the real engine and the real planners over simulated ports.

use std::{sync::Arc, time::Duration};

use bellows::{
    engine::{
        Engine, Ports,
        ports::{Agents as _, Clock, Journal as _},
    },
    systems::AllSystems,
    term::{Decision, decide, is_strange},
};
use bellows_agent::host::ProcessId;
use futures::future::join_all;

use super::{
    journal::{Shelf, SimJournal},
    network::{Fleet, SimAgents},
    process::{Birth, Kind, Process},
    world::World,
};

/// The name of the simulated site.
pub const SITE: &str = "simulated-site";

/// Time and chance of one coordinator: a dead one sleeps for ever.
pub struct EngineClock {
    world: Arc<World>,
    me: Arc<Process>,
}

impl Clock for EngineClock {
    fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }

    async fn sleep(&self, time: Duration) {
        self.me.live(tokio::time::sleep(time)).await;
    }

    fn random(&self) -> [u8; 16] {
        self.world.random()
    }
}

/// Between two looks at whom the hosts obey, as `bellows serve` has them.
pub const LOOK: Duration = Duration::from_secs(60);

type SimPorts = Ports<SimAgents, AllSystems, SimJournal, EngineClock>;

/// One that runs, or has run.
#[derive(Clone)]
pub struct Coordinator {
    /// Its process.
    pub process: Arc<Process>,
    /// Its disk.
    pub shelf: Shelf,
    /// Its engine.
    pub engine: Engine<SimPorts>,
}

/// `bellows serve` on this disk: takes the term, takes operations up. `None`: it died before.
pub async fn start(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    shelf: &Shelf,
    number: u32,
    site: &AllSystems,
) -> Option<Coordinator> {
    let id = ProcessId { pid: number, started: 0 };
    let process = Arc::new(Process::new(id, "", Kind::Coordinator, Birth::default()));
    let (me, fleet) = (Arc::clone(&process), Arc::clone(fleet));
    let ports = Ports {
        agents: Arc::new(SimAgents { world: Arc::clone(world), me: Arc::clone(&me), fleet }),
        systems: Arc::new(site.clone()),
        journal: Arc::new(SimJournal {
            world: Arc::clone(world),
            me: Arc::clone(&me),
            shelf: shelf.clone(),
        }),
        clock: Arc::new(EngineClock { world: Arc::clone(world), me: Arc::clone(&me) }),
    };
    let (agents, journal) = (Arc::clone(&ports.agents), Arc::clone(&ports.journal));
    let engine = Engine::new(ports, SITE.to_owned());
    let starting = async {
        let hosts: Vec<String> = world.machines().iter().map(|m| m.name.clone()).collect();
        let replies = join_all(hosts.iter().map(|host| agents.hello(host))).await;
        let seen: Vec<_> = replies.into_iter().flatten().filter_map(|reply| reply.term).collect();
        match decide(&journal.term(), &seen, false) {
            Decision::Lead { number, .. } => journal.raise(number)?,
            Decision::ReadOnly { reason, .. } => engine.set_read_only(Some(reason)),
        }
        engine.recover(None).ok().map(|_| ())
    };
    let started = tokio::select! {
        biased;
        () = process.died() => None,
        started = starting => started,
    };
    if started.is_some() {
        let (me, engine) = (Arc::clone(&process), engine.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = me.died() => {}
                // The process of a journal that failed is dead.
                _ = engine.keep_burying() => {}
            }
        });
    }
    started.map(|()| Coordinator { process: Arc::clone(&process), shelf: shelf.clone(), engine })
}

impl Coordinator {
    /// Asks the hosts again and again whom they obey, as every coordinator does; in the simulation only
    /// one that was copied, since no other has something to learn from it.
    pub fn keep_asking(&self, world: &Arc<World>, fleet: &Arc<Fleet>) {
        let (me, engine) = (Arc::clone(&self.process), self.engine.clone());
        let journal =
            SimJournal { world: Arc::clone(world), me: Arc::clone(&me), shelf: self.shelf.clone() };
        let hosts: Vec<String> = world.machines().iter().map(|m| m.name.clone()).collect();
        let agents =
            SimAgents { world: Arc::clone(world), me: Arc::clone(&me), fleet: Arc::clone(fleet) };
        let asking = async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let replies = join_all(hosts.iter().map(|host| agents.hello(host))).await;
                let mut seen = replies.into_iter().flatten().filter_map(|reply| reply.term);
                if seen.any(|term| is_strange(&journal.term(), &term)) {
                    engine.set_read_only(Some("hosts obey another coordinator".to_owned()));
                    return;
                }
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = me.died() => {}
                () = asking => {}
            }
        });
    }
}
