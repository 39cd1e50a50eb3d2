#![allow(clippy::unwrap_used, clippy::panic)]
use proptest::prelude::*;

use super::{super::tests::sample, *};

fn reply(text: &str) -> HttpReply {
    HttpReply { status: 200, body: text.into() }
}

/// A closed ledger with this many entries of ten bytes each.
fn closed(write: u32, entries: u64, segments: &[(u64, &[&str])]) -> Ledger {
    let segments: Vec<Segment> = segments
        .iter()
        .map(|(first, bookies)| Segment {
            first: *first,
            bookies: bookies.iter().map(|bookie| (*bookie).to_owned()).collect(),
        })
        .collect();
    Ledger {
        id: 1,
        ensemble: u32::try_from(segments[0].bookies.len()).unwrap(),
        write_quorum: write,
        ack_quorum: 1,
        state: State::Closed,
        length: entries * 10,
        entries: Some(entries),
        segments,
    }
}

fn lost(ledger: &Ledger, gone: &[&str]) -> bool {
    ledger.is_lost_with(&|bookie| gone.contains(&bookie))
}

#[test]
fn metadata_are_read_without_passwords() {
    let page = parse_page(&sample("4.17.3/http_ledgers_decoded")).unwrap();
    assert!(!page.is_empty() && page.windows(2).all(|pair| pair[0].id < pair[1].id));
    let open: Vec<_> = page.iter().filter(|ledger| ledger.state == State::Open).collect();
    assert!(!open.is_empty() && open.iter().all(|ledger| ledger.entries.is_none()), "{open:?}");
    assert!(page.iter().any(|ledger| ledger.write_quorum == 1));
    assert_eq!(parse_page(&sample("4.17.3/http_ledgers_page_after_last")), Ok(Vec::new()));
    let one = parse_one(&sample("4.17.3/http_ledger_metadata")).unwrap().unwrap();
    assert_eq!((one.id, one.ensemble, one.write_quorum, one.ack_quorum), (47, 4, 2, 2));
    assert_eq!((one.state, one.length, one.entries), (State::Closed, 1280, Some(5)));
    assert!(one.is_on("127.0.0.1:43004") && !one.is_on("127.0.0.1:4300"));
    assert_eq!(parse_one(&sample("4.17.3/http_ledger_metadata_absent")), Ok(None));
    let ids = parse_ids(&sample("4.17.3/http_ledgers")).unwrap();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [47, 48, 49]);
}

#[test]
fn metadata_that_are_not_decoded_are_no_metadata() {
    assert!(parse_page(&sample("4.17.3/http_ledgers_with_metadata")).is_err());
    assert!(parse_page(&sample("4.17.3/http_ledgers")).is_err());
}

#[test]
fn no_error_has_a_password() {
    let text = "{\"1\":{\"password\":\"s3cret\",\"state\":\"s3cret\"}}";
    let failed = HttpReply { status: 500, body: b"s3cret".to_vec() };
    for error in [parse_page(&reply(text)), parse_page(&failed)] {
        assert!(!error.unwrap_err().to_string().contains("s3cret"));
    }
}

#[test]
fn a_bookie_s_share_counts_copies() {
    let ledger = closed(2, 30, &[(0, &["a", "b", "c"])]);
    assert_eq!(ledger.bytes_on("a"), 200);
    assert_eq!(ledger.bytes_on("d"), 0);
    let moved = closed(2, 30, &[(0, &["a", "b", "c"]), (15, &["a", "b", "d"])]);
    assert_eq!((moved.bytes_on("c"), moved.bytes_on("d")), (100, 100));
    assert_eq!(closed(2, 0, &[(0, &["a", "b", "c"])]).bytes_on("a"), 0);
}

