//! Maintenance windows. The clock of these tests begins at 22:13:20 UTC.

use super::*;
use bellows_proto::v1::Window;

async fn within(site: &Site, window: &str) -> Result<String, ApplyError> {
    let window: Window = window.parse().unwrap();
    let plan = Plan { window: Some(window), ..site.plan().await };
    site.engine.apply(plan, OnFailure::Hold, "tester").await
}

/// Jobs longer than what is left of the window 22:00-22:14.
fn slow() -> MemoryAgents {
    let mut agents = MemoryAgents::default();
    agents.job_time = Duration::from_secs(50);
    agents
}

#[test]
fn outside_of_its_window_nothing_begins() {
    run(async {
        let site = Site::new();
        match within(&site, "01:00-05:00").await {
            Err(ApplyError::Refused(refusals)) => {
                assert_eq!(refusals.len(), 1, "{refusals:?}");
                assert_eq!(refusals[0].code, "OP-01");
                let seen = "it is 22:13 at the coordinator, the window is 01:00-05:00";
                assert_eq!(refusals[0].value, seen);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!((site.journal.locks(), site.agents.fences_left()), (0, 0));
        let plan = Plan { window: Some(Window::default()), ..site.plan().await };
        let empty = site.engine.apply(plan, OnFailure::Hold, "tester").await;
        assert!(matches!(empty, Err(ApplyError::Invalid(_))), "{empty:?}");
    });
}

#[test]
fn within_its_window_an_operation_runs_to_its_end() {
    run(async {
        let site = Site::new();
        let id = within(&site, "22:00-04:00").await.unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        let events = site.journal.events(&id);
        let control = events.iter().any(|e| matches!(e.kind, Some(event::Kind::Control(_))));
        assert!(!control, "{events:?}");
    });
}

#[test]
fn at_the_end_of_its_window_it_pauses_behind_the_running_act_and_can_be_resumed() {
    run(async {
        let mut site = Site::with(slow(), 0);
        let id = within(&site, "22:00-22:14").await.unwrap();
        let state = site.settle(&id).await.unwrap();
        let held = state.parked().unwrap();
        assert_eq!((held.cause(), held.step), (HoldCause::Paused, 2), "{held:?}");
        assert!(held.text.contains("its window 22:00-22:14 is over"), "{held:?}");
        assert_eq!(site.agents.runs.lock().unwrap().len(), 1, "the act came to its end");
        // It stays held over a restart of the coordinator.
        site.restart();
        assert_eq!(site.settle(&id).await.unwrap().parked().unwrap().cause(), HoldCause::Paused);
        site.engine.control(&id, ControlKind::Resume, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        let events = site.journal.events(&id);
        let told = events.iter().any(|event| match &event.kind {
            Some(event::Kind::Resumed(e)) => e.text.contains("it goes on without one"),
            _ => false,
        });
        assert!(told, "{events:?}");
        site.assert_done();
    });
}

/// Each in a time of its own: the window is open at its beginning.
fn crashed(at: usize, durable: bool) -> bool {
    let paused = std::cell::Cell::new(false);
    run(async {
        let mut site = Site::with(slow(), 0);
        let plan = Plan { window: "22:00-22:14".parse().ok(), ..site.plan().await };
        site.journal.crash(Some(Crash { at, durable }));
        let Ok(id) = site.engine.apply(plan, OnFailure::Hold, "tester").await else { return };
        if site.settle(&id).await.is_none() {
            site.restart();
        }
        if site.settle(&id).await.unwrap().parked().is_some() {
            paused.set(true);
            site.engine.control(&id, ControlKind::Resume, "tester").unwrap();
        }
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done), "crash at {at}");
        site.assert_done();
    });
    paused.get()
}

#[test]
fn a_crash_anywhere_still_leaves_it_paused_at_the_end_of_its_window() {
    // Of the act's start, and of the wish to pause.
    for at in [6, 9] {
        for durable in [false, true] {
            assert!(crashed(at, durable), "not paused with a crash at {at}, {durable}");
        }
    }
}
