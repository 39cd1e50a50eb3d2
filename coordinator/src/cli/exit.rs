//! How a command ends: the exit statuses that scripts rely on, and errors that say what was
//! wrong, what Bellows saw and what to do.

use bellows_proto::{
    fault,
    v1::{Fault, FaultCode},
};
use tonic::{Code, Status};

use super::page::{Page, Tone};
use crate::site::SiteError;

/// Shown below every `--help`.
pub const STATUSES: &str = "Exit status:
  0  it rests as asked (or the reading was made)
  1  failed before the first act: nothing was changed
  2  bad usage: an argument, an option or a file is not valid
  3  the operation is held and waits for a decision
  4  the coordinator cannot be reached
  5  refused by a guard or a lock: nothing was changed
  6  undone, cancelled or abandoned otherwise
  130  the view was left (Ctrl-C, output closed); the operation goes on";

/// Shown below `bellows audit verify --help`: what it has besides.
pub const VERIFY_STATUSES: &str = "Exit status:
  0  every log is whole and they fit each other
  1  failed
  2  bad usage: an argument or an option is not valid
  4  the coordinator cannot be reached
  7  damage: a record was changed, removed or added
  8  not verified: a log could not be read, e.g. because its host does not answer";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    AsAsked,
    /// Failed before the first act.
    BeforeFirstAct,
    /// Bad usage.
    Usage,
    /// Held.
    Held,
    /// The coordinator is unreachable.
    Unreachable,
    /// Refused by a guard or lock.
    Refused,
    /// Undone, cancelled or abandoned otherwise.
    Otherwise,
    /// The audit log is damaged.
    Damaged,
    /// Not every part of the audit log could be read.
    NotVerified,
    /// The view was left; the operation goes on.
    ViewLeft,
}

impl Exit {
    /// The number for the shell.
    pub fn code(self) -> u8 {
        match self {
            Self::AsAsked => 0,
            Self::BeforeFirstAct => 1,
            Self::Usage => 2,
            Self::Held => 3,
            Self::Unreachable => 4,
            Self::Refused => 5,
            Self::Otherwise => 6,
            Self::Damaged => 7,
            Self::NotVerified => 8,
            Self::ViewLeft => 130,
        }
    }
}

/// Why a command did not come to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// Something was wrong.
    Told(Box<Told>),
    /// The reader of our output has gone: no error.
    ClosedPipe,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// How the command ends.
    pub exit: Exit,
    /// What was wrong, what was seen (command and output of a tool too), what to do.
    pub fault: Fault,
}

