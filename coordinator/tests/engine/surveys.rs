//! Surveys: slow readings count for a step only if they began after it, and are waited for without losing
//! patience; a plan may be made of older ones.

use bellows_proto::v1::{Event, watch_update};

use super::*;

/// A site whose wait and whose last act are judged by a survey that takes so long.
fn surveyed(length: Duration) -> Site {
    let mut site = Site::new();
    site.systems = Arc::new(Shelf { surveyed: true, ..Shelf::default() });
    site.engine = start(&site.agents, &site.systems, &site.journal, &site.clock);
    site.agents.survey.lock().unwrap().length_ms = length.as_millis() as i64;
    site
}

fn at(site: &Site, id: &str, is: impl Fn(&event::Kind) -> bool) -> i64 {
    let events = site.journal.events(id);
    let found = |event: &&Event| event.kind.as_ref().is_some_and(&is);
    events.iter().find(found).map(|event| event.at_ms).expect("the event")
}

fn began(step: u32) -> impl Fn(&event::Kind) -> bool {
    move |kind| matches!(kind, event::Kind::StepStarted(it) if it.step == step)
}

fn done(step: u32) -> impl Fn(&event::Kind) -> bool {
    move |kind| matches!(kind, event::Kind::StepSucceeded(it) if it.step == step)
}

/// Until a survey is asked for because of a step.
async fn until_asked_after(site: &Site, id: &str, act: u32) {
    while !site.state(id).acts.contains_key(&act) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let asked = site.agents.survey.lock().unwrap().asked.len();
    while site.agents.survey.lock().unwrap().asked.len() == asked {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_wait_counts_only_a_survey_that_began_after_it() {
    run(async {
        let site = surveyed(Duration::from_secs(5));
        // The last survey saw enough; it is gone since.
        site.agents.intrude("h1", "foreign 1");
        site.agents.intrude("h1", "foreign 2");
        let plan = site.plan().await;
        site.agents.remove("h1", "foreign 1");
        site.agents.remove("h1", "foreign 2");
        // Due again, and still young enough for a plan.
        tokio::time::sleep(Duration::from_secs(100)).await;
        let before = site.agents.survey.lock().unwrap().began.len();
        let id = site.engine.apply(plan, OnFailure::Hold, "tester").await.unwrap();
        assert_eq!(site.agents.survey.lock().unwrap().began.len(), before, "it serves a plan");
        let mut viewer = site.engine.subscribe(&id).unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        let (begun, ended) = (at(&site, &id, began(7)), at(&site, &id, done(7)));
        let survey = site.agents.survey.lock().unwrap();
        let counted = *survey.began.get(before).expect("another survey");
        assert!(
            begun <= counted && ended >= counted + survey.length_ms,
            "{begun} {counted} {ended}"
        );
        // No step before it needed one.
        let first = survey.asked.iter().find(|at| **at > begun - 200).unwrap();
        assert!(*first >= begun, "asked at {first}, the wait began at {begun}");
        drop(survey);
        let mut told = Vec::new();
        while let Ok(update) = viewer.try_recv() {
            if let Some(watch_update::Kind::Progress(progress)) = update.kind {
                told.push((progress.step, progress.text));
            }
        }
        let shown = (7, "host h1: a survey is under way since 1 s".to_owned());
        assert!(told.contains(&shown), "{told:?}");
    });
}

#[test]
fn a_survey_that_takes_longer_than_patience_is_waited_for() {
    run(async {
        // The wait has one, and the next is due 400 s later, for the probe.
        let site = surveyed(Duration::from_secs(40));
        let id = site.begin(OnFailure::Hold).await;
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
        let held = |event: &Event| matches!(event.kind, Some(event::Kind::Held(_)));
        assert!(!site.journal.events(&id).iter().any(held), "it was held");
        let survey = site.agents.survey.lock().unwrap();
        assert_eq!(survey.began.len(), 3, "for the plan, the wait and the probe");
        assert!(survey.began.windows(2).all(|two| two[1] - two[0] >= 11 * survey.length_ms));
    });
}

#[test]
fn a_cancel_or_a_pause_ends_the_waiting_for_a_survey() {
    for kind in [ControlKind::Cancel, ControlKind::Pause] {
        run(async move {
            let site = surveyed(Duration::from_secs(40));
            let id = site.begin(OnFailure::Hold).await;
            until_asked_after(&site, &id, 8).await;
            let asked_at = memory::now_ms();
            site.engine.control(&id, kind, "tester").unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
            match kind {
                ControlKind::Cancel => {
                    let turned = |kind: &event::Kind| matches!(kind, event::Kind::UndoStarted(_));
                    assert!(at(&site, &id, turned) <= asked_at + 1000);
                    // How the act ended is still to be known: its probe is waited for again.
                    assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Cancelled));
                    site.assert_as_before();
                }
                _ => {
                    let held = site.state(&id).parked().cloned().expect("held");
                    assert_eq!(held.cause(), HoldCause::Paused);
                    site.engine.control(&id, ControlKind::Resume, "tester").unwrap();
                    assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
                    site.assert_done();
                }
            }
        });
    }
}

#[test]
fn a_pause_while_going_back_does_not_make_an_act_unknown() {
    run(async {
        let site = surveyed(Duration::from_secs(40));
        let id = site.begin(OnFailure::Hold).await;
        until_asked_after(&site, &id, 8).await;
        site.engine.control(&id, ControlKind::Cancel, "tester").unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        site.engine.control(&id, ControlKind::Pause, "tester").unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let held = site.state(&id).parked().cloned().expect("held");
        assert_eq!(held.cause(), HoldCause::Paused, "{}", held.text);
        site.engine.control(&id, ControlKind::Resume, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Cancelled));
        site.assert_as_before();
    });
}

#[test]
fn a_newer_coordinator_ends_the_waiting_too() {
    run(async {
        let site = surveyed(Duration::from_secs(40));
        let id = site.begin(OnFailure::Hold).await;
        until_asked_after(&site, &id, 8).await;
        site.engine.set_read_only(Some("another one leads".into()));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(site.engine.subscribe(&id).is_none(), "it goes on");
    });
}

#[test]
fn a_plan_waits_for_a_survey_but_not_for_ever() {
    for (length, waits) in [(30, 30), (7200, 600)] {
        run(async move {
            let site = surveyed(Duration::from_secs(length));
            let began = tokio::time::Instant::now();
            site.plan().await;
            let waited = began.elapsed().as_secs();
            assert!((waits..waits + 5).contains(&waited), "{waited} s");
        });
    }
}

#[test]
fn a_look_takes_what_is_there() {
    run(async {
        let site = surveyed(Duration::from_secs(30));
        site.plan().await;
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        let began = tokio::time::Instant::now();
        let spec = bellows::spec::blank("shelf", System::Postgresql);
        let seen = site.engine.observe(&spec, None).await;
        assert!(seen.hosts.iter().all(|reading| {
            matches!(reading.outcome, Some(bellows_proto::v1::host_reading::Outcome::Facts(_)))
        }));
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(site.agents.survey.lock().unwrap().began.len(), 1);
    });
}
