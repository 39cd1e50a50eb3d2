//! What a site tells of itself afterwards: operations, tool runs, logs.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bellows_proto::v1::OperationDetail;

use super::{Site, cli};
use crate::wrapper;

impl Site {
    /// All operations with their journals, the oldest first.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn operations(&self) -> Result<Vec<OperationDetail>> {
        let mut found = Vec::new();
        for one in self.cli().operations().await? {
            found.push(self.cli().operation(&one.operation).await?);
        }
        Ok(found)
    }

    /// All runs of wrapped tools, by host. `tools`: where the wrappers are, from a host's folder.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn tool_runs(
        &self,
        tools: impl Fn(&Path) -> PathBuf,
    ) -> Result<Vec<(String, Vec<wrapper::Run>)>> {
        let hosts = self.agents().iter().map(|agent| &agent.host);
        hosts
            .map(|host| {
                let log = wrapper::log_beside(&tools(&host.folder));
                Ok((host.name.clone(), wrapper::read(&log)?))
            })
            .collect()
    }

    /// The end of all logs, for an error.
    pub fn last_words(&self) -> String {
        let mut words = vec![cli::tail(self.coordinator_log())];
        words.extend(self.agents().iter().map(|agent| cli::tail(&agent.log())));
        words.join("\n")
    }
}
