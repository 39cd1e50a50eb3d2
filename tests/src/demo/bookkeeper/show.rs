//! The whole demo for BookKeeper.

use anyhow::Result;

use super::{CLUSTER, Stage, Traffic, dead, parts};
use crate::{
    bookkeeper::Shape,
    demo::{
        Found,
        play::{self, HOSTS, MEMBERS, Play, Words},
    },
    duplicates::Findings,
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
        system: "bookkeeper",
        a_cluster: "a real BookKeeper cluster",
        asked: "BookKeeper",
        double: "",
        written: ("entry", "entries"),
        begins: "Bellows takes a cluster into care that an administrator set up",
        cluster: CLUSTER,
        newcomer: "bk4@h4",
        meanwhile: "while the new bookie starts",
        as_before: "Bookies and the files of all hosts",
        shrinks: "A bookie is shrunk out: it is drained while it lives",
        shrunk: "No ledger names it any more, and its cookie is gone; its directories are kept.",
        dies: "A bookie dies for good, and is replaced on the free host",
        looked_for: ", with all its copies; another client has read them all the time",
        tools: "`bookkeeper`",
    };
    type Writer = Traffic;

    async fn set() -> Result<Self> {
        // Of three bookies one can leave, or die, while two copies have a place.
        Self::set(HOSTS, MEMBERS, Shape { ensemble: 2, write: 2, ack: 2 }).await
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
        parts::adopt(self).await
    }

    async fn write(&mut self) -> Result<Traffic> {
        Self::write(self).await
    }

    async fn expand_with_kill(&mut self) -> Result<()> {
        parts::expand_with_kill(self, 4).await
    }

    async fn expand_cancelled(&mut self) -> Result<()> {
        parts::expand_cancelled(self, 5).await
    }

    async fn shrink(&mut self) -> Result<()> {
        parts::shrink(self, 1, &[]).await
    }

    /// The bookie on the second host dies.
    async fn replace(&mut self) -> Result<()> {
        let number = 2;
        let node = self.node(number).await?;
        self.tell.say(&format!(
            "kill -9 of everything on h{number}: agent and bookie. `bellows replace --dead` wants the word that it is off."
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

    async fn look_for(&mut self, traffic: Traffic) -> Result<Found> {
        parts::look_for(self, traffic).await
    }

    async fn count(&self) -> Result<usize> {
        self.members.count().await
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
