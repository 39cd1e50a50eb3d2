//! What the codes and words mean that Bellows shows: numbered guards, causes of holds, outcomes,
//! faults. Pure, and needs no coordinator: they are looked up when something is wrong.

use bellows_proto::v1::{Explanation, FaultCode, HoldCause, Outcome};

use crate::{bootstrap::rules, plan, systems};

/// Numbers of enums are below this.
const NUMBERS: std::ops::Range<i32> = 1..1000;

/// All that can be explained: guards by their numbers, then causes, outcomes and faults.
pub fn all() -> Vec<Explanation> {
    let mut all = systems::explanations();
    all.push(plan::window_explained());
    all.extend(rules::explanations());
    all.extend(NUMBERS.filter_map(|number| HoldCause::try_from(number).ok()).filter_map(cause));
    all.extend(NUMBERS.filter_map(|number| Outcome::try_from(number).ok()).filter_map(outcome));
    all.extend(NUMBERS.filter_map(|number| FaultCode::try_from(number).ok()).filter_map(fault));
    all
}

/// The explanations of a code; case, '-' and '_' do not matter. A word may be both a cause and a
/// fault ("unknown" is a cause, "CANCELLED" an outcome and a fault). Empty: there is no such code.
pub fn find(code: &str) -> Vec<Explanation> {
    let wanted = plain(code);
    all().into_iter().filter(|known| plain(&known.code) == wanted).collect()
}

fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn explanation(code: &str, name: &str, text: &str, remedy: &str) -> Option<Explanation> {
    Some(Explanation {
        code: code.to_owned(),
        name: name.to_owned(),
        text: text.to_owned(),
        remedy: remedy.to_owned(),
    })
}

/// A cause of a hold, as `bellows op show` writes it: "held (stalled)".
fn cause(cause: HoldCause) -> Option<Explanation> {
    match cause {
        HoldCause::Unspecified => None,
        HoldCause::Failed => explanation(
            "failed",
            "held: a step failed",
            "An act was tried, and the system shows that it is not done. Nothing is taken back by \
             itself, and nothing goes on: what was seen is kept as evidence.",
            "see bellows op show ID, mend the cause, then bellows op retry ID; or bellows op undo ID",
        ),
        HoldCause::Stalled => explanation(
            "stalled",
            "held: a wait does not move",
            "A reading has not come nearer to its goal for its stall time, or a host does not \
             answer. Reading goes on, and the operation resumes by itself when it moves.",
            "mend what bellows op show ID names; nothing else is needed",
        ),
        HoldCause::Unknown => explanation(
            "unknown",
            "held: nobody can tell",
            "Whether an act is done could not be read. While that is so, going back is blocked: \
             an undo of what nobody knows may destroy data.",
            "make the host or the server answer, then bellows op retry ID looks again",
        ),
        HoldCause::Drift => explanation(
            "drift",
            "held: the cluster is not as it was planned for",
            "Somebody or something changed it meanwhile (a failover, another member, another \
             version), or the end is not what the plan predicted.",
            "see what differs in bellows op show ID; put it right, then bellows op retry ID; or bellows op \
             replan ID: takes back what it did and plans the same anew",
        ),
        HoldCause::Paused => explanation(
            "paused",
            "held: an administrator asked for it",
            "It stands between two steps and keeps its locks.",
            "bellows op resume ID, or bellows op cancel ID",
        ),
        HoldCause::Decision => explanation(
            "decision",
            "held: only an administrator can decide",
            "The store lost or may have lost something, or hosts have jobs that the journal does \
             not know: Bellows does not conclude anything from an old picture.",
            "read the evidence in bellows op show ID; then bellows op retry ID or bellows op abandon ID",
        ),
    }
}

/// How an operation rests when it is over.
fn outcome(outcome: Outcome) -> Option<Explanation> {
    match outcome {
        Outcome::Unspecified => None,
        Outcome::Done => explanation(
            "done",
            "over: as planned",
            "Every step was proven by a reading, and the end is what the plan predicted.",
            "",
        ),
        Outcome::Undone => explanation(
            "undone",
            "over: taken back",
            "What had begun was taken back, step by step, after a failure; or it failed before its \
             first act.",
            "see why in bellows op show ID, mend it, then bellows op replan ID",
        ),
        Outcome::Cancelled => explanation(
            "cancelled",
            "over: taken back because an administrator asked",
            "What had begun was taken back, step by step.",
            "",
        ),
        Outcome::Abandoned => explanation(
            "abandoned",
            "over: given up where it stood",
            "Its locks are free, its jobs ended, and nothing was taken back.",
            "clear up by hand what bellows op show ID lists as left",
        ),
    }
}

