//! Which program is to run: pure, from the record and what was started.

use bellows_proto::{
    release,
    v1::{Program, ProgramOutcome, ProgramRecord, ProgramTrial},
};

/// What was started, and when.
pub(super) struct Now<'a> {
    pub version: &'a str,
    /// SHA-256 of what was started.
    pub digest: &'a [u8],
    pub boot_id: &'a str,
    pub now_ms: i64,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// What was started.
    Base,
    /// What is kept.
    Kept(Program),
    /// What is on trial.
    Trial(Program),
}

/// What is to run, and the record as it is to be before that runs. Only a start of the service (`serves`) is
/// one of a trial: whoever asks the program for something else meanwhile gets what is kept.
pub(super) fn choose(
    mut record: ProgramRecord,
    now: &Now<'_>,
    serves: bool,
) -> (ProgramRecord, Start) {
    if let Some(kept) = &record.kept
        && is_taken_over(kept, &record.base_digest, now)
    {
        record.kept = None;
        record.base_digest = Vec::new();
    }
    if serves && let Some(mut trial) = record.trial.take() {
        let over = if trial.boot_id != now.boot_id {
            Some("the host was booted while it was on trial")
        } else if trial.started {
            Some("it ended by itself before it was confirmed")
        } else {
            None
        };
        match over {
            Some(reason) => record = fell_back(record, trial, reason, now.now_ms),
            None => {
                trial.started = true;
                let program = trial.program.clone().unwrap_or_default();
                record.trial = Some(trial);
                return (record, Start::Trial(program));
            }
        }
    }
    let start = record.kept.clone().map_or(Start::Base, Start::Kept);
    (record, start)
}

/// The record once a trial has failed.
pub(super) fn fell_back(
    record: ProgramRecord,
    trial: ProgramTrial,
    reason: &str,
    at_ms: i64,
) -> ProgramRecord {
    let last = ProgramOutcome {
        trial: trial.id,
        program: trial.program,
        kept: false,
        reason: reason.to_owned(),
        at_ms,
        audited: false,
    };
    ProgramRecord { trial: None, last: Some(last), ..record }
}

/// The record once a trial was confirmed. `base`: SHA-256 of what the unit starts.
pub(super) fn confirmed(record: ProgramRecord, base: Vec<u8>, at_ms: i64) -> ProgramRecord {
    let Some(trial) = record.trial else { return record };
    let kept = trial.program.clone().filter(|program| program.digest != base);
    let last = ProgramOutcome {
        trial: trial.id,
        program: trial.program,
        kept: true,
        reason: String::new(),
        at_ms,
        audited: false,
    };
    let base_digest = if kept.is_some() { base } else { Vec::new() };
    ProgramRecord { kept, base_digest, trial: None, last: Some(last) }
}

/// Somebody has put another program in the place of the base since, and it is not older: a package.
fn is_taken_over(kept: &Program, noted: &[u8], now: &Now<'_>) -> bool {
    if now.digest == kept.digest {
        return true;
    }
    now.digest != noted && release::is_older(now.version, &kept.version) != Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &[u8] = b"base";

    fn program(version: &str, digest: &str) -> Program {
        let digest = digest.as_bytes().to_vec();
        Program { version: version.into(), digest, path: "/p".into() }
    }

    fn now<'a>(version: &'a str, digest: &'a [u8]) -> Now<'a> {
        Now { version, digest, boot_id: "boot", now_ms: 7 }
    }

    fn kept(version: &str) -> ProgramRecord {
        ProgramRecord {
            kept: Some(program(version, "kept")),
            base_digest: BASE.to_vec(),
            ..ProgramRecord::default()
        }
    }

    fn on_trial(before: ProgramRecord) -> ProgramRecord {
        let trial = ProgramTrial {
            id: "t".into(),
            program: Some(program("3.0.0", "new")),
            boot_id: "boot".into(),
            ..ProgramTrial::default()
        };
        ProgramRecord { trial: Some(trial), ..before }
    }

    #[test]
    fn without_a_record_what_was_started_runs() {
        let (record, start) = choose(ProgramRecord::default(), &now("1.0.0", BASE), true);
        assert_eq!((record, start), (ProgramRecord::default(), Start::Base));
    }

    #[test]
    fn what_is_kept_runs_until_a_package_takes_over() {
        let runs = |version: &str, digest: &[u8]| {
            matches!(choose(kept("2.0.0"), &now(version, digest), true).1, Start::Kept(_))
        };
        assert!(runs("1.0.0", BASE));
        // It was chosen although it is older: only another base changes that.
        assert!(runs("3.0.0", BASE));
        assert!(runs("1.5.0", b"another"));
        assert!(!runs("2.0.0", b"another"));
        assert!(!runs("2.1.0", b"another"));
        assert!(!runs("2.0.0", b"kept"), "the same program needs no second place");
        let (record, _) = choose(kept("2.0.0"), &now("2.1.0", b"another"), true);
        assert_eq!(record.kept, None, "for good");
    }

    #[test]
    fn a_trial_is_started_once_and_by_the_service_only() {
        let (record, start) = choose(on_trial(kept("2.0.0")), &now("1.0.0", BASE), false);
        assert_eq!(start, Start::Kept(program("2.0.0", "kept")));
        assert_eq!(record, on_trial(kept("2.0.0")));
        let (record, start) = choose(record, &now("1.0.0", BASE), true);
        assert_eq!(start, Start::Trial(program("3.0.0", "new")));
        let (record, start) = choose(record, &now("1.0.0", BASE), true);
        assert_eq!(start, Start::Kept(program("2.0.0", "kept")));
        let last = record.last.unwrap();
        assert!(!last.kept && last.reason.contains("ended by itself"), "{last:?}");
        assert_eq!(record.trial, None);
    }

    #[test]
    fn a_trial_does_not_outlive_a_boot() {
        let later = Now { boot_id: "next", ..now("1.0.0", BASE) };
        let (record, start) = choose(on_trial(ProgramRecord::default()), &later, true);
        assert_eq!((start, record.trial), (Start::Base, None));
        assert!(record.last.unwrap().reason.contains("booted"));
    }

    #[test]
    fn what_was_confirmed_is_kept() {
        let record = confirmed(on_trial(kept("2.0.0")), BASE.to_vec(), 9);
        assert_eq!(record.kept, Some(program("3.0.0", "new")));
        assert!(record.last.as_ref().unwrap().kept && record.trial.is_none());
        let (_, start) = choose(record, &now("1.0.0", BASE), true);
        assert_eq!(start, Start::Kept(program("3.0.0", "new")));
        // Back to the base itself.
        let record = confirmed(on_trial(kept("2.0.0")), b"new".to_vec(), 9);
        assert_eq!((record.kept, record.base_digest), (None, Vec::new()));
    }
}
