//! What actions do to a real cluster.

use std::{sync::Arc, time::Duration};

use bellows_agent::host::http::Target;
use bellows_proto::v1::{
    BookkeeperAudit, BookkeeperBudget, BookkeeperDecommission, BookkeeperDeleteCookie,
    BookkeeperDiscardData, BookkeeperDrain, BookkeeperRemoveConfig, BookkeeperRestoreCookie,
    BookkeeperSaveCookie, BookkeeperSetAutorecovery, BookkeeperSetReadOnly, BookkeeperStartBookie,
    BookkeeperStopBookie, FaultCode, bookkeeper_action::Kind, bookkeeper_reading::Server,
};
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, COPIED, Host, Told, until};

fn drain(bookie: &Host<'_>, budgets: Vec<BookkeeperBudget>) -> Kind {
    let (at, node) = (bookie.node(), bookie.node());
    Kind::Drain(BookkeeperDrain {
        at,
        node,
        bookie: bookie.id(),
        alive: true,
        budgets,
        skip_lost: false,
    })
}

fn read_only(bookie: &Host<'_>, read_only: bool) -> Kind {
    Kind::SetReadOnly(BookkeeperSetReadOnly { node: bookie.node(), read_only })
}

fn start(bookie: &Host<'_>) -> Kind {
    Kind::StartBookie(BookkeeperStartBookie { node: bookie.node() })
}

fn stop(bookie: &Host<'_>) -> Kind {
    Kind::StopBookie(BookkeeperStopBookie { node: bookie.node() })
}

fn save(at: &Host<'_>, of: &Host<'_>) -> Kind {
    Kind::SaveCookie(BookkeeperSaveCookie { at: at.node(), node: of.node(), bookie: of.id() })
}

fn delete(at: &Host<'_>, of: &Host<'_>) -> Kind {
    Kind::DeleteCookie(BookkeeperDeleteCookie { at: at.node(), node: of.node(), bookie: of.id() })
}

fn restore(at: &Host<'_>, of: &Host<'_>) -> Kind {
    Kind::RestoreCookie(BookkeeperRestoreCookie { at: at.node(), node: of.node(), bookie: of.id() })
}

fn discard(bookie: &Host<'_>) -> Kind {
    Kind::DiscardData(BookkeeperDiscardData { node: bookie.node() })
}

/// A rate for the next two or three minutes, and another one for the rest of the day.
fn hours_that_end_soon(host: &Host<'_>, bytes_per_s: u64) -> Vec<BookkeeperBudget> {
    let clock = &host.local.clock;
    let now = clock.now_ms() / 1000 + i64::from(clock.utc_offset_s(clock.now_ms()));
    let minute = u32::try_from(now.rem_euclid(86_400) / 60).unwrap();
    let (begin_minute, end_minute) = (minute, (minute + 3) % 1440);
    let other = bytes_per_s + 1;
    vec![
        BookkeeperBudget { begin_minute, end_minute, bytes_per_s },
        BookkeeperBudget { begin_minute: end_minute, end_minute: begin_minute, bytes_per_s: other },
    ]
}

async fn is_read_only(bookie: &Host<'_>) -> bool {
    match bookie.read().await.server {
        Some(Server::Up(server)) => server.read_only,
        other => panic!("{other:?}"),
    }
}

