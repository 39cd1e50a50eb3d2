//! What another leader did, and what hosts have that the journal does not know.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_of_another_leader_changes_nothing_any_more() {
    let world = World::start().await;
    assert_eq!(world.create(&["--yes"]).await.code, 0);
    assert_eq!(world.run(&["status"]).await.err, "");
    let other = Term { number: 99, store_id: "other".into(), incarnation: "one".into() };
    world.hosts.allow("h1", Some(&other)).unwrap();

    // A question is enough to hear of it.
    assert_eq!(world.run(&["host", "list"]).await.code, 0);
    let told = world.run(&["status"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    for word in ["read-only: ", "term 99 of store other", "--take-over"] {
        assert!(told.err.contains(word), "{told:?}");
    }
    let seen: Overview = world.json(&["status"]).await;
    assert!(seen.clusters[0].read_only.contains("term 99"), "{seen:?}");
    assert!(seen.site.unwrap().read_only.contains("term 99"));
    let another = ["cluster", "create", "other", "--system", "postgresql", "--node", "n@h2"];
    for words in [
        &[&another[..], &["--yes"]].concat()[..],
        &["host", "token", "h7"],
        &["store", "prune", "--older-than", "9d", "--yes"],
        &["job", "settle", "h1", ID, "--yes"],
    ] {
        let refused = world.run(words).await;
        assert_eq!(refused.code, 5, "{words:?} {refused:?}");
        let why = &refused.err;
        assert!(why.contains("read-only") && why.contains("--take-over"), "{why}");
    }
    assert_eq!(world.run(&["store", "backup", "/nowhere/at/all"]).await.code, 2);
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_not_left_waiting_by_a_coordinator_that_may_change_nothing() {
    let world = World::start().await;
    world.trouble(2, Trouble::Hangs);
    assert_eq!(world.create(&["--yes", "--detach"]).await.code, 0);
    let id = world.newest("running", 2).await;
    let watching = world.command(&["op", "watch", &id]).spawn().unwrap();
    world.hosts.allow("h1", Some(&Term { number: 99, ..Term::default() })).unwrap();
    let _: ListHostsReply = world.json(&["host", "list"]).await;
    for left in [ended(watching).await, world.run(&["op", "watch", &id]).await] {
        assert_eq!(left.code, 130, "{left:?}");
        assert!(left.err.contains("read-only"), "{left:?}");
    }
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_journal_does_not_know_is_told_refused_and_settled() {
    let world = World::start().await;
    let mine = world.running_term().await;
    let fence = PlantFenceRequest {
        cluster: "shelf".into(),
        operation: ID.into(),
        term: Some(mine.clone()),
        ..PlantFenceRequest::default()
    };
    world.hosts.plant_fence("h1", fence).await.unwrap();
    let key = Some(JobKey { operation: ID.into(), act: 3, attempt: 1 });
    let start = StartJobRequest { key, term: Some(mine), ..StartJobRequest::default() };
    world.hosts.start_job("h1", start).await.unwrap();

    let found: ListHostJobsReply = world.json(&["job", "list", "--unknown"]).await;
    let one = &found.jobs[0];
    assert_eq!((found.jobs.len(), found.faults.len()), (1, 0), "{found:?}");
    assert_eq!((one.host.as_str(), one.operation.as_str()), ("h1", ID));
    assert_eq!((one.standing(), one.fenced), (JobStanding::Unknown, true));
    let shown: HostDetail = world.json(&["host", "show", "h1"]).await;
    assert_eq!(shown.unknown_jobs.len(), 1, "{shown:?}");

    // Its fence stands in the way of a plan, before anything begins.
    let refused = world.create(&["--yes"]).await;
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains(&format!("bellows job settle h1 {ID}")), "{refused:?}");
    let list: ListOperationsReply = world.json(&["op", "list"]).await;
    assert!(list.operations.is_empty(), "{list:?}");

    let settle = ["job", "settle", "h1", ID];
    assert_eq!(world.run(&settle).await.code, 2, "nobody is there to agree");
    let runs = world.run(&[&settle[..], &["--yes"]].concat()).await;
    assert_eq!(runs.code, 5, "{runs:?}");
    assert!(runs.err.contains("--end-running"), "{runs:?}");
    let done = world.run(&[&settle[..], &["--yes", "--end-running"]].concat()).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("cancelled"), "{done:?}");
    let left: ListHostJobsReply = world.json(&["job", "list"]).await;
    assert!(left.jobs.is_empty(), "{left:?}");
    assert_eq!(world.run(&[&settle[..], &["--yes"]].concat()).await.code, 2, "nothing is there");
    let log = world.run(&["audit", "--output", "json"]).await.out;
    assert!(log.contains("SettleJobs") && log.contains("what runs is ended"), "{log}");
    assert_eq!(world.create(&["--yes"]).await.code, 0);
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_over_here_but_not_at_a_host_is_told_and_settled() {
    let world = World::start().await;
    assert_eq!(world.create(&["--yes"]).await.code, 0);
    let list: ListOperationsReply = world.json(&["op", "list"]).await;
    let operation = list.operations[0].operation.clone();
    let none: ListHostJobsReply = world.json(&["job", "list"]).await;
    assert!(none.jobs.is_empty(), "it was closed: {none:?}");
    world.hosts.put_back("h2");
    let fence = PlantFenceRequest {
        cluster: "shelf".into(),
        operation: operation.clone(),
        term: Some(world.running_term().await),
        ..PlantFenceRequest::default()
    };
    world.hosts.plant_fence("h2", fence).await.unwrap();
    let found: ListHostJobsReply = world.json(&["job", "list", "--unknown"]).await;
    let standing: Vec<_> = found.jobs.iter().map(|job| (&*job.host, job.standing())).collect();
    assert_eq!(standing, [("h2", JobStanding::Over)]);
    let settle = ["job", "settle", "h2", &operation, "--yes"];
    assert_eq!(world.run(&settle).await.code, 0);
    assert_eq!(world.hosts.fences_left(), 0);
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_operation_is_not_settled_behind_its_back() {
    let world = World::start().await;
    world.trouble(2, Trouble::Fails);
    assert_eq!(world.create(&["--yes"]).await.code, 3);
    let list: ListOperationsReply = world.json(&["op", "list"]).await;
    let id = list.operations[0].operation.clone();
    let refused = world.run(&["job", "settle", "h1", &id, "--yes"]).await;
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("op abandon"), "{refused:?}");
    let known: ListHostJobsReply = world.json(&["job", "list"]).await;
    assert!(known.jobs.iter().all(|job| job.standing() == JobStanding::Known), "{known:?}");
    assert!(known.jobs.iter().any(|job| job.step > 0 && !job.step_title.is_empty()), "{known:?}");
    let unknown: ListHostJobsReply = world.json(&["job", "list", "h1", "--unknown"]).await;
    assert!(unknown.jobs.is_empty(), "{unknown:?}");
    world.running.end().await;
}
