#![allow(clippy::unwrap_used, clippy::panic)]
use proptest::prelude::*;

use super::*;

/// A reply that a real bookie gave.
pub(crate) fn sample(name: &str) -> HttpReply {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bookkeeper_samples/");
    let (version, file) = name.split_once('/').unwrap();
    let index = std::fs::read_to_string(format!("{folder}{version}/index.tsv")).unwrap();
    let line = index.lines().find_map(|line| line.strip_prefix(file)?.strip_prefix('\t'));
    let status = line.unwrap().split('\t').next().unwrap().parse().unwrap();
    HttpReply { status, body: std::fs::read(format!("{folder}{name}")).unwrap() }
}

fn reply(status: u16, text: &str) -> HttpReply {
    HttpReply { status, body: text.into() }
}

#[test]
fn a_bookie_says_how_it_is() {
    let state = State::parse(&sample("4.17.3/http_state")).unwrap();
    assert_eq!(state, State { running: true, read_only: false, shutting_down: false });
    assert!(State::parse(&sample("4.17.3/http_state_readonly")).unwrap().read_only);
    let info = Info::parse(&sample("4.17.3/http_info")).unwrap();
    assert_eq!((info.free_space, info.total_space), (18_091_528_192, 270_553_174_016));
    assert!(State::parse(&reply(200, "{\"running\":true}")).is_err());
}

#[test]
fn a_bookie_says_how_the_cluster_is() {
    let ids = parse_bookies(&sample("4.17.3/http_bookies_rw")).unwrap();
    assert_eq!(ids.len(), 4);
    assert_eq!(parse_bookies(&sample("4.17.3/http_bookies_ro_none")), Ok(Vec::new()));
    assert_eq!(parse_bookies(&sample("4.17.3/http_bookies_ro")).unwrap(), ["127.0.0.1:43004"]);
    let info = ClusterInfo::parse(&sample("4.17.3/http_cluster_info")).unwrap();
    assert!(info.ledger_replication_enabled);
    assert_eq!((info.auditor().as_str(), info.unavailable_bookies_count), ("127.0.0.1:43003", 0));
    let none = "{\"auditorElected\":false,\"auditorId\":\"\",\"ledgerReplicationEnabled\":true,\"unavailableBookiesCount\":1}";
    assert_eq!(ClusterInfo::parse(&reply(200, none)).unwrap().auditor(), "");
    assert_eq!(parse_delay(&sample("4.17.3/http_lost_bookie_recovery_delay")), Ok(0));
    let natural = parse_bookies(&reply(200, "{\"10.0.0.10:1\":null,\"10.0.0.9:1\":\"h9\"}"));
    assert_eq!(natural.unwrap(), ["10.0.0.9:1", "10.0.0.10:1"]);
}

#[test]
fn a_404_has_its_meaning_in_its_body() {
    assert_eq!(parse_underreplicated(&sample("4.17.3/http_under_replicated_none")), Ok(vec![]));
    let some = parse_underreplicated(&sample("4.17.3-stock/http_under_replicated"));
    assert_eq!(some, Ok(vec![39, 41]));
    let failed = parse_underreplicated(&reply(404, "Exception when get under replicated ledgers"));
    assert!(matches!(failed, Err(ReplyError::Failed { status: 404, .. })), "{failed:?}");
    assert_eq!(
        parse_underreplicated(&reply(404, "")),
        Err(ReplyError::Failed { status: 404, text: String::new() })
    );
    for name in ["4.17.3/http_wrong_path", "4.17.3/http_wrong_method"] {
        assert_eq!(body(&sample(name)), Err(ReplyError::Unknown), "{name}");
    }
    let refused = body(&sample("4.17.3/http_trigger_audit_refused")).unwrap_err();
    assert_eq!(refused, ReplyError::Refused("Autorecovery is disabled. So giving up!".into()));
}

#[test]
fn an_error_does_not_quote_what_it_could_not_read() {
    let error = json::<State>(b"{\"running\": \"s3cret\"}").unwrap_err().to_string();
    assert!(!error.contains("s3cret") && error.contains("column"), "{error}");
}

proptest! {
    #[test]
    fn random_replies_end_well(status in 0u16..700, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let reply = HttpReply { status, body: bytes };
        let _ = (State::parse(&reply), Info::parse(&reply), ClusterInfo::parse(&reply));
        let _ = (parse_bookies(&reply), parse_underreplicated(&reply), parse_delay(&reply));
    }

    #[test]
    fn lists_are_in_order(ids in proptest::collection::vec(any::<u64>(), 0..50)) {
        let text = serde_json::to_string(&ids).unwrap();
        let read = parse_underreplicated(&reply(200, &text)).unwrap();
        prop_assert!(read.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(ids.iter().all(|id| read.contains(id)));
    }
}
