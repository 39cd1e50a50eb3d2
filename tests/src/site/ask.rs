//! What agents themselves say, asked by the test as their coordinator would: for what must not be
//! believed of a coordinator's own word.

use std::time::Duration;

use anyhow::{Context, Result};
use bellows_proto::{
    identity::{Identity, Role},
    tls,
    v1::{HelloReply, HelloRequest, Job, ListJobsRequest, agent_client::AgentClient},
};
use tonic::transport::Channel;

use super::{Agent, Coordinator};

/// Calls to one agent. It only reads.
#[derive(Debug)]
pub struct Ask {
    client: AgentClient<Channel>,
}

impl Ask {
    /// Dials an agent of the site of this coordinator, which need not run.
    ///
    /// # Errors
    /// Certificates cannot be read, or the address is none.
    pub fn agent(coordinator: &Coordinator, agent: &Agent) -> Result<Self> {
        let config = std::fs::read_to_string(coordinator.folder().join("site.toml"))?;
        let id = config.lines().find_map(|line| line.strip_prefix("id = "));
        let site = id.context("no id in site.toml")?.trim_matches('"').to_owned();
        let tls = tls::client_config(&coordinator.credentials()?)?;
        let name = Identity { site, role: Role::Agent, name: agent.host.name.clone() };
        let limit = Duration::from_secs(5);
        let channel = tls::channel(&agent.address(), &name.dns_name(), tls, limit)?;
        Ok(Self { client: AgentClient::new(channel) })
    }

    /// The highest term that it has seen, and its fences.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn hello(&self) -> Result<HelloReply> {
        Ok(self.client.clone().hello(HelloRequest {}).await?.into_inner())
    }

    /// All its jobs.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn jobs(&self) -> Result<Vec<Job>> {
        let request = ListJobsRequest { operation: String::new() };
        Ok(self.client.clone().list_jobs(request).await?.into_inner().jobs)
    }
}
