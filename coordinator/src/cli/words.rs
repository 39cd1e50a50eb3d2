//! The words of enums and names, from the messages themselves: no system is named here. Pure.

use bellows_proto::v1::{
    ControlKind, HoldCause, JobState, NoteKind, OperationSummary, Outcome, Plan, System,
};

/// "SYSTEM_POSTGRESQL" becomes "postgresql".
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', " ")
}

/// A system's name as the command line takes and shows it.
pub fn system(system: System) -> String {
    word(system.as_str_name(), "SYSTEM_")
}

/// The system of a name.
///
/// # Errors
/// Says which systems there are.
pub fn parse_system(text: &str) -> Result<System, String> {
    let known = System::from_str_name(&format!("SYSTEM_{}", text.to_uppercase()))
        .filter(|found| *found != System::Unspecified);
    known.ok_or_else(|| format!("no such system; there are: {}", systems().join(", ")))
}

/// The names of all systems. Numbers of systems are below 1000.
pub fn systems() -> Vec<String> {
    (1..1000).filter_map(|number| System::try_from(number).ok()).map(system).collect()
}

/// What a plan is for, e.g. "expand"; "change" where this version does not know it.
pub fn verb(plan: &Plan) -> &'static str {
    plan.word().unwrap_or("change")
}

/// "done", "undone", ...
pub fn outcome(outcome: Outcome) -> String {
    word(outcome.as_str_name(), "OUTCOME_")
}

/// "failed", "stalled", ...
pub fn cause(cause: HoldCause) -> String {
    word(cause.as_str_name(), "HOLD_CAUSE_")
}

/// "risk", "impact", ...
pub fn note(kind: NoteKind) -> String {
    word(kind.as_str_name(), "NOTE_KIND_")
}

/// "running", "succeeded", ...
pub fn job_state(state: JobState) -> String {
    word(state.as_str_name(), "JOB_STATE_")
}

/// "pause", "cancel", ...
pub fn control(kind: ControlKind) -> String {
    word(kind.as_str_name(), "CONTROL_KIND_")
}

/// An operation's state with the cause of a hold: "held (stalled)".
pub fn state(summary: &OperationSummary) -> String {
    if summary.state == "held" && !summary.damage.is_empty() {
        return "held (damaged record)".to_owned();
    }
    let held = summary.hold_cause();
    if held == HoldCause::Unspecified {
        return summary.state.clone();
    }
    format!("{} ({})", summary.state, cause(held))
}

/// "1 step", "2 steps".
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_have_names_both_ways() {
        assert_eq!(systems().first().map(String::as_str), Some("postgresql"));
        for name in systems() {
            assert_eq!(parse_system(&name).map(system), Ok(name));
        }
        assert!(parse_system("unspecified").is_err());
        assert!(parse_system("oracle").is_err_and(|e| e.contains("postgresql")));
    }

    #[test]
    fn words_are_those_of_the_design() {
        assert_eq!(outcome(Outcome::Undone), "undone");
        assert_eq!(cause(HoldCause::Decision), "decision");
        assert_eq!(count(1, "step"), "1 step");
    }
}
