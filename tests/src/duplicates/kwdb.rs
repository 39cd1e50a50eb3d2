//! Runs of `kwbase`: which of them change something, and which attempts explain them.

use bellows_proto::v1::kwdb_action::Kind;

/// The tool's name in the log of the wrappers.
pub const TOOL: &str = "kwbase";
/// The one setting that Bellows changes.
const REBALANCE: &str = "ts_consider_rebalance";

/// Whether a run may change something. What is not known to be harmless may.
pub fn changes(args: &[String]) -> bool {
    let mut words = args.iter().map(String::as_str).filter(|word| !word.starts_with('-'));
    match (words.next(), words.next()) {
        (Some("version" | "help"), _) | (Some("node"), Some("status" | "ls")) => false,
        (Some("sql"), _) => statements(args).any(|one| !reads(one)),
        _ => true,
    }
}

/// What follows `-e`, and what `--execute=` or `-e=` say.
fn statements(args: &[String]) -> impl Iterator<Item = &str> {
    let after = args.iter().zip(args.iter().skip(1));
    let apart = after.filter(|(flag, _)| matches!(flag.as_str(), "-e" | "--execute"));
    let joined = args
        .iter()
        .filter_map(|arg| arg.strip_prefix("--execute=").or_else(|| arg.strip_prefix("-e=")));
    apart.map(|(_, statement)| statement.as_str()).chain(joined)
}

fn reads(statement: &str) -> bool {
    let first = statement.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next();
    let first = first.unwrap_or_default().to_ascii_uppercase();
    // Several statements in one text could hide one that writes.
    let alone = !statement.trim().trim_end_matches(';').contains(';');
    alone && matches!(first.as_str(), "SELECT" | "SHOW")
}

/// Whether an attempt at an action explains a changing run.
pub fn explains(kind: &Kind, args: &[String]) -> bool {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let starts = has("start") || has("start-single-replica");
    let ends = has("quit") || has("drain");
    let flags = |verb: &str, id: u32| has("node") && has(verb) && has(&id.to_string());
    match kind {
        Kind::StartNode(_) => starts,
        Kind::RestartNode(_) => starts || ends,
        Kind::StopNode(stop) => stop.quit && ends,
        Kind::Decommission(act) => flags("decommission", act.node_id),
        Kind::Recommission(act) => flags("recommission", act.node_id),
        Kind::SetRebalance(_) => has("sql") && args.iter().any(|arg| arg.contains(REBALANCE)),
        // What deploy.sh runs is not behind the wrapper.
        Kind::DeployDecommission(_)
        | Kind::WriteStart(_)
        | Kind::RemoveStart(_)
        | Kind::RequestCertificates(_)
        | Kind::SignCertificates(_)
        | Kind::ForgetSigned(_)
        | Kind::PlaceCertificates(_)
        | Kind::RemoveCertificates(_)
        | Kind::DiscardData(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use bellows_proto::v1::{KwdbDecommission, KwdbSetRebalance};

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn readings_are_told_from_changes() {
        for line in [
            "version",
            "node|status|--decommission|--format=csv|--insecure",
            "--insecure|node|ls",
            "sql|-e|SELECT 1|-e|show cluster setting x;|--insecure",
        ] {
            assert!(!changes(&words(line)), "{line}");
        }
        for line in [
            "start|--insecure",
            "node|decommission|4|--wait=none",
            "sql|-e|SELECT 1|-e|SET CLUSTER SETTING x = true",
            "sql|-e|SELECT 1; DROP TABLE x",
            "quit",
        ] {
            assert!(changes(&words(line)), "{line}");
        }
    }

    #[test]
    fn a_flag_is_explained_by_the_attempt_with_its_id() {
        let act = Kind::Decommission(KwdbDecommission { node_id: 4, ..Default::default() });
        assert!(explains(&act, &words("node|decommission|4|--wait=none|--insecure")));
        assert!(!explains(&act, &words("node|decommission|5|--wait=none|--insecure")));
        assert!(!explains(&act, &words("node|recommission|4|--insecure")));
        let set = Kind::SetRebalance(KwdbSetRebalance::default());
        let line = "sql|-e|SET CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled = false";
        assert!(explains(&set, &words(line)) && !explains(&act, &words(line)));
    }
}
