//! An agent without a coordinator, with an identity that the test gives it: for a test that
//! plays the coordinator, or somebody who must not.

use anyhow::{Context, Result};
use bellows_proto::tls::Credentials;

use super::{Agent, Host, addresses::Addresses, folders::Folders};
use crate::guard::Guard;

/// The agent, its folders, its address. All gone when dropped.
pub struct LoneAgent {
    agent: Agent,
    address: String,
    folders: Folders,
    _addresses: Addresses,
    _guard: Guard,
}

impl LoneAgent {
    /// Starts an agent on host `h1` with this identity; `systems`: what it may do.
    ///
    /// # Errors
    /// It does not start.
    pub async fn up(identity: &Credentials, systems: &str) -> Result<Self> {
        let addresses = Addresses::take(1)?;
        let folders = Folders::make()?;
        let guard = Guard::over(&folders.all())?;
        let host = Host {
            name: "h1".to_owned(),
            address: addresses.host(0)?,
            folder: folders.of("h1")?,
            runtime: folders.runtime("h1")?,
            shared: folders.of("shared")?,
        };
        let mut agent = Agent::new(host, systems)?;
        agent.place_identity(identity).context("identity of the agent")?;
        agent.start().await?;
        Ok(Self { address: agent.address(), agent, folders, _addresses: addresses, _guard: guard })
    }

    /// Where it listens, HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The agent, to be killed and started.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Ends it, and proves that nothing is left.
    ///
    /// # Errors
    /// Something still runs, or cannot be removed.
    pub fn down(self) -> Result<()> {
        self.folders.remove()
    }
}