/// Ledgers with one copy each leave with it as all others do; a bookie that becomes writable again is caught; a drain that is
/// killed goes on where it was; the cookie is the way back, and without it and its data the bookie is a new one.
#[tokio::test]
async fn a_living_bookie_is_drained_leaves_and_comes_back() {
    let bed = Bed::new().await;
    let hosts = bed.cluster(4).await;
    let [first, second, _, last] = &hosts[..] else { panic!() };
    bed.generate(
        "create",
        &["--ledgers", "20", "--entries", "40", "--size", "1000", "--ensemble", "4"],
    );
    let sole = ["--ensemble", "4", "--write", "1", "--ack", "1"];
    bed.generate("create", &[&["--ledgers", "4", "--entries", "40"], &sole[..]].concat());
    let before = first.held(last).await;
    assert_eq!(before.ledgers, 24);
    // Ledgers of four bookies cannot be moved to three.
    last.twice(read_only(last, true)).await;
    let told = Arc::new(Told::default());
    let fault =
        last.job(drain(last, Vec::new()), &CancellationToken::new(), &told).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::ToolFailed);
    assert!(fault.message.contains("24 ledgers"), "{}", fault.message);
    assert!(fault.message.contains("not enough other writable bookies"), "{}", fault.message);
    last.act(read_only(last, false)).await.unwrap();
    assert!(!is_read_only(last).await);

    // A fifth one makes room.
    let fifth = bed.host(5);
    fifth.join().await;
    // Ended in the middle. It does not fit into the hours that have begun, so that it goes ledger by ledger.
    let slow = hours_that_end_soon(last, 2000);
    let (cancel, told) = (CancellationToken::new(), Arc::new(Told::default()));
    let some_are_moved = async {
        until("the first ledgers to be moved", async || {
            (first.held(last).await.ledgers < 24).then_some(())
        })
        .await;
        cancel.cancel();
    };
    let (ended, ()) = futures::join!(last.job(drain(last, slow), &cancel, &told), some_are_moved);
    assert_eq!(ended.unwrap_err().code(), FaultCode::Cancelled);
    let runs = told.tools.lock().unwrap().concat();
    assert!(runs.iter().any(|word| word == "-l"), "{runs:?}");
    assert!(
        runs.iter().any(|word| word == "-rate") && runs.iter().any(|word| word == "2000"),
        "{runs:?}"
    );
    assert!(is_read_only(last).await, "the drain itself makes it so");
    let moved = first.held(last).await;
    assert!((1..24).contains(&moved.ledgers), "{moved:?}");

    // Somebody lets it take new ledgers: caught.
    let target = || Target::new("/api/v1/bookie/state/readonly");
    assert_eq!(last.put(target(), "{\"readOnly\":false}").await.status, 200);
    let told = Arc::new(Told::default());
    let note = last.job(drain(last, Vec::new()), &CancellationToken::new(), &told).await.unwrap();
    assert!(note.ends_with("holds no ledger"), "{note}");
    let said = String::from_utf8(told.output.lock().unwrap().clone()).unwrap();
    assert!(said.contains("it is read-only again"), "{said}");
    {
        let progress = told.progress.lock().unwrap();
        let end = progress.last().unwrap();
        assert_eq!((Some(end.done), end.unit.as_str()), (end.total, "ledgers"));
        assert_eq!(end.bytes_done, end.bytes_total);
        assert!(progress.first().unwrap().done < end.done);
    }
    last.act(drain(last, Vec::new())).await.unwrap();
    assert_eq!((first.shell(last).await.ledgers, first.held(last).await.ledgers), (0, 0));
    bed.generate("verify", &["--copies"]);

    // The cookie: not deleted where it was not saved, deleted twice, made again.
    last.twice(stop(last)).await;
    bed.generate("verify", &["--copies"]);
    assert_eq!(first.act(delete(first, last)).await.unwrap_err().code(), FaultCode::NotFound);
    first.twice(save(first, last)).await;
    let kept = first.read().await.saved_cookies;
    assert_eq!(kept[0].bookie, last.id());
    assert_eq!(first.shell(last).await.cookie.as_ref(), Some(&kept[0].text));
    let fault = last.act(discard(last)).await.unwrap_err();
    assert!(fault.message.contains("still has a cookie"), "{}", fault.message);
    first.twice(delete(first, last)).await;
    assert_eq!(first.shell(last).await.cookie, None);
    // A bookie with its data and no cookie refuses to start, and it is told why.
    let fault = last.act(start(last)).await.unwrap_err();
    assert!(
        fault.message.contains("Cookie for this bookie is not stored in metadata store"),
        "{}",
        fault.message
    );
    last.act(stop(last)).await.unwrap();
    first.twice(restore(first, last)).await;
    assert_eq!(first.shell(last).await.cookie.as_ref(), Some(&kept[0].text));
    last.twice(start(last)).await;
    assert!(is_read_only(last).await, "what it was told to be survives");

    // It leaves for good, and comes back as a new one.
    let fault = last.act(discard(last)).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::Drift, "it runs");
    last.act(stop(last)).await.unwrap();
    first.act(delete(first, last)).await.unwrap();
    last.twice(discard(last)).await;
    last.act(start(last)).await.unwrap();
    assert!(!is_read_only(last).await, "it is a new one");
    // A cookie names a bookie, its directories and the cluster: the new one has the same as the old one.
    second.act(save(second, last)).await.unwrap();
    assert_eq!(second.read().await.saved_cookies[0].text, kept[0].text);
    last.act(stop(last)).await.unwrap();
    last.twice(Kind::RemoveConfig(BookkeeperRemoveConfig { node: last.node() })).await;
    assert_eq!(last.read().await.claimed, Some(true));
}

