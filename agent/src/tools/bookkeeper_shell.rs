//! `bookkeeper shell` of Apache BookKeeper: words out, what it says in. Only those of its commands that change something, and
//! `cookie_get`.
//!
//! Versions: 4.17 prints whole sentences by its logger; 4.18 prints constant ones with the values beside them (`%X` of the log
//! pattern). The log pattern is ours: `LEVEL|Class|message {values}`; the cookie commands print without it.
//!
//! Traps, each seen on 4.17.3: `recover -l` with a number that it cannot read recovers every ledger, so it gets numbers alone;
//! without `-f` it asks for ever at the end of its input; `Recovered ledger N.` is no progress, and its status 0 no proof;
//! without `-sku` the first ledger that fails ends the run for all that come after it. `decommissionbookie` never ends while a ledger cannot be
//! replicated, and ending it does no harm. The second `cookie_delete` has status 255.
//!
//! Must not know plans, claims or files.

use std::{fmt, net::SocketAddr, num::NonZeroU64};

use bellows_proto::v1::{Fault, FaultCode};
use camino::Utf8Path;

use crate::{exec::Finished, facilities::fault};

/// "ADDRESS:PORT": what a bookie is called in its cluster. No option, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookieId(SocketAddr);

impl BookieId {
    /// Reads it.
    ///
    /// # Errors
    /// `INVALID` if it is no ADDRESS:PORT.
    pub fn new(text: &str) -> Result<Self, Fault> {
        let found: Option<SocketAddr> = text.parse().ok();
        found.filter(|found| found.port() != 0 && found.to_string() == text).map(Self).ok_or_else(
            || {
                let shown: String = text.chars().take(120).collect();
                let message = format!("{shown:?} is no id of a bookie of the form ADDRESS:PORT");
                Fault::new(FaultCode::Invalid, message)
            },
        )
    }
}

impl fmt::Display for BookieId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Copies all ledgers of a bookie to others, all at once: with a rate they are whole at about the same time, near the end. Those
/// that cannot be copied are passed over, so that they keep up no other. `rate`: bytes per second.
pub fn recover(bookie: &BookieId, rate: Option<NonZeroU64>) -> Vec<String> {
    recover_words(&["-sku".to_owned()], bookie, rate)
}

/// Copies one ledger.
pub fn recover_one(bookie: &BookieId, ledger: u64, rate: Option<NonZeroU64>) -> Vec<String> {
    recover_words(&["-l".to_owned(), ledger.to_string()], bookie, rate)
}

fn recover_words(which: &[String], bookie: &BookieId, rate: Option<NonZeroU64>) -> Vec<String> {
    let mut words = vec!["recover".to_owned(), "-f".to_owned()];
    words.extend_from_slice(which);
    if let Some(rate) = rate {
        // The shell reads it as an int.
        let rate = rate.get().min(i32::MAX.unsigned_abs().into());
        words.extend(["-rate".to_owned(), rate.to_string()]);
    }
    words.push(bookie.to_string());
    words
}

/// Says for one ledger what [`recover`] would do, and does nothing.
pub fn recover_dry_run(bookie: &BookieId, ledger: u64) -> Vec<String> {
    let mut words: Vec<String> = ["recover", "-f", "-dr", "-l"].map(Into::into).into();
    words.extend([ledger.to_string(), bookie.to_string()]);
    words
}

/// Waits until autorecovery has copied all ledgers of a stopped bookie, then deletes its cookie.
pub fn decommission(bookie: &BookieId) -> Vec<String> {
    vec!["decommissionbookie".to_owned(), "-bookieid".to_owned(), bookie.to_string()]
}

/// Prints a bookie's cookie.
pub fn cookie_get(bookie: &BookieId) -> Vec<String> {
    vec!["cookie_get".to_owned(), bookie.to_string()]
}

/// Deletes a bookie's cookie.
pub fn cookie_delete(bookie: &BookieId) -> Vec<String> {
    vec!["cookie_delete".to_owned(), bookie.to_string()]
}

/// Makes a bookie's cookie out of a file.
pub fn cookie_create(bookie: &BookieId, file: &Utf8Path) -> Vec<String> {
    vec!["cookie_create".to_owned(), "-cf".to_owned(), file.to_string(), bookie.to_string()]
}

