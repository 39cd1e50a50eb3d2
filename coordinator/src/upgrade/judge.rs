//! What a host gets, from what its agent says: pure.

use bellows_proto::{
    release,
    v1::{Fault, FaultCode, PlannedUpgrade, Program, ProgramState},
};

use super::Targets;

/// What a host gets, or why it gets nothing. Its ring is not known yet.
pub(super) fn judge(
    host: &str,
    seen: Result<ProgramState, Fault>,
    running_jobs: u32,
    targets: &Targets,
    downgrade: bool,
) -> PlannedUpgrade {
    let named = PlannedUpgrade { host: host.to_owned(), ..PlannedUpgrade::default() };
    let state = match seen {
        Ok(state) => state,
        Err(fault) => return PlannedUpgrade { skipped: Some(fault.at(host)), ..named },
    };
    let running = state.running.clone().unwrap_or_default();
    let looked = PlannedUpgrade { running: state.running.clone(), running_jobs, ..named };
    match wanted(&state, &running, targets, downgrade) {
        Ok(Some(to)) => PlannedUpgrade { to: Some(to), ..looked },
        Ok(None) => PlannedUpgrade { there_already: true, ..looked },
        Err(fault) => PlannedUpgrade { skipped: Some(fault.at(host)), ..looked },
    }
}

/// `None`: it runs what it would get.
fn wanted(
    state: &ProgramState,
    running: &Program,
    targets: &Targets,
    downgrade: bool,
) -> Result<Option<Program>, Fault> {
    let denied =
        |text: String, remedy: &str| Err(Fault::new(FaultCode::Denied, text).remedy(remedy));
    if let Some(trial) = &state.trial {
        let version = trial.program.as_ref().map(|one| one.version.as_str()).unwrap_or_default();
        let text = format!("another upgrade, to {version}, is under way there");
        return Err(Fault::new(FaultCode::Conflict, text)
            .remedy("it ends by itself within a minute: then try again"));
    }
    let Some(target) = targets.get(&state.architecture) else {
        let known: Vec<&str> = targets.keys().map(String::as_str).collect();
        let text = format!(
            "it is {}, and the coordinator has agents for {} only",
            state.architecture,
            known.join(" ")
        );
        return denied(text, "install the bundle for that architecture with install.sh --agents");
    };
    let to = &target.program;
    if running.digest == to.digest {
        return Ok(None);
    }
    if !state.refusal.is_empty() {
        return denied(state.refusal.clone(), &state.refusal_remedy);
    }
    if !downgrade && release::is_older(&to.version, &running.version) != Some(false) {
        let text = format!("it runs {}, which is newer than {}", running.version, to.version);
        let remedy = "upgrade the coordinator first; if an older agent is wanted: --downgrade";
        return denied(text, remedy);
    }
    Ok(Some(to.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::Target;

    fn program(version: &str, digest: u8) -> Program {
        Program { version: version.into(), digest: vec![digest; 32], path: String::new() }
    }

    fn targets() -> Targets {
        let target = Target { program: program("0.2.0", 2), bytes: (*b"new").into() };
        [("x86_64".to_owned(), target)].into()
    }

    fn state(version: &str, digest: u8) -> ProgramState {
        ProgramState {
            running: Some(program(version, digest)),
            architecture: "x86_64".into(),
            ..ProgramState::default()
        }
    }

    fn skipped(state: ProgramState, downgrade: bool) -> String {
        let judged = judge("h1", Ok(state), 0, &targets(), downgrade);
        assert!(judged.to.is_none() && !judged.there_already, "{judged:?}");
        let fault = judged.skipped.unwrap();
        assert!(!fault.remedy.is_empty() && fault.host == "h1", "{fault:?}");
        fault.message
    }

    #[test]
    fn an_older_one_and_another_build_of_the_same_version_are_replaced() {
        for (version, digest) in [("0.1.0", 1), ("0.2.0", 1)] {
            let judged = judge("h1", Ok(state(version, digest)), 3, &targets(), false);
            assert_eq!(judged.to, Some(program("0.2.0", 2)));
            assert_eq!((judged.running_jobs, judged.skipped), (3, None));
        }
        let same = judge("h1", Ok(state("0.2.0", 2)), 0, &targets(), false);
        assert!(same.there_already && same.to.is_none());
    }

    #[test]
    fn what_stands_against_it_is_named() {
        assert!(skipped(state("0.3.0", 1), false).contains("newer"));
        let back = judge("h1", Ok(state("0.3.0", 1)), 0, &targets(), true);
        assert_eq!(back.to, Some(program("0.2.0", 2)));
        let refusing = ProgramState {
            refusal: "no systemd".into(),
            refusal_remedy: "by its package".into(),
            ..state("0.1.0", 1)
        };
        assert_eq!(skipped(refusing, false), "no systemd");
        let other = ProgramState { architecture: "aarch64".into(), ..state("0.1.0", 1) };
        assert!(skipped(other, false).contains("it is aarch64"));
        let trial = Some(bellows_proto::v1::ProgramTrial::default());
        assert!(skipped(ProgramState { trial, ..state("0.1.0", 1) }, false).contains("under way"));
        let away = Fault::new(FaultCode::Unreachable, "away");
        let judged = judge("h1", Err(away), 0, &targets(), false);
        assert_eq!(judged.skipped.unwrap().message, "away");
    }
}
