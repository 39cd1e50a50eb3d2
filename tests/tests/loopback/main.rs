//! End to end on loopback addresses, with real PostgreSQL and repmgr, asserted in SQL. Belongs
//! to `make test`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod audit;
mod recover;
mod reenrol;
mod rotate;
mod two_coordinators;

use std::time::Duration;

use anyhow::Result;
use bellows_proto::v1::Plan;
use bellows_tests::{
    demo::{self, Stage},
    foreign,
    front::{Hook, Pool},
    reap,
    site::{Host, Site, User},
    snapshot::Snapshot,
    sql,
    writer::{TABLE, Writer},
};

/// Shows the logs' ends where a part did not hold.
fn held<T>(stage: &Stage, what: &str, outcome: Result<T>) -> T {
    outcome.unwrap_or_else(|error| panic!("{what}: {error:#}\n{}", stage.site.last_words()))
}

/// Plays on a site of so many hosts.
async fn on_a_site(hosts: usize, play: impl AsyncFnOnce(&mut Stage) -> Result<()>) {
    let mut stage = Box::pin(Stage::set(hosts)).await.unwrap();
    let played = Box::pin(play(&mut stage)).await;
    held(&stage, "played", played);
    stage.site.down().unwrap();
}

/// A cluster with rows in it: so many hosts, of them so many members, never fewer than `minimum`.
async fn filled(hosts: usize, members: usize, minimum: usize) -> Stage {
    let mut stage = Box::pin(Stage::set(hosts)).await.unwrap();
    let created = Box::pin(demo::create(&mut stage, members, minimum)).await;
    held(&stage, "create", created);
    held(&stage, "fill", demo::fill(&stage).await);
    stage
}

/// The same with a writer, whose first rows are there.
async fn under_a_writer(hosts: usize, members: usize, minimum: usize) -> (Stage, Writer) {
    let stage = Box::pin(filled(hosts, members, minimum)).await;
    let addresses = stage.addresses().unwrap();
    let writer = Writer::start(&addresses, &demo::application()).await.unwrap();
    writes(&writer, 20).await;
    (stage, writer)
}

/// So many rows more are acknowledged. A failover takes repmgrd half a minute.
async fn writes(writer: &Writer, more: usize) {
    let seen = writer.tally().acknowledged.len();
    writer.reaches(seen + more, Duration::from_secs(60)).await.unwrap();
}