/// What `cookie_get` said: the cookie; `None`: there is none.
///
/// # Errors
/// A sentence, for whatever else it said: nothing is concluded from that.
pub fn parse_cookie_get(
    status: Option<i32>,
    stdout: &[u8],
    stderr: &[u8],
) -> Result<Option<String>, String> {
    let text = std::str::from_utf8(stdout).map_err(|_| "it is no UTF-8".to_owned())?;
    match status {
        Some(0) => {
            let (_, rest) = text
                .split_once("Cookie for bookie '")
                .and_then(|(_, rest)| rest.split_once("' is:\n---\n"))
                .ok_or("there is no line \"Cookie for bookie\"")?;
            // It prints a line break of its own after the cookie.
            let cookie = rest.rsplit_once("\n---").map(|(cookie, _)| cookie);
            let cookie = cookie.ok_or("the cookie has no end")?;
            if cookie.trim().is_empty() {
                return Err("the cookie is empty".to_owned());
            }
            Ok(Some(cookie.to_owned()))
        }
        _ if says_no_cookie(text) || says_no_cookie(&String::from_utf8_lossy(stderr)) => Ok(None),
        Some(status) => {
            Err(format!("exit status {status}, and it does not say that there is none"))
        }
        None => Err("a signal ended it".to_owned()),
    }
}

fn says_no_cookie(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("Cookie not found for bookie '"))
}