/// Stopped first: refused while its cookie was not saved there, and while it runs; audits are proven; in hours of 0 nothing is moved.
#[tokio::test]
async fn a_stopped_bookie_is_decommissioned() {
    let bed = Bed::new().await;
    let hosts = bed.cluster(3).await;
    let [first, second, last] = &hosts[..] else { panic!() };
    bed.generate("create", &[&["--ledgers", "12", "--entries", "20"], COPIED].concat());
    assert!(first.held(last).await.ledgers > 0);
    let decommission = |at: &Host<'_>, budgets| {
        let (at, node, bookie) = (at.node(), last.node(), last.id());
        Kind::Decommission(BookkeeperDecommission { at, node, bookie, budgets })
    };
    let fault = first.act(decommission(first, Vec::new())).await.unwrap_err();
    assert!(fault.message.contains("was not saved on this host"), "{}", fault.message);
    first.act(save(first, last)).await.unwrap();
    let fault = first.act(decommission(first, Vec::new())).await.unwrap_err();
    assert!(fault.message.contains("is not shutdown yet"), "{}", fault.message);

    // The auditor alone is asked, and what it has done is proven.
    let auditor = async || {
        let mut all = Vec::new();
        for host in [first, second] {
            let audit = Kind::Audit(BookkeeperAudit { at: host.node(), after_ms: 0 });
            all.push(host.act(audit).await.map_err(|fault| fault.code()));
        }
        all
    };
    last.act(stop(last)).await.unwrap();
    let done = until("an auditor among those that stay", async || {
        let found = auditor().await;
        found.iter().any(Result::is_ok).then_some(found)
    })
    .await;
    let refused = done.iter().filter(|one| matches!(one, Err(FaultCode::Drift))).count();
    assert_eq!(refused, 1, "{done:?}");
    let times = [first.read().await.audited_at_ms, second.read().await.audited_at_ms];
    assert_eq!(times.iter().filter(|at| **at > 0).count(), 1, "{times:?}");

    // A whole day of 0: autorecovery is off, and nothing ends.
    let never = vec![BookkeeperBudget { begin_minute: 0, end_minute: 1440, bytes_per_s: 0 }];
    let (cancel, told) = (CancellationToken::new(), Arc::new(Told::default()));
    let paused = async {
        until("autorecovery to be off", async || {
            let said = String::from_utf8_lossy(&told.output.lock().unwrap()).into_owned();
            said.contains("autorecovery is off").then_some(())
        })
        .await;
        cancel.cancel();
    };
    let (ended, ()) = futures::join!(first.job(decommission(first, never), &cancel, &told), paused);
    assert_eq!(ended.unwrap_err().code(), FaultCode::Cancelled);
    // Not left so, though the job was to end.
    assert!(first.sees().await.unwrap().autorecovery);
    let on =
        |enabled| Kind::SetAutorecovery(BookkeeperSetAutorecovery { at: first.node(), enabled });
    first.twice(on(true)).await;

    let all = first.act(decommission(first, Vec::new()));
    tokio::time::timeout(Duration::from_secs(900), all).await.unwrap().unwrap();
    let read = first.shell(last).await;
    assert_eq!((read.ledgers, read.cookie), (0, None));
    bed.generate("verify", &["--copies"]);
    // Once more, as after a crash: done.
    first.act(decommission(first, Vec::new())).await.unwrap();
    // All the way back.
    first.act(restore(first, last)).await.unwrap();
    last.act(start(last)).await.unwrap();
}
