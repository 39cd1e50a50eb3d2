//! Passing a step over: what may be, what may not, and that a crash changes nothing of it.

use bellows::engine::state::StepStatus;
use bellows_proto::v1::{event::Kind, step};

use super::*;

/// Held at the last step, which its plan lets go.
async fn held_at_last(site: &Site) -> String {
    site.agents.trouble.lock().unwrap().insert(8, Trouble::Fails);
    let id = site.begin(OnFailure::Hold).await;
    let held = site.settle(&id).await.unwrap();
    let commands = &held.parked().unwrap().commands;
    assert!(commands.iter().any(|c| c.contains("op skip")), "{commands:?}");
    id
}

#[test]
fn what_was_done_by_hand_is_skipped_and_the_end_is_compared_all_the_same() {
    run(async {
        let site = Site::new();
        let id = held_at_last(&site).await;
        site.engine.skip(&id, "CHG-1: not needed", "tester").unwrap();
        // The step is behind, but the end is not the wanted one.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let held = site.settle(&id).await.unwrap();
        assert_eq!(held.parked().unwrap().cause(), HoldCause::Drift);
        assert_eq!(held.steps[&8], StepStatus::Skipped);
        site.agents.intrude("h2", "c");
        site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
        let events = site.journal.events(&id);
        let skipped = events.iter().find_map(|event| match &event.kind {
            Some(Kind::StepSkipped(skipped)) => Some(skipped.clone()),
            _ => None,
        });
        let skipped = skipped.unwrap();
        assert_eq!((&*skipped.reason, &*skipped.principal), ("CHG-1: not needed", "tester"));
        let rested = events.iter().find_map(|event| match &event.kind {
            Some(Kind::Rested(rested)) => Some(rested.text.clone()),
            _ => None,
        });
        assert!(rested.unwrap().contains("skipped: step 8"));
    });
}

#[test]
fn a_stalled_wait_is_skipped_and_what_comes_after_it_is_done() {
    run(async {
        let site = Site::new();
        let id = site.begin(OnFailure::Hold).await;
        while site.state(&id).steps[&3] != StepStatus::Succeeded {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        site.agents.remove("h1", "b1");
        while site.state(&id).held.is_none() {
            assert!(site.state(&id).outcome().is_none(), "too late for the test");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(site.state(&id).held.unwrap().cause(), HoldCause::Stalled);
        site.engine.skip(&id, "it was counted by hand", "tester").unwrap();
        site.agents.intrude("h1", "b1");
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
    });
}

#[test]
fn what_later_steps_or_the_data_rest_on_is_not_skipped() {
    run(async {
        for (act, trouble, why) in [
            (2, Trouble::Fails, "the spec changes with it"),
            (5, Trouble::Fails, "a group"),
            (8, Trouble::FailsHalfWay, "done in part"),
        ] {
            let site = Site::new();
            site.agents.trouble.lock().unwrap().insert(act, trouble);
            let id = site.begin(OnFailure::Hold).await;
            let held = site.settle(&id).await.unwrap();
            let refused = site.engine.skip(&id, "please", "tester").unwrap_err();
            assert!(
                matches!(&refused, ControlError::NotNow(text) if text.contains(why)),
                "{refused}"
            );
            let commands = &held.parked().unwrap().commands;
            assert!(!commands.iter().any(|c| c.contains("skip")), "{commands:?}");
            assert_eq!(site.state(&id), held, "nothing was changed");
        }
    });
}

#[test]
fn what_is_not_held_or_goes_back_is_not_skipped() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Hangs);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(site.engine.skip(&id, "please", "tester").is_err(), "it runs");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(site.state(&id).held.unwrap().cause(), HoldCause::Stalled);
        let runs = site.engine.skip(&id, "please", "tester").unwrap_err();
        assert!(runs.to_string().contains("may still run"), "{runs}");
        site.engine.control(&id, ControlKind::Pause, "tester").unwrap();
        assert!(site.engine.skip(&id, "please", "tester").is_err());
    });
}

#[test]
fn a_skipped_step_is_taken_back_with_the_others() {
    run(async {
        let site = Site::new();
        let id = held_at_last(&site).await;
        site.engine.skip(&id, "not needed", "tester").unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        site.settle(&id).await.unwrap();
        site.engine.control(&id, ControlKind::Undo, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Undone));
        site.assert_as_before();
    });
}

#[test]
fn a_crash_at_every_append_of_a_skip_is_survived() {
    let scenario = async |site: &mut Site, crash: Option<Crash>| {
        let id = held_at_last(site).await;
        site.agents.intrude("h2", "c");
        let before = site.journal.appends();
        let crash = crash.map(|crash| Crash { at: crash.at + before, ..crash });
        site.journal.crash(crash);
        let asked = site.engine.skip(&id, "done by hand", "tester");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if asked.is_err() || site.settle(&id).await.is_none() {
            site.restart();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if site.settle(&id).await.unwrap().parked().is_some() {
            site.engine.skip(&id, "done by hand", "tester").unwrap();
        }
        (site.finish(&id).await, site.journal.appends() - before)
    };
    run(async {
        let (state, all) = scenario(&mut Site::new(), None).await;
        assert_eq!(state.outcome(), Some(Outcome::Done));
        for at in 1..=all {
            for durable in [false, true] {
                let mut site = Site::new();
                let (state, _) = scenario(&mut site, Some(Crash { at, durable })).await;
                assert_eq!(state.outcome(), Some(Outcome::Done), "crash at {at}, {durable}");
                site.assert_done();
            }
        }
    });
}

#[test]
fn a_plan_from_a_file_does_not_let_go_what_no_planner_would() {
    run(async {
        let site = Site::new();
        let mut plan = site.plan().await;
        for step in &mut plan.steps {
            step.skippable |= matches!(step.kind, Some(step::Kind::Check(_)));
        }
        let refused = site.engine.apply(plan, OnFailure::Hold, "tester").await.unwrap_err();
        assert!(
            matches!(&refused, ApplyError::Invalid(why) if why[0].contains("skippable")),
            "{refused}"
        );
    });
}
