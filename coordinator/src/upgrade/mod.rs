//! Hosts get the agent of the coordinator's own version: planned, shown, then carried out ring by ring.
//!
//! What takes a broken program back is on the host and needs nobody. So nothing of an upgrade is stored here:
//! whatever cuts it off, the next one sees what runs where, and goes on from that.

mod carry;
mod host;
mod judge;
mod rings;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bellows_proto::{
    fault::chain,
    v1::{Fault, FaultCode, JobState, PlanUpgradeRequest, Program, UpgradePlan},
};
use futures::{StreamExt as _, stream};

use crate::{
    agents::GrpcAgents, bootstrap::bundle::Bundle, engine::ports::Agents as _, inventory::Inventory,
};
pub use carry::{Told, Upgrade};
pub use host::outcome;
use rings::check;

/// Hosts that are asked at once what runs there.
const ASKED_AT_ONCE: usize = 16;

/// A program with its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub program: Program,
    pub bytes: Arc<[u8]>,
}

/// What hosts of each architecture get.
type Targets = BTreeMap<String, Target>;

/// Upgrades of the agents of a site: one at a time. Clones share it.
#[derive(Clone)]
pub struct Upgrades {
    agents: Arc<GrpcAgents>,
    inventory: Inventory,
    /// Where the agents for hosts are.
    folder: PathBuf,
    /// Who upgrades right now.
    begun: Arc<Mutex<Option<String>>>,
}

/// Ends the turn of whoever holds it.
struct Turn(Arc<Mutex<Option<String>>>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Upgrades {
    /// With the agents that were installed beside this program.
    pub fn new(agents: Arc<GrpcAgents>, inventory: Inventory) -> Self {
        Self { agents, inventory, folder: Bundle::usual_folder(), begun: Arc::default() }
    }

    fn turn(&self, who: &str) -> Result<Turn, Fault> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = &*begun {
            let text = format!("{other} upgrades hosts right now");
            return Err(Fault::new(FaultCode::Conflict, text).remedy("wait until that is over"));
        }
        *begun = Some(who.to_owned());
        Ok(Turn(Arc::clone(&self.begun)))
    }

    /// The agents that this host has for others, looked at again.
    fn targets(&self) -> Result<Targets, Fault> {
        let bundle = Bundle::read(&self.folder).map_err(|error| {
            Fault::new(FaultCode::Io, chain(&error))
                .remedy("install the package of bellows on the coordinator's host again")
        })?;
        let each = bundle.into_agents().into_iter().map(|(architecture, agent)| {
            let bytes: Arc<[u8]> = agent.program.bytes.into();
            let version = env!("CARGO_PKG_VERSION").to_owned();
            let digest = bellows_proto::digest::of_bytes(&bytes).to_vec();
            let program = Program { version, digest, path: String::new() };
            (architecture, Target { program, bytes })
        });
        Ok(each.collect())
    }

    /// Looks at the hosts and decides who gets what, in which ring. Changes nothing.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if an option is out of its bounds, `FAULT_CODE_NOT_FOUND` for a host that is not
    /// of this site, `FAULT_CODE_IO` if there are no agents for hosts here, or one of them is damaged.
    pub async fn plan(&self, request: &PlanUpgradeRequest) -> Result<UpgradePlan, Fault> {
        let options = rings::filled(&request.options.unwrap_or_default())?;
        let hosts = self.hosts(&request.hosts)?;
        let targets = self.targets()?;
        let looked: Vec<_> = stream::iter(hosts)
            .map(async |host| {
                let seen = self.agents.program(&host).await;
                let jobs = match &seen {
                    Ok(_) => self.running_jobs(&host).await,
                    Err(_) => 0,
                };
                judge::judge(&host, seen, jobs, &targets, options.downgrade)
            })
            .buffered(ASKED_AT_ONCE)
            .collect()
            .await;
        Ok(UpgradePlan { hosts: rings::arranged(looked, options.first), options: Some(options) })
    }

    /// The hosts that are meant: of the site, each once, by name.
    fn hosts(&self, named: &[String]) -> Result<Vec<String>, Fault> {
        let known = self.inventory.hosts().map_err(|error| {
            Fault::new(FaultCode::Io, error.to_string()).remedy("see the coordinator's log")
        })?;
        let known: Vec<String> = known.into_iter().map(|record| record.host).collect();
        if named.is_empty() {
            return Ok(known);
        }
        if let Some(stranger) = named.iter().find(|name| !known.contains(name)) {
            let text = format!("no host {stranger:?} is enrolled at this site");
            let remedy = "`bellows host list` shows the hosts";
            return Err(Fault::new(FaultCode::NotFound, text).remedy(remedy));
        }
        Ok(known.into_iter().filter(|host| named.contains(host)).collect())
    }

    /// For the eyes: they go on.
    async fn running_jobs(&self, host: &str) -> u32 {
        let jobs = self.agents.list_jobs(host, "").await.unwrap_or_default();
        let runs = |state| matches!(state, JobState::Accepted | JobState::Running);
        u32::try_from(jobs.iter().filter(|job| runs(job.state())).count()).unwrap_or(u32::MAX)
    }
}
