//! A journal that does not tell all: what was done without it is found, and a person decides.

use super::*;

#[tokio::test(start_paused = true)]
async fn jobs_that_the_journal_does_not_know_hold_it() {
    for events in 6..14 {
        let mut site = Site::new();
        let id = site.begin(OnFailure::Hold).await;
        let early = Arc::new(site.journal.copy());
        // A coordinator acts, and dies; what starts then has the store of before.
        site.journal.crash(Some(Crash { at: events, durable: true }));
        assert!(site.settle(&id).await.is_none());
        let ran = !site.agents.runs.lock().unwrap().is_empty();
        site.journal = early;
        site.restart();
        let state = site.settle(&id).await.unwrap();
        if !ran {
            continue;
        }
        let held = state.parked().unwrap();
        assert_eq!(held.cause(), HoldCause::Decision, "{held:?}");
        assert!(held.text.contains("attempt 1 at host"), "{}", held.text);
        // Neither a retry nor an undo takes the journal for the truth.
        for kind in [ControlKind::Retry, ControlKind::Undo] {
            site.engine.control(&id, kind, "tester").unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(site.state(&id).parked().unwrap().cause(), HoldCause::Decision);
            assert!(site.state(&id).outcome().is_none());
        }
        site.engine.control(&id, ControlKind::Abandon, "tester").unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(site.state(&id).outcome(), Some(Outcome::Abandoned));
        site.assert_runs_are_unique();
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_another_journal_closed_is_not_concluded() {
    let mut site = Site::new();
    let id = site.begin(OnFailure::Hold).await;
    let early = Arc::new(site.journal.copy());
    assert_eq!(site.settle(&id).await.unwrap().outcome(), Some(Outcome::Done));
    // A copy of the store, made when nothing was done yet, comes up after the end.
    site.journal = early;
    site.restart();
    let held = site.settle(&id).await.unwrap().parked().cloned().expect("held, not undone");
    assert_eq!(held.cause(), HoldCause::Decision, "{held:?}");
    assert!(held.text.contains("closed"), "{}", held.text);
    site.engine.control(&id, ControlKind::Undo, "tester").unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(site.state(&id).outcome(), None);
    site.engine.control(&id, ControlKind::Abandon, "tester").unwrap();
    assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Abandoned));
}

/// While a host is silent, nobody knows whether the journal is whole: nothing is told as undone.
#[tokio::test(start_paused = true)]
async fn a_silent_host_after_a_start_is_not_taken_for_nothing_done() {
    let mut site = Site::new();
    let id = site.begin(OnFailure::Hold).await;
    site.journal.crash(Some(Crash { at: site.journal.appends() + 1, durable: false }));
    assert!(site.settle(&id).await.is_none());
    site.agents.unreachable.lock().unwrap().insert(shelf::HOSTS[0].to_owned());
    site.restart();
    let held = site.settle(&id).await.unwrap().parked().cloned().expect("held, not undone");
    assert_eq!(held.cause(), HoldCause::Unknown, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn in_doubt_nothing_goes_on_by_itself() {
    let mut site = Site::new();
    let id = site.begin(OnFailure::Hold).await;
    site.journal.crash(Some(Crash { at: 9, durable: true }));
    assert!(site.settle(&id).await.is_none());
    site.journal.crash(None);
    let doubted = start(&site.agents, &site.systems, &site.journal, &site.clock);
    doubted.recover(Some("the store's tail may be lost")).unwrap();
    let events = site.journal.events(&id).len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(site.journal.events(&id).len(), events);
    let state = site.state(&id);
    let held = state.parked().unwrap();
    assert_eq!(held.cause(), HoldCause::Decision);
    assert!(held.text.contains("tail may be lost"));
    site.engine = doubted;
    site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(site.state(&id).outcome(), Some(Outcome::Done));
    site.assert_done();
}
