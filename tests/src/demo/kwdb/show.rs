//! The whole demo for KWDB.

use std::time::Duration;

use anyhow::Result;

use super::{CLUSTER, Stage, dead, parts, rows};
use crate::{
    demo::{
        Found,
        play::{self, HOSTS, MEMBERS, Play, Words},
    },
    duplicates::Findings,
    kwdb::Writer,
    narrate::Narrator,
    report::{Refused, Report},
    site::Site,
    wrapper,
};

/// Plays all parts and returns the report.
///
/// # Errors
/// Something did not hold; the error says what, and the logs' ends are on standard error.
pub async fn play() -> Result<Report> {
    play::play::<Stage>().await
}

impl Play for Stage {
    const WORDS: Words = Words {
        system: "kwdb",
        a_cluster: "a KWDB cluster",
        asked: "KWDB",
        double: "KWDB itself is not in any package registry: its tools are played by a double that keeps rows and ranges as it does.",
        written: ("row", "rows"),
        begins: "Bellows takes a cluster into care that its installer made",
        cluster: CLUSTER,
        newcomer: "kw4@h4",
        meanwhile: "while ranges move",
        as_before: "Members, the setting and the files of all hosts",
        shrinks: "A member is shrunk out: its ranges move first",
        shrunk: "No survivor lists it any more; its data directory is kept.",
        dies: "A member dies for good, and is replaced on the free host",
        looked_for: ", asked at every member",
        tools: "kwbase",
    };
    type Writer = Writer;

    async fn set() -> Result<Self> {
        Self::set(HOSTS, MEMBERS).await
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
        self.members.client.is_double().await
    }

    async fn begin(&mut self) -> Result<()> {
        parts::adopt(self).await
    }

    async fn write(&mut self) -> Result<Writer> {
        Self::write(self).await
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

    /// The member on the second host dies.
    async fn replace(&mut self) -> Result<()> {
        let number = 2;
        let node = self.node(number).await?;
        self.tell.say(&format!(
            "kill -9 of everything on h{number}: agent and member. `bellows replace --dead` wants the word that it is off."
        ));
        dead::dies(self, number).await?;
        dead::replace_dead(self, number, HOSTS).await?;
        self.tell.say(&format!("h{number} comes back: its agent is started again."));
        dead::comes_back(self, number, &node).await?;
        self.tell.say(&format!(
            "Its agent got the tombstone that it was owed: {node} never starts again."
        ));
        Ok(())
    }

    async fn refused(&mut self) -> Result<(Vec<Refused>, String)> {
        parts::refused(self, 4).await
    }

    async fn look_for(&mut self, writer: Writer) -> Result<Found> {
        writer.writes_on(10, Duration::from_secs(30)).await?;
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
