//! Runs of `bookkeeper`: which of them change something, and which attempts explain them.

use bellows_proto::v1::bookkeeper_action::Kind;

/// The tool's name in the log of the wrappers.
pub const TOOL: &str = "bookkeeper";
/// The class that reads and writes where clients look for racks.
const ZOOKEEPER: &str = "org.apache.zookeeper.ZooKeeperMain";
/// Words of the shell that only read.
const READINGS: [&str; 8] = [
    "listbookies",
    "listledgers",
    "listunderreplicated",
    "cookie_get",
    "whoisauditor",
    "clusterinfo",
    "bookieinfo",
    "queryautorecoverystatus",
];

/// Whether a run may change something. What is not known to be harmless may.
pub fn changes(args: &[String]) -> bool {
    let mut words = args.iter().map(String::as_str);
    match (words.next(), words.next()) {
        (Some("help"), _) => false,
        (Some("shell"), Some("recover")) => !args.iter().any(|arg| arg == "-dr" || arg == "-q"),
        (Some("shell"), Some(word)) => !READINGS.contains(&word),
        (Some(ZOOKEEPER), _) => !args.iter().any(|arg| arg == "get"),
        _ => true,
    }
}

/// Whether an attempt at an action explains a changing run. A drain runs `recover` as often as it must: to say the same
/// twice to it is no fault.
pub fn explains(kind: &Kind, args: &[String]) -> bool {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    match kind {
        Kind::StartBookie(_) => has("bookie"),
        Kind::Decommission(act) => has("decommissionbookie") && has(&act.bookie),
        Kind::DeleteCookie(act) => has("cookie_delete") && has(&act.bookie),
        Kind::RestoreCookie(act) => has("cookie_create") && has(&act.bookie),
        Kind::Drain(act) => has("recover") && has(&act.bookie),
        Kind::TellPlace(act) => {
            has(ZOOKEEPER)
                && (act.rack.is_empty() || args.iter().any(|arg| arg.contains(&act.bookie)))
        }
        // Not by the tool, or a reading.
        Kind::WriteConfig(_)
        | Kind::RemoveConfig(_)
        | Kind::StopBookie(_)
        | Kind::SetReadOnly(_)
        | Kind::Audit(_)
        | Kind::SaveCookie(_)
        | Kind::SetAutorecovery(_)
        | Kind::DiscardData(_) => false,
    }
}

/// One attempt explains any number of such runs.
pub fn repeats(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "recover")
}

#[cfg(test)]
mod tests {
    use bellows_proto::v1::{BookkeeperDrain, BookkeeperStartBookie};

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn readings_are_told_from_changes() {
        for line in [
            "shell listledgers -bookieid a:1",
            "shell cookie_get a:1",
            "shell recover -f -dr a:1",
            "org.apache.zookeeper.ZooKeeperMain -server z:1 get -s /bookies",
        ] {
            assert!(!changes(&words(line)), "{line}");
        }
        for line in [
            "bookie",
            "shell recover -f a:1",
            "shell cookie_delete a:1",
            "shell unknown",
            "autorecovery",
            "org.apache.zookeeper.ZooKeeperMain -server z:1 set -v 4 /bookies {}",
        ] {
            assert!(changes(&words(line)), "{line}");
        }
    }

    #[test]
    fn an_attempt_explains_its_own_bookie_alone() {
        let drain = Kind::Drain(BookkeeperDrain { bookie: "a:1".to_owned(), ..Default::default() });
        assert!(explains(&drain, &words("shell recover -f -rate 5 a:1")));
        assert!(!explains(&drain, &words("shell recover -f b:1")));
        assert!(!explains(&drain, &words("shell cookie_delete a:1")));
        let start = Kind::StartBookie(BookkeeperStartBookie::default());
        assert!(explains(&start, &words("bookie")));
    }
}
