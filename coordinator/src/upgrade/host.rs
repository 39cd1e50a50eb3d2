//! One host: the program is put there, started on trial, heard of, and confirmed. What does not come back
//! in time is waited for until the host has gone back by itself.

use std::{sync::Arc, time::Duration};

use bellows_proto::v1::{
    Fault, FaultCode, PlannedUpgrade, Program, ProgramState, SwitchProgramRequest, UpgradedHost,
};
use tokio::time::Instant;

use super::{Target, Upgrades};

const ASK_AGAIN: Duration = Duration::from_millis(500);
/// After a trial: the timer's kill, the start of the program before it, a new connection.
const WAY_BACK: Duration = Duration::from_secs(75);

/// What became of a host, as `UpgradedHost` says it.
pub mod outcome {
    /// It runs the new program, and keeps it.
    pub const UPGRADED: &str = "upgraded";
    /// It ran it already.
    pub const THERE: &str = "there already";
    /// The plan gave it nothing.
    pub const SKIPPED: &str = "skipped";
    /// Nothing was switched.
    pub const REFUSED: &str = "refused";
    /// The program before runs again.
    pub const BACK: &str = "fell back";
    /// It does not answer.
    pub const UNKNOWN: &str = "not known";
    /// A ring before it failed.
    pub const NOT_TRIED: &str = "not tried";
}

/// How far it is.
enum Seen {
    /// Not there yet.
    NotYet,
    /// The new program answers.
    Answers,
    /// The one before runs again.
    Back(String),
}

impl Upgrades {
    pub(super) async fn host(
        &self,
        planned: &PlannedUpgrade,
        target: &Target,
        options: (u32, bool),
        stage: &(dyn Fn(&str) + Sync),
    ) -> UpgradedHost {
        let host = planned.host.as_str();
        let before = planned.running.clone();
        let over = |outcome: &str, running: Option<Program>, fault: Option<Fault>| UpgradedHost {
            host: host.to_owned(),
            ring: planned.ring,
            outcome: outcome.to_owned(),
            before: before.clone(),
            running,
            fault: fault.map(|fault| fault.at(host)),
        };
        let trial = uuid::Uuid::now_v7().to_string();
        if let Err(fault) = self.begin(host, target, &trial, options, stage).await {
            let now = self.agents.program(host).await.ok();
            // The answer of a switch may be lost: then it is looked at as any other.
            let under_way = now.as_ref().and_then(|now| now.trial.as_ref());
            if under_way.is_none_or(|one| one.id != trial) && !is_lost(&fault) {
                return over(outcome::REFUSED, now.and_then(|now| now.running), Some(fault));
            }
        }
        stage("waiting for its answer");
        match self.answered(host, &target.program, &trial, options.0, stage).await {
            Ok((state, None)) => over(outcome::UPGRADED, state.running, None),
            Ok((state, Some(reason))) => {
                let text = format!("version {}: {reason}", target.program.version);
                let fault = Fault::new(FaultCode::ToolFailed, text)
                    .remedy(format!("on {host}: journalctl -u bellows-agent"));
                over(outcome::BACK, state.running, Some(fault))
            }
            Err(fault) => over(outcome::UNKNOWN, None, Some(fault)),
        }
    }

    async fn begin(
        &self,
        host: &str,
        target: &Target,
        trial: &str,
        (within_s, downgrade): (u32, bool),
        stage: &(dyn Fn(&str) + Sync),
    ) -> Result<(), Fault> {
        stage("sending the program");
        self.agents.put_program(host, &target.program, Arc::clone(&target.bytes)).await?;
        stage("starting it");
        let request = SwitchProgramRequest {
            term: None,
            digest: target.program.digest.clone(),
            trial: trial.to_owned(),
            within_s,
            downgrade,
        };
        self.agents.switch_program(host, request).await
    }

    /// Its state at the end, and why the program before runs again if it does.
    async fn answered(
        &self,
        host: &str,
        to: &Program,
        trial: &str,
        within_s: u32,
        stage: &(dyn Fn(&str) + Sync),
    ) -> Result<(ProgramState, Option<String>), Fault> {
        let until = Instant::now() + Duration::from_secs(within_s.into()) + WAY_BACK;
        let mut why = Fault::new(FaultCode::Unreachable, "the agent does not answer");
        while Instant::now() < until {
            tokio::time::sleep(ASK_AGAIN).await;
            let state = match self.agents.program(host).await {
                Ok(state) => state,
                Err(fault) => {
                    why = fault;
                    continue;
                }
            };
            match seen(&state, to, trial) {
                Seen::NotYet => {}
                Seen::Back(reason) => return Ok((state, Some(reason))),
                Seen::Answers => {
                    stage("confirming");
                    match self.agents.confirm_program(host, trial).await {
                        Ok(state) => return Ok((state, None)),
                        // Perhaps the timer came first: the next look tells.
                        Err(fault) => why = fault,
                    }
                }
            }
        }
        Err(why)
    }
}

/// Whether an answer may have been lost on its way.
fn is_lost(fault: &Fault) -> bool {
    matches!(fault.code(), FaultCode::Unreachable | FaultCode::Deadline)
}

fn seen(state: &ProgramState, to: &Program, trial: &str) -> Seen {
    let runs = state.running.as_ref().is_some_and(|running| running.digest == to.digest);
    let last = state.last.as_ref().filter(|last| last.trial == trial);
    match (runs, last) {
        (_, Some(last)) if !last.kept => Seen::Back(last.reason.clone()),
        // Also one that was confirmed, with the answer lost.
        (true, _) => Seen::Answers,
        // Neither under way nor over: the switch never came there.
        (false, None) if state.trial.is_none() => {
            Seen::Back("the switch did not reach the host".to_owned())
        }
        (false, _) => Seen::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{ProgramOutcome, ProgramTrial};

    fn program(digest: u8) -> Program {
        Program { digest: vec![digest; 32], ..Program::default() }
    }

    #[test]
    fn the_agent_itself_says_how_far_it_is() {
        let state = |runs: u8, trial: bool, last: Option<bool>| ProgramState {
            running: Some(program(runs)),
            trial: trial.then(|| ProgramTrial { id: "t".into(), ..ProgramTrial::default() }),
            last: last.map(|kept| ProgramOutcome {
                trial: "t".into(),
                kept,
                reason: "it hangs".into(),
                ..ProgramOutcome::default()
            }),
            ..ProgramState::default()
        };
        let new = program(2);
        assert!(matches!(seen(&state(1, true, None), &new, "t"), Seen::NotYet));
        assert!(matches!(seen(&state(2, true, None), &new, "t"), Seen::Answers));
        assert!(matches!(seen(&state(2, false, Some(true)), &new, "t"), Seen::Answers));
        assert!(
            matches!(seen(&state(1, false, Some(false)), &new, "t"), Seen::Back(why) if why == "it hangs")
        );
        assert!(matches!(seen(&state(1, false, None), &new, "t"), Seen::Back(_)));
        // The end of another trial says nothing of this one.
        assert!(matches!(seen(&state(1, true, Some(false)), &new, "u"), Seen::NotYet));
    }
}