/// What kind of trouble a call or a job had.
fn fault(code: FaultCode) -> Option<Explanation> {
    let (name, text, remedy) = match code {
        FaultCode::Unspecified => return None,
        FaultCode::Unreachable => (
            "the host's agent does not answer",
            "The network, the host or the agent is away. It is asked again; no answer never counts \
             as an answer.",
            "systemctl status bellows-agent on the host; see bellows host show HOST",
        ),
        FaultCode::Deadline => (
            "it did not end in time",
            "A call or a tool took longer than its deadline; a tool was ended with all it started.",
            "see the tool's output: bellows op logs ID",
        ),
        FaultCode::Invalid => (
            "the request is not valid",
            "Nothing was done.",
            "correct it; if Bellows itself made it, report a bug",
        ),
        FaultCode::Denied => (
            "not allowed",
            "The caller's role, or the host's own agent.toml, does not allow it. The host has the \
             last word.",
            "use another identity, or have the host's administrator change agent.toml",
        ),
        FaultCode::Fenced => (
            "another operation holds the member",
            "Agents obey one operation per cluster at a time.",
            "see bellows op list and bellows job list",
        ),
        FaultCode::Conflict => (
            "the same key with another content, or something that is over",
            "A job is started once, as it was asked for first; what was closed never comes back.",
            "report a bug, unless two coordinators ran",
        ),
        FaultCode::ToolMissing => (
            "the tool is not there or cannot be started",
            "It was looked for where agent.toml or the package has it.",
            "install the package, or correct its path in agent.toml",
        ),
        FaultCode::ToolFailed => (
            "the tool ran and failed",
            "Its exit status, command and the end of its output are with the fault.",
            "bellows op logs ID shows all of its output",
        ),
        FaultCode::Unreadable => (
            "the tool's output could not be read",
            "It was not what this version of the tool prints. Nothing is guessed.",
            "see the raw text with the fault; a wrapper or a new version of the tool may be the reason",
        ),
        FaultCode::Drift => (
            "something is not as it was left",
            "Somebody else changed a file, a resource or a state that Bellows had written.",
            "take the change back, or move it into the cluster's options",
        ),
        FaultCode::NotClaimed => (
            "the resource is not claimed, or claimed by another",
            "Only what an operation claimed before it made it is ever removed by it.",
            "see bellows op list for the operation that has it",
        ),
        FaultCode::Cancelled => (
            "cancelled by request",
            "The tool was ended with all it started; what it left is probed, then taken back.",
            "",
        ),
        FaultCode::Lost => (
            "neither an exit record nor a live process is left",
            "The host lost power, or somebody killed the job. What it did is read from the system.",
            "see bellows op show ID for what was found, then bellows op retry ID",
        ),
        FaultCode::Secret => (
            "a secret is not there, not readable or wrong",
            "The administrator places secrets on each host; they never travel.",
            "place the file that the fault names, for the user that it names",
        ),
        FaultCode::Io => (
            "a file, disk or system call failed on the host",
            "For example: the disk is full.",
            "mend what the fault names on the host, then bellows op retry ID",
        ),
        FaultCode::NotFound => (
            "not known here",
            "There is no such thing.",
            "see the lists: bellows op list, bellows host list, bellows cluster list",
        ),
        FaultCode::Internal => (
            "a bug in Bellows",
            "Something happened that should not.",
            "report it, with the log of that host",
        ),
        FaultCode::StaleTerm => (
            "this coordinator is stale",
            "An agent has obeyed a later term: another coordinator leads, or this store is a copy \
             or an old one. It changes nothing from then on.",
            "see bellows status; make sure that one coordinator runs, then start that one with --take-over",
        ),
        FaultCode::Surveying => (
            "a survey is under way, or not due yet",
            "What takes long to read (a tool that starts a Java machine, a list of all ledgers) is read on its host by a survey: one at a \
             time, and the same one again only after ten times as long as the last one took. An operation that needs it waits.",
            "ask again later",
        ),
    };
    let code = code.as_str_name();
    explanation(code.strip_prefix("FAULT_CODE_").unwrap_or(code), name, text, remedy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_explained_once_and_says_something() {
        let all = all();
        for known in &all {
            assert!(!known.name.is_empty() && !known.text.is_empty(), "{known:?}");
        }
        let codes: BTreeSet<_> = all.iter().map(|known| &known.code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(codes.contains(&"PG-31".to_owned()) && codes.contains(&"STALE_TERM".to_owned()));
    }

    #[test]
    fn a_code_is_found_as_people_type_it() {
        let codes = |text: &str| find(text).into_iter().map(|e| e.code).collect::<Vec<_>>();
        assert_eq!(codes("pg-13"), ["PG-13"]);
        assert_eq!(codes("PG13"), ["PG-13"]);
        assert_eq!(codes("stale-term"), ["STALE_TERM"]);
        assert_eq!(codes("cancelled"), ["cancelled", "CANCELLED"]);
        assert_eq!(codes("PG-99"), [""; 0]);
        assert_eq!(codes(""), [""; 0]);
    }
}
