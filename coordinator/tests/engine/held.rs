//! Holds: what they are for, who ends them, and that none covers another up.

use std::sync::atomic::AtomicU32;

use super::*;

#[test]
fn a_held_operation_is_undone_or_abandoned_on_request() {
    run(async {
        for (kind, outcome) in
            [(ControlKind::Undo, Outcome::Undone), (ControlKind::Abandon, Outcome::Abandoned)]
        {
            let site = Site::new();
            site.agents.trouble.lock().unwrap().insert(8, Trouble::Fails);
            let id = site.begin(OnFailure::Hold).await;
            site.settle(&id).await.unwrap();
            assert_eq!(site.journal.locks(), 1, "a held operation keeps its locks");
            site.engine.control(&id, kind, "tester").unwrap();
            let state = site.finish(&id).await;
            assert_eq!(state.outcome(), Some(outcome));
            assert_eq!(site.journal.locks(), 0);
            if kind == ControlKind::Undo {
                site.assert_as_before();
            }
        }
    });
}

#[test]
fn a_changed_picture_holds_as_drift() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(8, Trouble::AnswerLost);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        site.agents.intrude("h3", "foreign");
        let state = site.settle(&id).await.unwrap();
        assert_eq!(state.parked().expect("held").cause(), HoldCause::Drift);
        site.agents.remove("h3", "foreign");
        site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
    });
}

#[test]
fn pause_holds_between_steps_and_resume_goes_on() {
    run(async {
        for ms in (0..1500).step_by(100) {
            let site = Site::new();
            let id = site.begin(OnFailure::Hold).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            if site.engine.control(&id, ControlKind::Pause, "tester").is_err() {
                continue;
            }
            let state = site.settle(&id).await.unwrap();
            if let Some(held) = state.parked() {
                assert_eq!(held.cause(), HoldCause::Paused, "pause at {ms} ms");
                let runs = site.agents.runs.lock().unwrap().len();
                tokio::time::sleep(Duration::from_secs(600)).await;
                assert_eq!(site.agents.runs.lock().unwrap().len(), runs, "paused means paused");
                site.engine.control(&id, ControlKind::Resume, "tester").unwrap();
            }
            assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
            site.assert_done();
        }
    });
}

#[test]
fn a_job_that_does_not_move_is_told_and_goes_on_when_it_moves() {
    run(async {
        let mut agents = MemoryAgents::default();
        agents.job_time = Duration::from_secs(90);
        let site = Site::with(agents, 0);
        let id = site.begin(OnFailure::Hold).await;
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        let causes: Vec<_> = site
            .journal
            .events(&id)
            .into_iter()
            .filter_map(|event| match event.kind {
                Some(event::Kind::Held(held)) => Some(held.cause()),
                _ => None,
            })
            .collect();
        assert!(!causes.is_empty() && causes.iter().all(|c| *c == HoldCause::Stalled));
        assert!(causes.len() <= GOAL.len(), "{} holds: a group must not flap", causes.len());
        site.assert_done();
    });
}

#[test]
fn a_job_that_hangs_can_be_cancelled() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(5, Trouble::Hangs);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(site.engine.summary(&id).unwrap().state, "held");
        site.engine.control(&id, ControlKind::Cancel, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Cancelled));
        site.assert_as_before();
    });
}

/// A single reading that is missing just then is no failure of the act.
#[test]
fn what_cannot_be_resolved_yet_is_asked_for_again_for_a_while() {
    run(async {
        // The last one is for ever; then nothing was done that could be held.
        for (times, outcome) in [(3, Outcome::Done), (u32::MAX, Outcome::Undone)] {
            let mut site = Site::new();
            let unresolved = AtomicU32::new(times);
            site.systems = Arc::new(Shelf { unresolved, ..Shelf::default() });
            site.engine = start(&site.agents, &site.systems, &site.journal, &site.clock);
            let id = site.begin(OnFailure::Hold).await;
            let state = site.settle(&id).await.unwrap();
            assert_eq!(state.outcome(), Some(outcome), "{times} times");
        }
    });
}

#[test]
fn a_host_that_goes_away_during_a_job_is_waited_for() {
    run(async {
        let site = Site::new();
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_millis(450)).await;
        site.agents.unreachable.lock().unwrap().insert("h2".into());
        tokio::time::sleep(Duration::from_secs(20)).await;
        site.agents.unreachable.lock().unwrap().clear();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
    });
}

