//! A site with PostgreSQL hosts, ready for the parts of the demo and for the tests: node `pgN`
//! lives on host `hN`.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result};

use super::hosts;
use crate::{
    duplicates::{self, Findings},
    narrate::{Narrator, table},
    process,
    site::Site,
    snapshot::Snapshot,
    sql::{self, Server},
    wrapper,
};

/// A copy of a few dozen MiB, throttled to a few seconds.
const COPY_LIMIT: Duration = Duration::from_secs(180);

/// The stage.
pub struct Stage {
    /// The site.
    pub site: Site,
    /// Who tells what happens.
    pub tell: Narrator,
    /// Numbers of the nodes that should be members now.
    pub members: BTreeSet<usize>,
}

impl Stage {
    /// Sets up a site with so many hosts.
    ///
    /// # Errors
    /// A program or package is missing, or does not start.
    pub async fn set(hosts: usize) -> Result<Self> {
        Ok(Self {
            tell: Narrator::default(),
            site: Box::pin(Site::up(hosts, hosts::configure)).await?,
            members: BTreeSet::new(),
        })
    }

    /// The address of a node's host, by the node's number.
    ///
    /// # Errors
    /// There is no such host.
    pub fn address(&self, number: usize) -> Result<String> {
        let agent = self.site.agents().get(number.wrapping_sub(1));
        Ok(agent.context("no such host")?.host.address.clone())
    }

    /// The addresses of the members.
    ///
    /// # Errors
    /// A member has no host.
    pub fn addresses(&self) -> Result<Vec<String>> {
        self.members.iter().map(|number| self.address(*number)).collect()
    }

    /// The primary, with the rights of a superuser.
    ///
    /// # Errors
    /// There is not exactly one.
    pub async fn primary(&self) -> Result<Server> {
        sql::primary(&self.addresses()?, &hosts::superuser()).await
    }

    /// How many members the primary counts: recorded by repmgr as active, and itself or
    /// streaming.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn count(&self) -> Result<usize> {
        let primary = self.primary().await?;
        let streaming = primary.streaming().await?;
        let members = primary.members().await?;
        let counts = |member: &&sql::Member| {
            member.active && (member.kind == "primary" || streaming.contains(&member.name))
        };
        Ok(members.iter().filter(counts).count())
    }

    /// The members as PostgreSQL shows them, as a table.
    ///
    /// # Errors
    /// The primary does not answer.
    pub async fn table(&self) -> Result<String> {
        let primary = self.primary().await?;
        let senders = primary.senders().await?;
        let row = |member: &sql::Member| {
            let sender = senders.iter().find(|sender| sender.name == member.name);
            let (state, lag) = match (member.kind.as_str(), sender) {
                ("primary", _) => ("takes writes".to_owned(), "-".to_owned()),
                (_, Some(sender)) => (sender.state.clone(), sender.lag_bytes.to_string()),
                (_, None) => ("does not stream".to_owned(), "-".to_owned()),
            };
            let slot = match member.kind.as_str() {
                "primary" => "-".to_owned(),
                _ => member.slot.clone().unwrap_or_default(),
            };
            vec![member.id.to_string(), member.name.clone(), member.kind.clone(), state, lag, slot]
        };
        let rows: Vec<_> = primary.members().await?.iter().map(row).collect();
        Ok(table(&["id", "node", "role", "state", "bytes behind", "slot"], &rows))
    }

    /// The cluster as it is: what the members say, and the files on all hosts.
    ///
    /// # Errors
    /// A member does not answer, or a folder cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::of_members(&self.addresses()?, &hosts::superuser()).await?;
        for agent in self.site.agents() {
            let (name, folder) = (&agent.host.name, &agent.host.folder);
            snapshot.add_files(&format!("{name} configuration"), &hosts::conf(folder))?;
            for (_, root) in hosts::ROOTS {
                snapshot.add_names(&format!("{name} {root}"), &folder.join(root), 2)?;
            }
        }
        Ok(snapshot)
    }

    /// Waits until a base backup has copied a good part, but not all.
    ///
    /// # Errors
    /// There is none within three minutes.
    pub async fn in_the_middle_of_a_copy(&self) -> Result<(i64, i64)> {
        let primary = self.primary().await?;
        let seen = std::sync::Mutex::new((0, 0));
        process::until("a base backup is half-way", COPY_LIMIT, || async {
            let Some((done, total)) = primary.backup_progress().await? else {
                return Ok(false);
            };
            *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = (done, total);
            Ok(done * 5 > total && done * 5 < total * 4)
        })
        .await?;
        Ok(seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// All tool runs, by host.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn tool_runs(&self) -> Result<Vec<(String, Vec<wrapper::Run>)>> {
        self.site.tool_runs(hosts::tools)
    }

    /// Tool runs that the journals do not explain.
    ///
    /// # Errors
    /// A log or a journal cannot be read.
    pub async fn duplicates(&self) -> Result<Findings> {
        let attempts = duplicates::attempts(&self.site.operations().await?);
        Ok(duplicates::find(&self.tool_runs()?, &attempts))
    }
}