/// What `decommissionbookie` says that it still waits for, by its last line of that kind: ledgers.
pub fn parse_decommission_left(stdout: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().rev().find_map(|line| {
        let (_, rest) =
            line.split_once("Count of Ledgers which need to be rereplicated: ").or_else(|| {
                let (_, values) =
                    line.split_once("Count of ledgers which need to be rereplicated")?;
                values.split_once("size=")
            })?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

/// Why a command failed, in its own words: its last lines of level ERROR, at most three.
pub fn errors(stdout: &[u8], stderr: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for bytes in [stdout, stderr] {
        let text = String::from_utf8_lossy(bytes);
        found.extend(text.lines().filter_map(|line| {
            let said = line.strip_prefix("ERROR|").or_else(|| line.strip_prefix("ERROR: "))?;
            let said = said.trim_end().trim_end_matches("{}").trim_end();
            // An abbreviation of a logger's name tells nobody anything.
            let said = said.split_once('|').map_or(said, |(_, said)| said).trim();
            (!said.is_empty()).then(|| said.chars().take(200).collect())
        }));
    }
    found.dedup();
    found.split_off(found.len().saturating_sub(3))
}

/// A command that failed, in its own words. `what` says what it was to do: "read the cookie".
pub fn failed(command: &[String], finished: &Finished, what: &str) -> Fault {
    let said = errors(&finished.stdout, &finished.stderr);
    let mut fault = fault::tool_failed(command, finished, what);
    if !said.is_empty() {
        fault.message = format!("{}: {}", fault.message, said.join("; "));
    }
    fault
}

/// What a dry run of `recover` says of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DryRun {
    /// There are not enough bookies to put its copies on.
    pub not_enough: bool,
    /// Its writer would be fenced.
    pub fences: bool,
}

/// Reads a dry run.
pub fn parse_dry_run(stdout: &[u8]) -> DryRun {
    let text = String::from_utf8_lossy(stdout);
    DryRun {
        not_enough: text.contains("Not enough non-faulty bookies available"),
        fences: text.contains("[fence required]"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/bookkeeper_samples/", $name)).as_slice()
        };
    }

    fn id() -> BookieId {
        BookieId::new("10.0.0.4:3181").unwrap()
    }

    #[test]
    fn words() {
        assert_eq!(recover(&id(), None).join(" "), "recover -f -sku 10.0.0.4:3181");
        let rate = NonZeroU64::new(50_000_000);
        assert_eq!(recover(&id(), rate).join(" "), "recover -f -sku -rate 50000000 10.0.0.4:3181");
        let fast = NonZeroU64::new(u64::MAX);
        assert_eq!(
            recover(&id(), fast).join(" "),
            "recover -f -sku -rate 2147483647 10.0.0.4:3181"
        );
        assert_eq!(
            recover_one(&id(), 7, rate).join(" "),
            "recover -f -l 7 -rate 50000000 10.0.0.4:3181"
        );
        assert_eq!(recover_dry_run(&id(), 42).join(" "), "recover -f -dr -l 42 10.0.0.4:3181");
        assert_eq!(decommission(&id()).join(" "), "decommissionbookie -bookieid 10.0.0.4:3181");
        let created = cookie_create(&id(), Utf8Path::new("/run/c"));
        assert_eq!(created.join(" "), "cookie_create -cf /run/c 10.0.0.4:3181");
    }

    #[test]
    fn an_id_is_no_option() {
        for bad in [
            "",
            "-d",
            "-l",
            "h1:3181",
            "10.0.0.4",
            "10.0.0.4:0",
            "10.0.0.4:3181 -d",
            "10.0.0.4:03181",
        ] {
            assert!(BookieId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(BookieId::new("[fd00::1]:3181").unwrap().to_string(), "[fd00::1]:3181");
    }

    #[test]
    fn cookies() {
        let cookie =
            parse_cookie_get(Some(0), sample!("4.17.3/shell_cookie_get"), b"").unwrap().unwrap();
        assert!(cookie.starts_with("5\nbookieHost: \"127.0.0.1:43004\"\n"), "{cookie}");
        assert!(
            cookie.ends_with("indexDirs: \"1\\t/var/lib/bookkeeper/b4/ledgers\"\n"),
            "{cookie}"
        );
        let absent = sample!("4.17.3/shell_cookie_get_absent");
        assert_eq!(parse_cookie_get(Some(255), absent, b""), Ok(None));
        assert_eq!(parse_cookie_get(Some(255), b"", absent), Ok(None));
        // No answer is no answer.
        for (status, said) in [
            (Some(255), b"KeeperException: ConnectionLoss".as_slice()),
            (Some(0), b""),
            (Some(0), b"Cookie for bookie 'x' is:\n---\n\n---\n"),
            (Some(0), b"Cookie for bookie 'x' is:\n---\n5\n"),
            (None, b""),
        ] {
            assert!(parse_cookie_get(status, said, b"").is_err(), "{said:?}");
        }
    }

    #[test]
    fn what_a_decommission_waits_for() {
        let old = b"INFO|BookKeeperAdmin|Count of Ledgers which need to be rereplicated: 7, waiting 21 seconds for next check {}\n\
                    INFO|BookKeeperAdmin|Count of Ledgers which need to be rereplicated: 3, waiting 9 seconds for next check {}\n";
        assert_eq!(parse_decommission_left(old), Some(3));
        let new = b"INFO|BookKeeperAdmin|Count of ledgers which need to be rereplicated, waiting for next check {size=12, value=36}\n";
        assert_eq!(parse_decommission_left(new), Some(12));
        assert_eq!(parse_decommission_left(sample!("4.17.3-stock/shell_decommission_done")), None);
    }

    #[test]
    fn errors_are_told_in_its_words() {
        let said = errors(sample!("4.17.3/shell_decommission_not_shut_down"), b"");
        assert_eq!(
            said,
            [
                "Bookie: 127.0.0.1:43004 is not shutdown yet",
                "Received exception in DecommissionBookieCmd"
            ]
        );
        assert_eq!(errors(b"INFO|A|fine {}\n", b""), Vec::<String>::new());
    }

    #[test]
    fn a_dry_run_tells_why() {
        let told = parse_dry_run(sample!("4.17.3/shell_recover_dry_run"));
        assert_eq!(told, DryRun { not_enough: true, fences: true });
        assert_eq!(parse_dry_run(sample!("4.17.3-stock/shell_recover_one")), DryRun::default());
    }

    proptest! {
        #[test]
        fn whatever_it_prints_is_survived(status in proptest::option::of(any::<i32>()), out in any::<Vec<u8>>(), text in ".{0,200}") {
            for said in [out.as_slice(), text.as_bytes()] {
                let _ = parse_cookie_get(status, said, said);
                let _ = parse_decommission_left(said);
                let _ = parse_dry_run(said);
                prop_assert!(errors(said, said).len() <= 3);
            }
        }
    }
}