#[test]
fn a_host_that_never_comes_back_is_told_and_the_operation_can_be_given_up() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Hangs);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        site.agents.unreachable.lock().unwrap().insert("h2".into());
        tokio::time::sleep(Duration::from_secs(60)).await;
        let held = site.state(&id).held.expect("a stall");
        assert_eq!(held.cause(), HoldCause::Stalled);
        assert!(held.text.contains("h2 does not answer"), "{}", held.text);
        site.engine.control(&id, ControlKind::Abandon, "tester").unwrap();
        assert_eq!(site.settle_or_rest(&id).await.outcome(), Some(Outcome::Abandoned));
        assert_eq!(site.journal.locks(), 0);
        // When it comes back, what still runs there is ended, and its fence goes.
        site.agents.unreachable.lock().unwrap().clear();
        site.finish(&id).await;
        assert_eq!(site.agents.fences_left(), 0);
    });
}

#[test]
fn a_pause_does_not_cover_a_failure_up() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Fails);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        while !site.state(&id).acts.contains_key(&8) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        site.engine.control(&id, ControlKind::Pause, "tester").unwrap();
        let state = site.settle(&id).await.unwrap();
        assert_eq!(state.parked().unwrap().cause(), HoldCause::Failed);
    });
}

#[test]
fn a_cancel_is_not_lost_to_a_pause() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Hangs);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        site.engine.control(&id, ControlKind::Cancel, "tester").unwrap();
        for kind in [ControlKind::Pause, ControlKind::Cancel, ControlKind::Resume] {
            let refused = site.engine.control(&id, kind, "tester").unwrap_err().to_string();
            assert!(refused.contains("under way"), "{refused}");
        }
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Cancelled));
    });
}

#[test]
fn what_nobody_knows_is_not_taken_back_blindly() {
    run(async {
        for restart in [false, true] {
            let mut site = Site::new();
            site.agents.trouble.lock().unwrap().insert(5, Trouble::Hangs);
            let id = site.begin(OnFailure::Hold).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            site.agents.blind.lock().unwrap().insert("h2".into());
            if restart {
                // Dies as soon as the cancel is on disk, before anything is made of it.
                site.journal.crash(Some(Crash { at: site.journal.appends() + 2, durable: false }));
            }
            site.engine.control(&id, ControlKind::Cancel, "tester").unwrap();
            let mut state = site.settle(&id).await;
            if restart {
                assert!(state.is_none());
                site.restart();
                state = site.settle(&id).await;
            }
            let held = state.unwrap().parked().cloned().expect("held");
            assert_eq!(held.cause(), HoldCause::Unknown, "{}", held.text);
            let undone = site.agents.runs.lock().unwrap().iter().any(|(act, _)| *act == 105);
            assert!(!undone, "taken back blindly");
            site.agents.blind.lock().unwrap().clear();
            site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            let state = site.state(&id);
            if state.outcome().is_none() {
                site.engine.control(&id, ControlKind::Undo, "tester").unwrap();
            }
            let state = site.finish(&id).await;
            assert!(matches!(state.outcome(), Some(Outcome::Cancelled | Outcome::Undone)));
            site.assert_as_before();
        }
    });
}

#[test]
fn a_plan_of_another_version_waits_for_a_decision_after_an_upgrade() {
    run(async {
        let mut site = Site::new();
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Hangs);
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        site.journal.crash(Some(Crash { at: site.journal.appends() + 1, durable: false }));
        let _ = site.engine.control(&id, ControlKind::Pause, "tester");
        assert!(site.settle(&id).await.is_none());
        site.systems = Arc::new(Shelf { revision: 2, ..Shelf::default() });
        site.restart();
        let held = site.settle(&id).await.unwrap().parked().cloned().expect("held");
        assert_eq!(held.cause(), HoldCause::Decision);
        assert!(held.text.contains("plan anew"), "{}", held.text);
        site.engine.control(&id, ControlKind::Undo, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Undone));
        site.assert_as_before();
    });
}

/// A node that is being emptied takes hours, and is taken back all the same.
#[test]
fn an_undo_waits_as_long_as_what_it_waits_for_moves() {
    for moves in [true, false] {
        run(async move {
            let mut site = Site::new();
            site.systems = Arc::new(Shelf { undo_at: 8, ..Shelf::default() });
            site.engine = start(&site.agents, &site.systems, &site.journal, &site.clock);
            site.agents.trouble.lock().unwrap().insert(8, Trouble::Fails);
            let id = site.begin(OnFailure::Hold).await;
            site.settle(&id).await.unwrap();
            site.engine.control(&id, ControlKind::Undo, "tester").unwrap();
            for thing in 0..8 {
                // Longer than anything else is waited for.
                tokio::time::sleep(Duration::from_secs(120)).await;
                if moves {
                    assert!(!matches!(site.state(&id).mode, state::Mode::Closed(_)));
                    site.agents.intrude("h2", &format!("thing {thing}"));
                }
            }
            let state = site.settle(&id).await.unwrap();
            match moves {
                true => assert_eq!(state.outcome(), Some(Outcome::Undone)),
                false => assert_eq!(state.parked().expect("held").cause(), HoldCause::Failed),
            }
        });
    }
}
