//! A whole site on loopback addresses: one coordinator, agents with an address each, all in a
//! temporary folder, all of it gone when dropped (and by the guard when its owner is killed).
//!
//! It starts the real programs and calls the real command line, and knows no system: what an
//! agent may do is in the text that the caller adds to its configuration.

mod addresses;
mod agent;
mod ask;
pub(crate) mod cli;
mod coordinator;
mod folders;
mod lone;
mod told;
mod user;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};

pub use agent::Agent;
pub use ask::Ask;
pub use cli::Cli;
pub use coordinator::Coordinator;
pub use folders::temporary;
pub use lone::LoneAgent;
pub use user::User;

use crate::{guard::Guard, process};
use addresses::Addresses;
use folders::Folders;

/// A start or an end of one of the programs takes well under a second.
const LIMIT: Duration = Duration::from_secs(30);

/// A site that runs.
pub struct Site {
    coordinator: Coordinator,
    agents: Vec<Agent>,
    user: User,
    // In this order: programs first, then the folders; the guard ends last and finds nothing.
    folders: Folders,
    addresses: Addresses,
    _guard: Guard,
}

impl Site {
    /// Makes the certificate authority, starts the coordinator, enrols and starts an agent on
    /// each of so many hosts, named `h1`, `h2`, ... `configure` writes a host's part of the
    /// configuration for its systems.
    ///
    /// # Errors
    /// A program is missing, does not start, or a host does not enrol.
    pub async fn up(
        hosts: usize,
        configure: impl Fn(&Host, &User) -> Result<String>,
    ) -> Result<Self> {
        let addresses = Addresses::take(hosts)?;
        let folders = Folders::make()?;
        let guard = Guard::over(&folders.all())?;
        let user = User::of_the_servers()?;
        let coordinator =
            Coordinator::init(&folders.of("coordinator")?, &addresses.coordinator()).await?;
        let mut site =
            Self { coordinator, agents: Vec::new(), user, folders, addresses, _guard: guard };
        site.coordinator.start().await?;
        for index in 0..hosts {
            let host = site.host(index)?;
            let part = configure(&host, &site.user)?;
            site.agents.push(Agent::new(host, &part)?);
        }
        for index in 0..hosts {
            site.enrol(index).await?;
        }
        site.connected().await?;
        Ok(site)
    }

    /// The host of this number, from 0.
    fn host(&self, index: usize) -> Result<Host> {
        Ok(Host {
            name: format!("h{}", index + 1),
            address: self.addresses.host(index)?,
            folder: self.folders.of(&format!("h{}", index + 1))?,
            runtime: self.folders.runtime(&format!("h{}", index + 1))?,
            shared: self.folders.of("shared")?,
        })
    }

    async fn enrol(&mut self, index: usize) -> Result<()> {
        let enrolment = self.coordinator.enrolment_address().to_owned();
        let agent = self.agents.get_mut(index).context("no such agent")?;
        let token = self.coordinator.cli().token(&agent.host.name).await?;
        agent.enrol(&enrolment, &token).await?;
        agent.start().await
    }

    /// Waits until the coordinator has all agents on the line.
    ///
    /// # Errors
    /// Not within 30 s.
    pub async fn connected(&self) -> Result<()> {
        let wanted = self.agents.len();
        process::until("all agents are connected", LIMIT, || async {
            Ok(self.cli().connected_hosts().await? == wanted)
        })
        .await
    }

    /// The command line.
    pub fn cli(&self) -> &Cli {
        self.coordinator.cli()
    }

    /// The coordinator's process, to be killed and started.
    pub fn coordinator(&mut self) -> &mut Coordinator {
        &mut self.coordinator
    }

    /// The coordinator's own log.
    pub fn coordinator_log(&self) -> &std::path::Path {
        self.coordinator.log()
    }

    /// The agents, in the order of their hosts.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// An agent, to be killed and started. From 0.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn agent(&mut self, index: usize) -> Result<&mut Agent> {
        self.agents.get_mut(index).context("no such agent")
    }

    /// Asks an agent by the coordinator's identity. From 0.
    ///
    /// # Errors
    /// There is none of this number, or certificates cannot be read.
    pub fn ask(&self, index: usize) -> Result<Ask> {
        Ask::agent(&self.coordinator, self.agents.get(index).context("no such agent")?)
    }

    /// Addresses of all hosts, in their order.
    pub fn host_addresses(&self) -> Vec<String> {
        self.agents.iter().map(|agent| agent.host.address.clone()).collect()
    }

    /// All folders of the site. What runs from them belongs to it.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.folders.all()
    }

    /// Ends everything, and proves that nothing is left.
    ///
    /// # Errors
    /// Something still runs, or cannot be removed.
    pub fn down(self) -> Result<()> {
        self.folders.remove()
    }
}

/// One host of a site: nothing but an address and folders of its own.
#[derive(Debug, Clone)]
pub struct Host {
    /// `h1`, `h2`, ...
    pub name: String,
    /// A loopback address of its own.
    pub address: String,
    /// What would be its disk.
    pub folder: PathBuf,
    /// In memory, as `/run` would be.
    pub runtime: PathBuf,
    /// The same path on all hosts: for files that the administrator places everywhere.
    pub shared: PathBuf,
}
