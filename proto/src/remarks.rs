//! What an administrator says of an operation: text becomes one of these newtypes at the edge and is
//! never checked again.

use std::{fmt, str::FromStr};

use crate::v1::{AcceptedGuard, Remarks};

/// Why a text is no ticket or note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRemark {
    /// There is nothing in it.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// More characters than are kept.
    #[error("the {what} has {seen} characters, at most {most} are kept")]
    TooLong {
        /// "ticket", "note" or "reason".
        what: &'static str,
        /// Characters seen.
        seen: usize,
        /// Characters kept.
        most: usize,
    },
    /// A line end, an escape, or a character that hides or reorders others.
    #[error(
        "the {what} has a control character: {shown} at position {at}; one line of plain text is kept"
    )]
    Control {
        /// "ticket", "note" or "reason".
        what: &'static str,
        /// The character as an escape.
        shown: String,
        /// Where, from 1, in characters.
        at: usize,
    },
}

/// Characters that reorder or hide what stands beside them.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn checked(what: &'static str, text: &str, most: usize) -> Result<(), InvalidRemark> {
    if text.trim().is_empty() {
        return Err(InvalidRemark::Empty(what));
    }
    let seen = text.chars().count();
    if seen > most {
        return Err(InvalidRemark::TooLong { what, seen, most });
    }
    match text.chars().zip(1..).find(|(c, _)| c.is_control() || is_invisible(*c)) {
        Some((c, at)) => {
            Err(InvalidRemark::Control { what, shown: c.escape_unicode().to_string(), at })
        }
        None => Ok(()),
    }
}

macro_rules! remark {
    ($(#[$doc:meta])* $type:ident, $what:literal, $most:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $type(String);

        impl FromStr for $type {
            type Err = InvalidRemark;

            fn from_str(text: &str) -> Result<Self, InvalidRemark> {
                checked($what, text, $most).map(|()| Self(text.trim().to_owned()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

remark!(
    /// The number of a change request, as the site's own change management has it.
    Ticket,
    "ticket",
    64
);
remark!(
    /// One line about an operation.
    Note,
    "note",
    500
);

remark!(
    /// Why a guard that says no is accepted.
    Reason,
    "reason",
    500
);

/// The longest number of a guard, e.g. `PG-50`.
const LONGEST_CODE: usize = 12;

/// A guard's number and why its no is accepted.
///
/// # Errors
/// If it is no number of a guard, or the reason is none.
pub fn accepted(code: &str, reason: &str) -> Result<AcceptedGuard, String> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    if code.is_empty() || code.len() > LONGEST_CODE || !code.chars().all(plain) {
        let shown: String = code.escape_debug().take(40).collect();
        return Err(format!("\"{shown}\" is no number of a guard such as PG-50"));
    }
    let reason: Reason = reason.parse().map_err(|e| format!("{code} is accepted: {e}"))?;
    Ok(AcceptedGuard { code: code.to_owned(), reason: reason.to_string() })
}

/// What is wrong with remarks that came over the wire; what is not set is not wrong.
pub fn mistakes(remarks: &Remarks) -> Vec<String> {
    let said = |text: &str| !text.is_empty();
    let ticket = said(&remarks.ticket).then(|| remarks.ticket.parse::<Ticket>().err()).flatten();
    let note = said(&remarks.note).then(|| remarks.note.parse::<Note>().err()).flatten();
    ticket.into_iter().chain(note).map(|error| error.to_string()).collect()
}

/// Remarks in one line: `CHG-4711: add a standby`; empty where nothing was said.
pub fn line(remarks: &Remarks) -> String {
    match (remarks.ticket.as_str(), remarks.note.as_str()) {
        ("", note) => note.to_owned(),
        (ticket, "") => ticket.to_owned(),
        (ticket, note) => format!("{ticket}: {note}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bounded_line_of_text_is_kept() {
        assert_eq!(" CHG-1 ".parse::<Ticket>().map(|t| t.to_string()), Ok("CHG-1".to_owned()));
        assert_eq!("变更 7".parse::<Note>().map(|t| t.to_string()), Ok("变更 7".to_owned()));
        assert_eq!("  ".parse::<Ticket>(), Err(InvalidRemark::Empty("ticket")));
        let long = "x".repeat(65);
        let error = InvalidRemark::TooLong { what: "ticket", seen: 65, most: 64 };
        assert_eq!(long.parse::<Ticket>(), Err(error));
        for bad in ["a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\u{2028}b", "\u{7f}"] {
            let error = bad.parse::<Note>().map_err(|e| matches!(e, InvalidRemark::Control { .. }));
            assert_eq!(error, Err(true), "{bad:?}");
        }
        let both = Remarks { ticket: "a\tb".into(), note: "y".repeat(501) };
        assert_eq!(mistakes(&both).len(), 2, "{:?}", mistakes(&both));
        assert!(mistakes(&Remarks::default()).is_empty());
    }

    #[test]
    fn who_accepts_a_guard_says_which_and_why() {
        let good = AcceptedGuard { code: "PG-50".into(), reason: "they move tonight".into() };
        assert_eq!(accepted("PG-50", " they move tonight "), Ok(good));
        for (code, reason) in
            [("", "x"), ("pg-50", "x"), ("PG-50 ", "x"), ("PG-50", " "), ("PG-50", "a\nb")]
        {
            assert!(accepted(code, reason).is_err(), "{code:?} {reason:?}");
        }
        assert!(accepted("PG-50", &"x".repeat(501)).is_err());
    }

    #[test]
    fn remarks_are_one_line() {
        let both = Remarks { ticket: "CHG-1".into(), note: "why".into() };
        assert_eq!(line(&both), "CHG-1: why");
        assert_eq!(line(&Remarks { note: String::new(), ..both.clone() }), "CHG-1");
        assert_eq!(line(&Remarks { ticket: String::new(), ..both }), "why");
    }
}
