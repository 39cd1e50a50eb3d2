//! An operation whose record is damaged: held as it is, whatever is asked but to give it up.

use super::*;

/// Killed after so many events, one of them lost meanwhile, and started again.
async fn damaged(events: usize, lost: u64) -> (Site, String) {
    let mut site = Site::new();
    let id = site.begin(OnFailure::Hold).await;
    site.journal.crash(Some(Crash { at: events, durable: true }));
    assert!(site.settle(&id).await.is_none());
    site.journal.lose(&id, lost);
    site.restart();
    (site, id)
}

#[tokio::test(start_paused = true)]
async fn it_stays_held_with_its_locks_until_it_is_given_up() {
    for (events, lost) in [(3, 2), (9, 2), (9, 6), (12, 12), (14, 5)] {
        let (mut site, id) = damaged(events, lost).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        for kind in
            [ControlKind::Retry, ControlKind::Resume, ControlKind::Undo, ControlKind::Cancel]
        {
            let refused = site.engine.control(&id, kind, "tester").unwrap_err().to_string();
            assert!(refused.contains(&format!("event {lost} is missing")), "{refused}");
        }
        assert_eq!((site.journal.events(&id).len(), site.journal.locks()), (events, 1));
        let summary = site.engine.summary(&id).unwrap();
        assert_eq!((summary.state.as_str(), summary.cluster.as_str()), ("held", "shelf"));
        assert_eq!(summary.damage, format!("event {lost} is missing"));
        assert!(summary.damage_remedy.contains("bellows store restore"), "{summary:?}");
        assert_eq!(site.engine.damaged(), [summary]);

        // A crash between the wish and its end gives it up too.
        site.journal.crash(Some(Crash { at: site.journal.appends() + 2, durable: false }));
        site.engine.control(&id, ControlKind::Abandon, "tester").unwrap();
        let failed = tokio::time::timeout(Duration::from_secs(60), site.engine.fatal()).await;
        failed.expect("it rests");
        site.restart();
        let state = site.finish(&id).await;
        assert_eq!(state.outcome(), Some(Outcome::Abandoned));
        let rested = site.journal.events(&id).into_iter().find_map(|event| match event.kind {
            Some(event::Kind::Rested(rested)) => Some(rested),
            _ => None,
        });
        let left = rested.unwrap().left.join("; ");
        assert!(left.contains(&format!("event {lost} is missing")), "{left}");
        assert_eq!((site.journal.locks(), site.agents.fences_left()), (0, 0));
        assert_eq!(site.engine.damaged(), []);
        site.assert_runs_are_unique();
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_plan_it_cannot_be_given_up_and_others_go_on() {
    let (site, id) = damaged(9, 1).await;
    for kind in [ControlKind::Abandon, ControlKind::Retry] {
        let error = site.engine.control(&id, kind, "tester").unwrap_err();
        let ControlError::Damaged { damage, remedy } = error else { panic!("{error}") };
        assert_eq!(damage, "event 1 is missing");
        assert!(remedy.contains("bellows store restore"), "{remedy}");
    }
    let found = site.engine.damaged();
    assert_eq!((found[0].operation.as_str(), found[0].state.as_str()), (id.as_str(), "held"));
    assert_eq!(site.journal.locks(), 1, "its lock is kept");
}

#[tokio::test(start_paused = true)]
async fn doubt_adds_nothing_to_it() {
    let (site, id) = damaged(9, 4).await;
    let doubted = start(&site.agents, &site.systems, &site.journal, &site.clock);
    doubted.recover(Some("the store's tail may be lost")).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(site.journal.events(&id).len(), 9);
}
