//! Tombstones that are owed: brought once the host is back, once, and before anything else there.

use bellows_proto::v1::{NodeRef, Spec, SpecTombstone};

use super::*;

/// The host that was named dead; it is one of the shelf's too.
const HOST: &str = "h1";
/// The act that its tombstone is.
const OWED: u32 = 77;

fn node() -> NodeRef {
    NodeRef { cluster: "left".into(), node: "n".into() }
}

/// A node of another cluster was forgotten while its host was away.
fn owing() -> Site {
    let site = Site::new();
    site.journal.put_spec(Spec {
        cluster: "left".into(),
        version: 7,
        tombstones: vec![SpecTombstone {
            node: "n".into(),
            host: HOST.into(),
            operation: "0190aaaa-0000-7000-8000-000000000009".into(),
            owed_act: OWED,
            ..SpecTombstone::default()
        }],
        ..Spec::default()
    });
    site.agents.settle(HOST, node());
    site
}

/// Goes on until this holds.
async fn bury_until(site: &Site, holds: impl Fn() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        error = site.engine.keep_burying() => panic!("{error:?}"),
        seen = tokio::time::timeout(Duration::from_secs(3600), look) => seen.unwrap(),
    }
}

/// The tombstone is there, and nothing of its operation is left at the host.
fn is_over(site: &Site) -> bool {
    site.agents.is_buried(HOST) && site.agents.fences_left() == 0
}

fn attempts(site: &Site) -> Vec<(u32, u32)> {
    site.agents.runs.lock().unwrap().clone()
}

#[test]
fn a_host_that_comes_back_gets_its_tombstone_once() {
    run(async {
        let site = owing();
        site.agents.unreachable.lock().unwrap().insert(HOST.into());
        let began = tokio::time::Instant::now();
        bury_until(&site, || began.elapsed() > Duration::from_secs(60)).await;
        assert_eq!((attempts(&site), site.agents.fences_left()), (vec![], 0));
        assert_eq!(site.engine.delivered(|_| true).await.unwrap(), []);

        site.agents.unreachable.lock().unwrap().clear();
        bury_until(&site, || is_over(&site)).await;
        let began = tokio::time::Instant::now();
        bury_until(&site, || began.elapsed() > Duration::from_secs(600)).await;
        assert_eq!(attempts(&site), [(OWED, 1)]);
        let delivered = site.engine.delivered(|owed| owed.stone.host == HOST).await.unwrap();
        assert_eq!(delivered.len(), 1);
        assert_eq!(site.engine.delivered(|_| false).await.unwrap(), []);
    });
}

#[test]
fn every_trouble_of_its_job_ends_with_one_tombstone() {
    run(async {
        for (trouble, wanted) in [
            (Trouble::Fails, vec![(OWED, 1), (OWED, 2)]),
            (Trouble::FailsAfterEffect, vec![(OWED, 1)]),
            (Trouble::AnswerLost, vec![(OWED, 1)]),
            (Trouble::Lies, vec![(OWED, 1), (OWED, 2)]),
        ] {
            let site = owing();
            site.agents.trouble.lock().unwrap().insert(OWED, trouble);
            bury_until(&site, || is_over(&site)).await;
            assert_eq!(attempts(&site), wanted, "{trouble:?}");
        }
    });
}

#[test]
fn a_host_that_was_made_anew_is_left_alone() {
    run(async {
        let site = owing();
        site.agents.settle(HOST, NodeRef { node: "other".into(), ..node() });
        // Its old disks may come back elsewhere: nothing was delivered.
        assert_eq!(site.engine.delivered(|_| true).await.unwrap(), []);
        let began = tokio::time::Instant::now();
        bury_until(&site, || began.elapsed() > Duration::from_secs(600)).await;
        assert_eq!((attempts(&site), site.agents.fences_left()), (vec![], 0));
    });
}

#[test]
fn nothing_is_done_on_the_host_before_its_tombstone() {
    run(async {
        let site = owing();
        let id = site.begin(OnFailure::Hold).await;
        let ended = site.settle(&id).await.unwrap();
        assert_eq!(ended.outcome(), Some(Outcome::Done));
        assert_eq!(attempts(&site).first(), Some(&(OWED, 1)));
        assert!(site.agents.is_buried(HOST));
    });
}

#[test]
fn a_host_that_was_put_back_from_an_image_is_buried_again_by_the_next_start() {
    run(async {
        let mut site = owing();
        bury_until(&site, || is_over(&site)).await;
        site.agents.settle(HOST, node());
        site.agents.put_back(HOST);
        site.restart();
        bury_until(&site, || is_over(&site)).await;
    });
}

#[test]
fn a_burial_is_journalled_before_it_is_asked_for() {
    run(async {
        let site = owing();
        let at = site.journal.appends() + 1;
        site.journal.crash(Some(Crash { at, durable: true }));
        let ended = tokio::time::timeout(Duration::from_secs(60), site.engine.keep_burying());
        assert!(ended.await.is_ok(), "it went on after the journal had failed");
        assert_eq!(attempts(&site), []);
    });
}