#[test]
fn a_ledger_is_lost_when_a_run_of_neighbours_is() {
    let ledger = closed(2, 30, &[(0, &["a", "b", "c", "d"])]);
    assert!(lost(&ledger, &["a", "b"]) && lost(&ledger, &["d", "a"]));
    assert!(!lost(&ledger, &["a", "c"]) && !lost(&ledger, &["b"]));
    // Its only entry is on the first two.
    let small = closed(2, 1, &[(0, &["a", "b", "c", "d"])]);
    assert!(lost(&small, &["a", "b"]) && !lost(&small, &["b", "c"]));
    // Entry 5 begins at the second.
    let late = closed(1, 6, &[(0, &["x", "y", "z", "w"]), (5, &["a", "b", "c", "d"])]);
    assert!(lost(&late, &["b"]) && !lost(&late, &["a"]) && !lost(&late, &["c"]));
    let empty = closed(1, 0, &[(0, &["a", "b", "c"])]);
    assert!(!lost(&empty, &["a", "b", "c"]) && !empty.is_sole_on("a"));
    assert!(late.is_sole_on("b") && !late.is_sole_on("a") && !ledger.is_sole_on("a"));
    // Nobody knows how far an open one goes.
    let open = Ledger { state: State::Open, entries: None, ..closed(1, 1, &[(0, &["a", "b"])]) };
    assert!(lost(&open, &["b"]) && open.is_open_on("b") && open.bytes_on("b") == 0);
}

fn any_ledger() -> impl Strategy<Value = Ledger> {
    let sizes = (1usize..6).prop_flat_map(|size| (Just(size), 1..=size));
    let firsts = proptest::collection::btree_set(0u64..40, 1..4);
    (sizes, firsts, 0u64..60, proptest::option::of(Just(()))).prop_flat_map(
        |((size, write), firsts, entries, open)| {
            let bookies = proptest::collection::vec(Just(0..8u8).prop_flat_map(|r| r), size);
            let count = firsts.len();
            let all = proptest::collection::vec(bookies, count);
            (Just(firsts), all).prop_map(move |(firsts, all)| Ledger {
                id: 1,
                ensemble: u32::try_from(size).unwrap(),
                write_quorum: u32::try_from(write).unwrap(),
                ack_quorum: 1,
                state: if open.is_some() { State::Open } else { State::Closed },
                length: entries * 10,
                entries: open.is_none().then_some(entries),
                segments: std::iter::zip(&firsts, all)
                    .map(|(first, all)| Segment {
                        first: *first,
                        bookies: all.iter().map(|number| format!("b{number}")).collect(),
                    })
                    .collect(),
            })
        },
    )
}

/// Entry by entry, as the client writes them.
fn lost_slowly(ledger: &Ledger, gone: &BTreeSet<String>) -> bool {
    let end = ledger.entries.unwrap_or(1000);
    ledger.segments.iter().enumerate().any(|(at, segment)| {
        let next = ledger.segments.get(at + 1).map_or(end, |next| next.first);
        (segment.first..next).any(|entry| {
            (0..u64::from(ledger.write_quorum)).all(|copy| {
                let at = (entry + copy) % u64::from(ledger.ensemble);
                gone.contains(&segment.bookies[usize::try_from(at).unwrap()])
            })
        })
    })
}

proptest! {
    #[test]
    fn random_pages_end_well(status in 0u16..600, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let reply = HttpReply { status, body: bytes };
        let _ = (parse_page(&reply), parse_ids(&reply), parse_one(&reply));
    }

    #[test]
    fn odd_numbers_end_well(e in any::<u32>(), w in 0u32..5, a in 0u32..5, last in any::<i64>(), length in any::<i64>(), first in any::<u64>()) {
        let text = format!(
            "{{\"1\":{{\"ensembleSize\":{e},\"writeQuorumSize\":{w},\"ackQuorumSize\":{a},\"state\":\"CLOSED\",\"length\":{length},\
             \"lastEntryId\":{last},\"allEnsembles\":{{\"{first}\":[{{\"id\":\"a\"}},{{\"id\":\"b\"}}]}}}}}}"
        );
        for ledger in parse_page(&reply(&text)).unwrap_or_default() {
            let _ = (ledger.bytes_on("a"), ledger.is_sole_on("b"), ledger.is_lost_with(&|_| true));
        }
    }

    #[test]
    fn lost_is_what_entry_by_entry_is(ledger in any_ledger(), gone in proptest::collection::btree_set(0u8..8, 0..5)) {
        let gone: BTreeSet<String> = gone.iter().map(|number| format!("b{number}")).collect();
        prop_assert_eq!(ledger.is_lost_with(&|bookie| gone.contains(bookie)), lost_slowly(&ledger, &gone));
    }
}
