//! Processes of the simulation. A dead one takes no further effect on anything: each port that it
//! was given asks whether it lives.

use std::{collections::BTreeMap, sync::Arc};

use bellows_agent::host::ProcessId;
use tokio_util::sync::CancellationToken;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bellows serve`.
    Coordinator,
    /// `bellows-agent run`.
    Agent,
    /// `bellows-agent shim`.
    Shim,
    /// A tool: dies with the process that runs it.
    Tool,
    /// A long-lived service.
    Service,
}

/// One process, dead or alive.
#[derive(Debug)]
pub struct Process {
    /// Number and start time.
    pub id: ProcessId,
    /// The host that it runs on; empty: the coordinator's machine.
    pub host: String,
    /// What it is.
    pub kind: Kind,
    /// What it was born with.
    pub birth: Birth,
    death: CancellationToken,
}

/// What a process is born with.
#[derive(Debug, Clone, Default)]
pub struct Birth {
    /// What its environment carries.
    pub environment: BTreeMap<String, String>,
    /// Whose death is its death.
    pub parent: Option<ProcessId>,
    /// Program and arguments; empty: nobody looks.
    pub command: Vec<String>,
    /// As whom it runs; empty: as root.
    pub user: String,
}

impl Process {
    /// A process that lives.
    pub fn new(id: ProcessId, host: &str, kind: Kind, birth: Birth) -> Self {
        Self { id, host: host.to_owned(), kind, birth, death: CancellationToken::new() }
    }

    /// Whether it still has effects.
    pub fn is_alive(&self) -> bool {
        !self.death.is_cancelled()
    }

    /// Ends it, at once. On a machine use [`super::machine::Machine::kill`]: it knows the children.
    pub fn end(&self) {
        self.death.cancel();
    }

    /// Returns when it is dead.
    pub async fn died(&self) {
        self.death.cancelled().await;
    }

    /// What a dead process does: nothing, for ever. Returns at once for a living one.
    pub async fn frozen_if_dead(&self) {
        if !self.is_alive() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work` as this process: what it has not done when the process dies is never done.
    pub async fn live<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.died() => std::future::pending().await,
            done = work => done,
        }
    }
}
