//! The switch to a program that was put here, and its confirmation.

use std::time::Duration;

use bellows_proto::{
    digest, release,
    v1::{
        ConfirmProgramRequest, Fault, FaultCode, Program, ProgramRecord, ProgramState,
        ProgramTrial, SwitchProgramReply, SwitchProgramRequest,
    },
};
use camino::Utf8Path;

use super::{Programs, choose, put::same};
use crate::exec::Invocation;

/// From the switch to the end of a trial, seconds: least, usual, most. With the kill and the start of the old
/// program it is back within a minute.
const WITHIN: (u32, u32, u32) = (5, 40, 45);
/// `systemd-run` and `systemctl` only ask for something here.
const ASK: Duration = Duration::from_secs(15);
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
const SYSTEMCTL: &str = "/usr/bin/systemctl";

impl Programs {
    /// Begins the trial of a program: the timer that takes it back first, then the record, then the restart.
    /// Returns before the restart; running jobs go on. The same trial again is fine.
    ///
    /// # Errors
    /// `FAULT_CODE_DENIED` if no program can be put in our place, or it is older and that was not asked for;
    /// `FAULT_CODE_CONFLICT` if another one is on trial, `FAULT_CODE_NOT_FOUND` if it is not here,
    /// `FAULT_CODE_INVALID`, `FAULT_CODE_TOOL_FAILED`, `FAULT_CODE_IO`. Then nothing was switched.
    pub async fn switch(
        &self,
        request: &SwitchProgramRequest,
    ) -> Result<SwitchProgramReply, Fault> {
        let inner = &*self.0;
        let unit = inner.refusal()?;
        let within = within(request)?;
        let Ok(_busy) = inner.busy.try_lock() else {
            return Err(Fault::new(FaultCode::Conflict, "another program is being put here"));
        };
        let host = inner.local.host.as_ref();
        inner.folder.make(host)?;
        if let Some(trial) = inner.folder.record(host)?.trial {
            return under_way(trial, request);
        }
        let program = self.wanted(request)?;
        // agent.toml may be another one by now.
        self.prove(&program).await?;
        let now_ms = inner.local.clock.now_ms();
        let before = self.state()?.running;
        let trial = ProgramTrial {
            id: request.trial.clone(),
            program: Some(program),
            before,
            until_ms: now_ms.saturating_add(i64::from(within) * 1000),
            boot_id: inner.boot()?,
            started: false,
        };
        self.set_timer(&trial.id, unit, within).await?;
        let begun = self.begin(&trial);
        let restarted = match begun {
            Ok(()) => self.restart_soon(&trial.id, unit).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = restarted {
            self.change(|record| ProgramRecord { trial: None, ..record })?;
            return Err(fault);
        }
        tracing::info!(trial = trial.id, within, "another program is on trial");
        Ok(SwitchProgramReply { trial: Some(trial) })
    }

    /// Keeps the program on trial, which is this one. Again: fine.
    ///
    /// # Errors
    /// `FAULT_CODE_CONFLICT` if it is not on trial, or not what runs; `FAULT_CODE_IO`.
    pub async fn confirm(&self, request: &ConfirmProgramRequest) -> Result<ProgramState, Fault> {
        let inner = &*self.0;
        let host = inner.local.host.as_ref();
        let conflict = |text: String| Err(Fault::new(FaultCode::Conflict, text));
        let record = inner.folder.record(host)?;
        let Some(trial) = record.trial.filter(|trial| trial.id == request.trial) else {
            return match record.last {
                Some(last) if last.trial == request.trial && last.kept => self.state(),
                Some(last) if last.trial == request.trial => {
                    conflict(format!("it was taken back: {}", last.reason))
                }
                Some(_) | None => conflict(format!("no trial {:?} is under way", request.trial)),
            };
        };
        if trial
            .program
            .is_none_or(|program| inner.running().is_ok_and(|own| own != program.digest))
        {
            return conflict("what is on trial does not run yet".to_owned());
        }
        let base = super::folder::digest(&inner.base)?;
        let now_ms = inner.local.clock.now_ms();
        // The timer may have come first.
        let after = self.change(|record| match &record.trial {
            Some(now) if now.id == request.trial => choose::confirmed(record, base.clone(), now_ms),
            Some(_) | None => record,
        })?;
        if after.last.as_ref().is_none_or(|last| last.trial != request.trial || !last.kept) {
            return conflict("it was taken back in this moment".to_owned());
        }
        tracing::info!(trial = request.trial, "this program was confirmed and is kept");
        // It finds nothing to do where it cannot be stopped.
        let timer = format!("{}.timer", timer(&request.trial));
        let _ = self.run(Invocation::new(SYSTEMCTL, ["stop", &timer], ASK), "stop a timer").await;
        self.state()
    }

    /// What is asked for, if it is here and may run.
    fn wanted(&self, request: &SwitchProgramRequest) -> Result<Program, Fault> {
        let inner = &*self.0;
        if inner.running()? == request.digest {
            return Err(Fault::new(FaultCode::Conflict, "this program runs already"));
        }
        let found = inner.folder.find(inner.local.host.as_ref(), &request.digest)?;
        let Some(program) = found else {
            let text = format!("program {} is not here", digest::hex(&request.digest));
            return Err(Fault::new(FaultCode::NotFound, text).remedy("put it there first"));
        };
        if !same(Utf8Path::new(&program.path), &program.digest) {
            return Err(Fault::new(FaultCode::Drift, format!("{} is damaged", program.path)));
        }
        let own = env!("CARGO_PKG_VERSION");
        if !request.downgrade && release::is_older(&program.version, own) != Some(false) {
            let text = format!("version {} is older than {own}, which runs", program.version);
            let remedy = "an older agent may not read what a newer one has stored; if it is wanted: --downgrade";
            return Err(Fault::new(FaultCode::Denied, text).remedy(remedy));
        }
        Ok(program)
    }

    async fn set_timer(&self, trial: &str, unit: &str, within: u32) -> Result<(), Fault> {
        let inner = &*self.0;
        let name = format!("--unit={}", timer(trial));
        let after = format!("--on-active={within}s");
        let how = [
            "--quiet",
            "--collect",
            &name,
            &after,
            "--timer-property=AccuracySec=200ms",
            "--description=Takes back a program of bellows-agent that was not confirmed",
            "--",
        ];
        // By the base: it is there whatever becomes of the others.
        let what = [
            inner.base.as_str(),
            "take-back",
            "--config",
            inner.local.config.path.as_str(),
            "--trial",
            trial,
            "--unit",
            unit,
        ];
        let call = Invocation::new(SYSTEMD_RUN, [&how[..], &what[..]].concat(), ASK);
        self.run(call, "set the timer that takes the program back").await.map(drop)
    }

    /// Not by us: what we start ends with us, and before that the answer goes out.
    async fn restart_soon(&self, trial: &str, unit: &str) -> Result<(), Fault> {
        let name = format!("--unit=bellows-agent-switch-{trial}");
        let words = [
            "--quiet",
            "--collect",
            &name,
            "--on-active=300ms",
            "--timer-property=AccuracySec=50ms",
            "--description=Starts a program of bellows-agent on trial",
            "--",
            SYSTEMCTL,
            "--no-block",
            "restart",
            unit,
        ];
        let call = Invocation::new(SYSTEMD_RUN, words, ASK);
        self.run(call, "have the agent restarted").await.map(drop)
    }

    fn begin(&self, trial: &ProgramTrial) -> Result<(), Fault> {
        let after = self.change(|record| match record.trial {
            Some(_) => record,
            None => ProgramRecord { trial: Some(trial.clone()), ..record },
        })?;
        match after.trial {
            Some(now) if now.id == trial.id => Ok(()),
            Some(_) | None => Err(Fault::new(FaultCode::Conflict, "another one came first")),
        }
    }

    fn change(
        &self,
        change: impl FnOnce(ProgramRecord) -> ProgramRecord,
    ) -> Result<ProgramRecord, Fault> {
        let inner = &*self.0;
        let host = inner.local.host.as_ref();
        let held = inner.folder.hold()?;
        let after = change(inner.folder.record(host)?);
        held.keep(host, &after)?;
        Ok(after)
    }
}

/// The unit of a trial's timer.
fn timer(trial: &str) -> String {
    format!("bellows-agent-trial-{trial}")
}

fn under_way(
    trial: ProgramTrial,
    request: &SwitchProgramRequest,
) -> Result<SwitchProgramReply, Fault> {
    if trial.id == request.trial {
        return Ok(SwitchProgramReply { trial: Some(trial) });
    }
    let version = trial.program.unwrap_or_default().version;
    let text = format!("another upgrade, to {version}, is under way on this host");
    Err(Fault::new(FaultCode::Conflict, text)
        .remedy("it ends by itself within a minute: then try again"))
}

/// How long the trial takes, seconds.
fn within(request: &SwitchProgramRequest) -> Result<u32, Fault> {
    let (least, usual, most) = WITHIN;
    // It becomes the name of a unit.
    if uuid::Uuid::parse_str(&request.trial).is_err() {
        return Err(Fault::new(FaultCode::Invalid, "the trial's id is no UUID"));
    }
    match request.within_s {
        0 => Ok(usual),
        wanted if (least..=most).contains(&wanted) => Ok(wanted),
        wanted => {
            let text = format!("a trial of {wanted} s is not from {least} to {most} s");
            Err(Fault::new(FaultCode::Invalid, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(trial: &str, within_s: u32) -> SwitchProgramRequest {
        SwitchProgramRequest { trial: trial.into(), within_s, ..SwitchProgramRequest::default() }
    }

    #[test]
    fn a_trial_has_an_id_and_an_end() {
        let id = "0198c0de-0000-7000-8000-000000000000";
        assert_eq!(within(&request(id, 0)).unwrap(), 40);
        assert_eq!(within(&request(id, 5)).unwrap(), 5);
        for (id, seconds) in [(id, 4), (id, 46), ("x", 0), ("../../x", 0)] {
            assert_eq!(within(&request(id, seconds)).unwrap_err().code(), FaultCode::Invalid);
        }
    }

    #[test]
    fn one_trial_at_a_time() {
        let trial = ProgramTrial { id: "a".into(), ..ProgramTrial::default() };
        assert!(under_way(trial.clone(), &request("a", 0)).is_ok());
        let refused = under_way(trial, &request("b", 0)).unwrap_err();
        assert_eq!(refused.code(), FaultCode::Conflict);
    }
}