impl Failure {
    /// An error of our own making.
    pub fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let fault = Fault::new(FaultCode::Internal, what).remedy(remedy);
        Self::Told(Box::new(Told { exit, fault }))
    }

    /// Something in the arguments.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, remedy)
    }

    /// A file of the administrator's cannot be used.
    pub fn file(path: &str, doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self::usage(
            format!("{path} cannot be {doing}: {error}"),
            "check the path, its permissions and its content",
        )
    }

    /// A site's folder cannot be made or read.
    pub fn site(error: &SiteError) -> Self {
        Self::usage(fault::chain(error), "check --site and the files there")
    }

    /// A refused or broken call. `target`: what was dialled, for people.
    pub fn call(status: &Status, target: &str) -> Self {
        let carried = !status.details().is_empty();
        let mut seen = fault::from_status(status, "");
        if !carried {
            return Self::uncarried(status, seen, target);
        }
        let exit = match seen.code() {
            FaultCode::Invalid | FaultCode::NotFound => Exit::Usage,
            FaultCode::Fenced
            | FaultCode::Conflict
            | FaultCode::StaleTerm
            | FaultCode::Denied
            | FaultCode::NotClaimed
            | FaultCode::Drift => Exit::Refused,
            FaultCode::Unspecified
            | FaultCode::Unreachable
            | FaultCode::Deadline
            | FaultCode::ToolMissing
            | FaultCode::ToolFailed
            | FaultCode::Unreadable
            | FaultCode::Cancelled
            | FaultCode::Lost
            | FaultCode::Secret
            | FaultCode::Io
            | FaultCode::Internal
            | FaultCode::Surveying => Exit::BeforeFirstAct,
        };
        if seen.remedy.is_empty() {
            seen.remedy = "look at the coordinator's log".to_owned();
        }
        Self::Told(Box::new(Told { exit, fault: seen }))
    }

    /// The coordinator itself did not say this: the way to it is broken, or it is another version.
    fn uncarried(status: &Status, seen: Fault, target: &str) -> Self {
        match status.code() {
            Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded => {
                Self::new(
                    Exit::Unreachable,
                    format!("the coordinator at {target} cannot be reached: {}", broken(status)),
                    "is `bellows serve` running there, and are the socket, address and identity right?",
                )
            }
            Code::Unimplemented => Self::new(
                Exit::Usage,
                "the coordinator does not know this call",
                "bring command line and coordinator to the same version",
            ),
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => {
                Self::new(Exit::BeforeFirstAct, seen.message, "look at the coordinator's log")
            }
        }
    }

    /// The same with other advice.
    #[must_use]
    pub fn advise(mut self, remedy: &str) -> Self {
        if let Self::Told(told) = &mut self {
            remedy.clone_into(&mut told.fault.remedy);
        }
        self
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Told(told) => told.exit,
            Self::ClosedPipe => Exit::AsAsked,
        }
    }

    /// The way to the coordinator is broken: worth another try while watching.
    pub fn is_unreachable(&self) -> bool {
        self.exit() == Exit::Unreachable
    }

    /// What is told on standard error.
    pub fn show(&self, page: &mut Page) {
        let Self::Told(told) = self else { return };
        page.spans(&[
            (Tone::Bad, "error: "),
            (Tone::Plain, &super::render::fault::one_line(&told.fault)),
        ]);
        let rest = Fault { message: String::new(), host: String::new(), ..told.fault.clone() };
        super::render::fault::details(page, "", &rest);
    }
}

/// What tonic says of everything that breaks below it.
const NO_NEWS: &str = "transport error";

/// Why the way is broken, in the words of the innermost cause that has some.
fn broken(status: &Status) -> String {
    let mut causes = vec![status.message().to_owned()];
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        causes.push(error.to_string());
        source = error.source();
    }
    causes.into_iter().rfind(|text| text != NO_NEWS && !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;

    fn shown(failure: &Failure) -> String {
        let mut page = Page::new(&Look::plain());
        failure.show(&mut page);
        page.into_text()
    }

    #[test]
    fn an_agent_that_is_away_is_not_a_coordinator_that_is_away() {
        let of_agent =
            Fault::new(FaultCode::Unreachable, "the call failed").at("h1").remedy("look");
        let failure = Failure::call(&fault::to_status(&of_agent), "x");
        assert_eq!(failure.exit(), Exit::BeforeFirstAct);
        assert_eq!(shown(&failure), "error: h1: the call failed\n  do: look\n");
        let failure = Failure::call(&Status::unavailable("refused"), "/run/x.sock");
        assert_eq!(failure.exit(), Exit::Unreachable);
        assert!(shown(&failure).contains("/run/x.sock"));
    }

    #[test]
    fn refused_invalid_and_not_found_are_told_apart() {
        for (code, exit) in [
            (FaultCode::Fenced, Exit::Refused),
            (FaultCode::StaleTerm, Exit::Refused),
            (FaultCode::Denied, Exit::Refused),
            (FaultCode::Invalid, Exit::Usage),
            (FaultCode::NotFound, Exit::Usage),
            (FaultCode::Io, Exit::BeforeFirstAct),
        ] {
            let failure = Failure::call(&fault::to_status(&Fault::new(code, "no")), "x");
            assert_eq!(failure.exit(), exit, "{code:?}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_help() {
        for exit in [
            Exit::AsAsked,
            Exit::BeforeFirstAct,
            Exit::Usage,
            Exit::Held,
            Exit::Unreachable,
            Exit::Refused,
            Exit::Otherwise,
            Exit::ViewLeft,
        ] {
            assert!(STATUSES.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
        for exit in [Exit::Damaged, Exit::NotVerified] {
            assert!(VERIFY_STATUSES.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
    }
}
