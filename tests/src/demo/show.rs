//! The whole demo for PostgreSQL with repmgr.

use std::time::Duration;

use anyhow::Result;

use super::{
    CLUSTER, Found, Stage, dead, parts,
    play::{HOSTS, MEMBERS, Play, Words, play},
    rows,
};
use crate::{
    duplicates::Findings,
    narrate::Narrator,
    report::{Refused, Report},
    site::Site,
    wrapper,
    writer::Writer,
};

/// Plays all parts and returns the report.
///
/// # Errors
/// Something did not hold; the error says what, and the logs' ends are on standard error.
pub async fn postgresql() -> Result<Report> {
    play::<Stage>().await
}

impl Play for Stage {
    const WORDS: Words = Words {
        system: "postgresql",
        a_cluster: "a real PostgreSQL cluster (repmgr)",
        asked: "PostgreSQL",
        double: "",
        written: ("row", "rows"),
        begins: "Bellows creates a cluster: 1 primary, 2 standbys",
        cluster: CLUSTER,
        newcomer: "pg4@h4",
        meanwhile: "in the middle of the copy",
        as_before: "Members, slots, pg_hba rules and files of all hosts",
        shrinks: "The primary is shrunk out: its role moves first",
        shrunk: "No survivor knows pg1 any more; another one takes the writes, its data directory is kept.",
        dies: "A standby dies for good, and is replaced on the free host",
        looked_for: " on every member",
        tools: "The tools",
    };
    type Writer = Writer;

    async fn set() -> Result<Self> {
        Self::set(HOSTS).await
    }

    fn site(&mut self) -> &mut Site {
        &mut self.site
    }

    fn tell(&self) -> Narrator {
        self.tell
    }

    fn into_site(self) -> Site {
        self.site
    }

    async fn is_double(&self) -> Result<bool> {
        Ok(false)
    }

    async fn begin(&mut self) -> Result<()> {
        parts::create(self, MEMBERS, MEMBERS).await
    }

    async fn write(&mut self) -> Result<Writer> {
        parts::fill(self).await?;
        Writer::start(&self.addresses()?, &super::application()).await
    }

    async fn expand_with_kill(&mut self) -> Result<()> {
        parts::expand_with_kill(self, 4).await
    }

    async fn expand_cancelled(&mut self) -> Result<()> {
        parts::expand_cancelled(self, 5).await
    }

    async fn shrink(&mut self) -> Result<()> {
        parts::shrink(self, 1).await
    }

    /// The highest standby dies.
    async fn replace(&mut self) -> Result<()> {
        let number = dead::a_standby(self).await?;
        self.tell.say(&format!(
            "kill -9 of everything on h{number}: agent, server, repmgrd. `bellows replace --dead` wants the word that it is off."
        ));
        dead::dies(self, number).await?;
        dead::replace_dead(self, number, HOSTS).await?;
        self.tell.say(&format!("h{number} comes back: its agent is started again."));
        dead::comes_back(self, number).await?;
        self.tell.say(&format!(
            "Its agent got the tombstone that it was owed: the server of pg{number} never starts again."
        ));
        Ok(())
    }

    async fn refused(&mut self) -> Result<(Vec<Refused>, String)> {
        let standby = dead::a_standby(self).await?;
        parts::refused(self, standby).await
    }

    async fn look_for(&mut self, writer: Writer) -> Result<Found> {
        writer.reaches(100, Duration::from_secs(30)).await?;
        rows::look_for(self, writer).await
    }

    async fn count(&self) -> Result<usize> {
        self.count().await
    }

    async fn table(&self) -> Result<String> {
        self.table().await
    }

    fn tool_runs(&self) -> Result<Vec<(String, Vec<wrapper::Run>)>> {
        self.tool_runs()
    }

    async fn duplicates(&self) -> Result<Findings> {
        self.duplicates().await
    }
}