async fn nothing_is_lost_or_doubled(stage: &Stage, writer: Writer) {
    let rows = held(stage, "rows", demo::look_for(stage, writer).await);
    assert_eq!(rows.missing_in_all(), 0, "{:?}", rows.missing);
    let findings = held(stage, "tool runs", stage.duplicates().await);
    assert_eq!(findings.duplicates, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_and_shrinks_through_a_kill_and_a_cancel() {
    let (mut stage, writer) = Box::pin(under_a_writer(4, 2, 2)).await;

    let expanded = Box::pin(demo::expand_with_kill(&mut stage, 3)).await;
    held(&stage, "expand with a killed coordinator", expanded);
    let cancelled = Box::pin(demo::expand_cancelled(&stage, 4)).await;
    held(&stage, "cancelled expand", cancelled);
    let shrunk = Box::pin(demo::shrink(&mut stage, 2)).await;
    held(&stage, "shrink", shrunk);
    let (refusals, _) = held(&stage, "refusal", Box::pin(demo::refused(&stage, 3)).await);
    assert!(refusals.iter().any(|one| one.rule.contains("minimum")), "{refusals:?}");

    writer.reaches(100, Duration::from_secs(30)).await.unwrap();
    nothing_is_lost_or_doubled(&stage, writer).await;
    let rested: Vec<_> = stage
        .site
        .operations()
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.summary.unwrap())
        .map(|one| format!("{} {}", one.kind, one.state))
        .collect();
    assert_eq!(rested, ["create done", "expand done", "expand cancelled", "shrink done"]);

    let folders = stage.site.folders();
    stage.site.down().unwrap();
    assert!(reap::processes(&folders).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_adopts_its_clone_and_a_paused_expand_is_planned_anew() {
    let mut stage = Box::pin(filled(4, 2, 2)).await;
    let expanded = Box::pin(demo::expand_with_agent_kill(&mut stage, 3)).await;
    held(&stage, "expand with a killed agent", expanded);
    let anew = Box::pin(demo::expand_planned_anew(&stage, 4)).await;
    held(&stage, "expand planned anew", anew);
    held(&stage, "back to an earlier version", Box::pin(demo::goes_back(&stage)).await);
    let findings = held(&stage, "tool runs", stage.duplicates().await);
    assert_eq!(findings.duplicates, Vec::<String>::new());
    stage.site.down().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_dead_for_good_is_replaced_and_never_starts_again() {
    let (mut stage, writer) = Box::pin(under_a_writer(4, 3, 3)).await;
    let dead = demo::a_standby(&stage).await;
    let dead = held(&stage, "a standby", dead);
    let died = demo::dies(&mut stage, dead).await;
    held(&stage, "the host dies", died);
    let replaced = Box::pin(demo::replace_dead(&mut stage, dead, 4)).await;
    held(&stage, "replace", replaced);
    let back = demo::comes_back(&mut stage, dead).await;
    held(&stage, "the host comes back", back);
    writer.reaches(100, Duration::from_secs(30)).await.unwrap();
    nothing_is_lost_or_doubled(&stage, writer).await;
    // What the coordinator did by itself is in both audit logs.
    let verified = stage.site.cli().run(&["audit", "verify"]).await.unwrap();
    verified.expect_code(0).unwrap();
    // It has what it was owed, says so, and may leave.
    let host = format!("h{dead}");
    let removed = stage.site.cli().run(&["host", "remove", &host, "--yes"]).await.unwrap();
    removed.expect_code(0).unwrap();
    stage.site.down().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_moves_is_replaced_and_then_leaves_under_a_writer() {
    let (mut stage, writer) = Box::pin(under_a_writer(4, 3, 2)).await;

    held(&stage, "switchover", Box::pin(demo::switchover(&stage, 2)).await);
    // And back: what the first one left must not be in the way of the second.
    held(&stage, "switchover back", Box::pin(demo::switchover(&stage, 1)).await);
    // It has found the primary again.
    writes(&writer, 1).await;
    let words = ["shrink", demo::CLUSTER, "--node", "pg1", "--dry-run"];
    let plan: Plan = stage.site.cli().json(&words).await.unwrap();
    let told = |text: &str| text.starts_with("connected to pg1 now, and cut off when it stops: 1");
    assert!(plan.notes.iter().any(|note| told(&note.text)), "the writer: {:#?}", plan.notes);
    let replaced = Box::pin(demo::replace(&mut stage, 1, 4)).await;
    held(&stage, "replace of the primary", replaced);
    let shrunk = Box::pin(demo::shrink(&mut stage, 2)).await;
    held(&stage, "shrink of the primary", shrunk);
    writes(&writer, 20).await;

    nothing_is_lost_or_doubled(&stage, writer).await;
    stage.site.down().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_restarted_and_lets_others_in_under_a_writer() {
    let (mut stage, writer) = Box::pin(under_a_writer(3, 3, 2)).await;

    let primary = held(&stage, "restart", Box::pin(demo::restart(&stage, false)).await);
    assert_eq!(primary, stage.address(2).unwrap());
    held(&stage, "restart in place", Box::pin(demo::restart(&stage, true)).await);
    let reconfigured = Box::pin(demo::reconfigure(&mut stage)).await;
    held(&stage, "reconfigure", reconfigured);
    writes(&writer, 20).await;

    nothing_is_lost_or_doubled(&stage, writer).await;
    stage.site.down().unwrap();
}

/// `refusals` of a command that was refused: code, host and value.
async fn refusals(site: &Site, words: &[&str]) -> Vec<(String, String, String)> {
    let ended = site.cli().run(&[words, &["--output", "json"]].concat()).await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(ended.expect_code(5).unwrap()).unwrap();
    let list = answer["refusals"]["refusals"].as_array().unwrap();
    let text = |one: &serde_json::Value, key| one[key].as_str().unwrap_or_default().to_owned();
    list.iter().map(|one| (text(one, "code"), text(one, "host"), text(one, "value"))).collect()
}

/// The files of settings of a cluster that was built by hand.
fn files(site: &Site) -> Snapshot {
    let mut seen = Snapshot::default();
    for agent in &site.agents()[..2] {
        let folder = foreign::configuration(&agent.host);
        seen.add_files(&agent.host.name, &folder).unwrap();
    }
    seen
}

/// What a cluster that was built by hand is: its servers' words, and its files.
async fn as_it_is(site: &Site, members: usize) -> Snapshot {
    let addresses = site.host_addresses();
    let mut seen =
        Snapshot::of_members(&addresses[..members], &foreign::superuser()).await.unwrap();
    for agent in &site.agents()[..2] {
        let folder = foreign::configuration(&agent.host);
        seen.add_files(&agent.host.name, &folder).unwrap();
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_built_by_hand_is_adopted_moved_and_shrunk() {
    let mut site = Box::pin(Site::up(3, foreign::configure)).await.unwrap();
    let hosts: Vec<Host> = site.agents().iter().map(|agent| agent.host.clone()).collect();
    let user = User::of_the_servers().unwrap();
    foreign::build(&hosts[..2], &user).await.unwrap();
    let before = as_it_is(&site, 2).await;
    let from = |number: usize| format!("h{number}:{}", foreign::PORT);
    let (first, second) = (from(1), from(2));
    let adopt = ["cluster", "adopt", "shop", "--system", "postgresql", "--host", &first, "--yes"];

    // Root of each host has not allowed it yet: the line that does is in the refusal.
    let clients = ["--option", "client_networks=127.0.0.0/8"];
    let both = [&adopt[..], &["--host", &second], &clients].concat();
    for (code, host, value) in refusals(&site, &both).await {
        assert_eq!(code, "PG-62", "{value}");
        let line = value.split_once(": ").unwrap().1;
        let index = usize::from(host == "h2");
        let file = hosts[index].folder.join("agent.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}{line}\n")).unwrap();
        site.agent(index).unwrap().kill().await.unwrap();
        site.agent(index).unwrap().start().await.unwrap();
    }
    site.connected().await.unwrap();
    // A member that nobody named.
    let codes: Vec<_> = refusals(&site, &adopt).await.into_iter().map(|one| one.0).collect();
    assert_eq!(codes, ["PG-64"]);

    site.cli().run(&both).await.unwrap().expect_code(0).unwrap();
    assert_eq!(before.differences(&as_it_is(&site, 2).await), Vec::<String>::new());
    let status = site.cli().run(&["status", "shop", "--fresh"]).await.unwrap();
    let status = status.expect_code(0).unwrap();
    assert!(status.contains("adopted") && !status.contains("PROBLEM"), "{status}");

    // It grows under a writer, and PostgreSQL says so.
    let addresses = site.host_addresses();
    let mut writer = Writer::start(&addresses[..2], &foreign::application()).await.unwrap();
    let port = format!("port={}", foreign::PORT);
    let expand = ["expand", "shop", "--node", "pg3@h3", "--option", &port, "--yes"];
    site.cli().run(&expand).await.unwrap().expect_code(0).unwrap();
    let primary = sql::primary(&addresses, &foreign::superuser()).await.unwrap();
    let names: Vec<_> = primary.members().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["pg1", "pg2", "pg3"]);
    assert!(primary.senders().await.unwrap().iter().all(|one| one.state == "streaming"));
    let has_slot = |slots: &[sql::Slot]| slots.iter().any(|slot| slot.name == foreign::SLOT);
    assert!(has_slot(&primary.slots().await.unwrap()));

    // The role moves between servers that Bellows did not make; the former primary is started anew, and
    // leaves.
    drop(primary);
    let settings = files(&site);
    for words in [
        &["switchover", "shop", "--to", "pg2", "--yes"][..],
        &["restart", "shop", "--node", "pg1", "--yes"],
    ] {
        site.cli().run(words).await.unwrap().expect_code(0).unwrap();
        let primary = sql::Server::connect(&addresses[1], &foreign::superuser()).await.unwrap();
        let streaming = primary.streaming().await.unwrap();
        assert!(streaming.iter().eq(["pg1", "pg3"]), "{words:?}: {streaming:?}");
        assert!(!has_slot(&primary.slots().await.unwrap()));
        let former = sql::Server::connect(&addresses[0], &foreign::superuser()).await.unwrap();
        let slots: Vec<_> = former.slots().await.unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(slots, [foreign::SLOT], "{words:?}");
        writes(&writer, 20).await;
    }
    let wipe = ["shrink", "shop", "--node", "pg1", "--option", "data=wipe", "--yes"];
    let codes: Vec<_> = refusals(&site, &wipe).await.into_iter().map(|one| one.0).collect();
    assert_eq!(codes, ["PG-67"]);
    let shrink = ["shrink", "shop", "--node", "pg1", "--yes"];
    site.cli().run(&shrink).await.unwrap().expect_code(0).unwrap();
    let left = foreign::folder(&hosts[0]);
    assert!(left.join("data/PG_VERSION").exists() && !left.join("data/postmaster.pid").exists());
    assert_eq!(settings.differences(&files(&site)), Vec::<String>::new());

    writes(&writer, 20).await;
    let tally = writer.finish().await.unwrap();
    let primary = sql::primary(&addresses[1..], &foreign::superuser()).await.unwrap();
    let names: Vec<_> = primary.members().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["pg2", "pg3"]);
    let written = primary.written().await.unwrap();
    let new = sql::Server::connect(&addresses[2], &foreign::superuser()).await.unwrap();
    new.replayed(&written, Duration::from_secs(30)).await.unwrap();
    let copy = sql::Server::connect(&addresses[2], &foreign::application()).await.unwrap();
    let there = copy.ids(TABLE).await.unwrap();
    assert_eq!(tally.acknowledged.difference(&there).count(), 0);
    let folders = site.folders();
    site.down().unwrap();
    assert!(reap::processes(&folders).is_empty());
}

/// After a crash only a copy comes back; after a shutdown the data that are there do.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_primary_comes_back_under_a_writer() {
    let (stage, writer) = Box::pin(under_a_writer(3, 3, 2)).await;

    let old = demo::fails_over(&stage, demo::End::Killed).await;
    let old = held(&stage, "failover after a crash", old);
    // Replication is not synchronous: what was acknowledged last before the crash may be lost.
    let before = writer.tally().acknowledged.last().copied().unwrap();
    writes(&writer, 20).await;
    held(&stage, "refusal", demo::rejoin_refused(&stage, old).await);
    held(&stage, "rejoin with a copy", Box::pin(demo::rejoin(&stage, old, true)).await);

    let old = demo::fails_over(&stage, demo::End::Stopped).await;
    let old = held(&stage, "failover after a shutdown", old);
    held(&stage, "rejoin with its data", Box::pin(demo::rejoin(&stage, old, false)).await);
    writes(&writer, 20).await;

    let rows = held(&stage, "rows", demo::look_for_after(&stage, writer, before).await);
    assert_eq!(rows.missing_in_all(), 0, "{:?}", rows.missing);
    let mut findings = held(&stage, "tool runs", stage.duplicates().await);
    // repmgrd runs these by itself; no step of a return does.
    let of_repmgrd = ["standby promote", "standby follow", " reload"];
    findings.duplicates.retain(|one| !of_repmgrd.iter().any(|run| one.contains(run)));
    assert_eq!(findings.duplicates, Vec::<String>::new());
    stage.site.down().unwrap();
}

/// What root of a host and the administrator of the site write down, and both programs read again.
async fn declare(stage: &mut Stage, index: usize, declarations: &str, fronts: &str) {
    let file = stage.site.agents()[index].host.folder.join("agent.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{declarations}")).unwrap();
    stage.site.agent(index).unwrap().kill().await.unwrap();
    stage.site.agent(index).unwrap().start().await.unwrap();
    // Its last section is [postgresql].
    let file = stage.site.coordinator().folder().join("site.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{fronts}\n")).unwrap();
    stage.site.coordinator().kill().await.unwrap();
    stage.site.coordinator().start().await.unwrap();
    stage.site.connected().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_front_follows_under_a_writer() {
    let (mut stage, writer) = Box::pin(under_a_writer(4, 2, 2)).await;
    let login = demo::application();
    let host = stage.site.agents()[3].host.clone();
    let user = User::of_the_servers().unwrap();
    let addresses = stage.addresses().unwrap();
    let pool = Pool::start(&host, &user, &addresses, &login).await;
    let pool = held(&stage, "Pgpool-II", pool);
    let nodes: Vec<_> = ["pg1", "pg2"].map(str::to_owned).into_iter().zip(addresses).collect();
    let hook = Hook::place(&host, &nodes, login.port).unwrap();
    let declarations = pool.declaration(demo::CLUSTER) + &hook.declaration(demo::CLUSTER);
    let fronts = format!("fronts = {{ {} = [\"pool@h4\", \"web@h4\"] }}", demo::CLUSTER);
    Box::pin(declare(&mut stage, 3, &declarations, &fronts)).await;

    let expand = ["expand", demo::CLUSTER, "--node", "pg3@h3", "--yes"];
    let ended = stage.site.cli().run(&expand).await.unwrap();
    let told = held(&stage, &pool.last_words(), ended.expect_code(0).map(str::to_owned));
    assert!(told.contains("libpq through pool on h4: postgresql://"), "{told}");
    stage.members.insert(3);
    assert_eq!(hook.served().unwrap(), ["pg1*", "pg2", "pg3"]);
    lands(&stage, &pool, 1).await;

    // Nobody tells Pgpool-II of the role but Bellows.
    held(&stage, &pool.last_words(), Box::pin(demo::switchover(&stage, 3)).await);
    assert_eq!(hook.served().unwrap(), ["pg1", "pg2", "pg3*"]);
    lands(&stage, &pool, 3).await;

    let shrunk = Box::pin(demo::shrink(&mut stage, 1)).await;
    held(&stage, &pool.last_words(), shrunk);
    assert_eq!(hook.served().unwrap(), ["pg2", "pg3*"]);
    lands(&stage, &pool, 3).await;

    let status = stage.site.cli().run(&["status", demo::CLUSTER, "--fresh"]).await.unwrap();
    let status = status.expect_code(0).unwrap();
    assert!(!status.contains("problem:"), "{status}");
    nothing_is_lost_or_doubled(&stage, writer).await;
    stage.site.down().unwrap();
}

/// A client through Pgpool-II writes at the primary.
async fn lands(stage: &Stage, pool: &Pool, primary: usize) {
    let landed = held(stage, &pool.last_words(), pool.lands(&demo::application()).await);
    assert_eq!(landed, format!("{} false", stage.address(primary).unwrap()));
}
