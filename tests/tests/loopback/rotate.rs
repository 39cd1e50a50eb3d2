//! A site goes from its authority to another one, with real programs: under calls, with agents that are off, with
//! a coordinator that is killed in each phase. Who accepts whom is asked by handshakes, not of anybody's word.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bellows_proto::{
    identity::{Identity, Role},
    tls::{self, Credentials},
    v1::{
        GetSiteRequest, HelloRequest, Rotation, agent_client::AgentClient,
        coordinator_client::CoordinatorClient,
    },
};
use bellows_tests::{process, site::Site};

/// A look at all hosts comes at least every 15 s while the authority is rotated.
const LIMIT: Duration = Duration::from_secs(120);
/// Of one handshake.
const DIAL: Duration = Duration::from_secs(5);
/// Where the API is for command lines elsewhere.
const API_PORT: u16 = 7403;

/// A site whose coordinator listens for users elsewhere too.
async fn up(hosts: usize) -> Result<(Site, String)> {
    let mut site = Box::pin(Site::up(hosts, |_, _| Ok(String::new()))).await?;
    let coordinator = site.coordinator();
    let file = coordinator.folder().join("site.toml");
    let text = std::fs::read_to_string(&file)?;
    let (address, _) = coordinator.enrolment_address().rsplit_once(':').context("no port")?;
    let api = format!("{address}:{API_PORT}");
    ensure!(text.contains("[listen]"), "{text}");
    std::fs::write(&file, text.replace("[listen]", &format!("[listen]\napi = \"{api}\"")))?;
    restart(&mut site).await?;
    Ok((site, api))
}

/// Killed, at whatever it does, and started.
async fn restart(site: &mut Site) -> Result<()> {
    site.coordinator().kill().await?;
    site.coordinator().start().await
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn site_id(site: &mut Site) -> Result<String> {
    let text = read(&site.coordinator().folder().join("site.toml"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("id = "));
    Ok(id.context("no id in site.toml")?.trim_matches('"').to_owned())
}

/// Whether a host's agent answers to these, over a new connection.
async fn agent_answers(site: &mut Site, index: usize, own: &Credentials) -> Result<bool> {
    let id = site_id(site)?;
    let agent = site.agents().get(index).context("no such agent")?;
    let name = Identity { site: id, role: Role::Agent, name: agent.host.name.clone() };
    let channel = tls::channel(&agent.address(), &name.dns_name(), tls::client_config(own)?, DIAL)?;
    Ok(AgentClient::new(channel).hello(HelloRequest {}).await.is_ok())
}

/// Whether the coordinator answers a user with these, over a new connection.
async fn coordinator_answers(site: &mut Site, api: &str, own: &Credentials) -> Result<bool> {
    let (site, name) = (site_id(site)?, "coordinator".to_owned());
    let name = Identity { site, role: Role::Coordinator, name };
    let channel = tls::channel(api, &name.dns_name(), tls::client_config(own)?, DIAL)?;
    Ok(CoordinatorClient::new(channel).get_site(GetSiteRequest {}).await.is_ok())
}

fn user(folder: &Path, name: &str) -> Result<Credentials> {
    Ok(Credentials {
        certificate: read(&folder.join(format!("{name}.crt")))?,
        private_key: read(&folder.join(format!("{name}.key")))?,
        authority: read(&folder.join("authority.crt"))?,
    })
}

async fn rotation(site: &Site) -> Result<Rotation> {
    site.cli().json(&["ca", "rotate", "status"]).await
}

async fn rotate(site: &Site, words: &[&str]) -> Result<()> {
    let words = [&["ca", "rotate"], words, &["--yes"]].concat();
    site.cli().run(&words).await?.expect_code(0)?;
    Ok(())
}

/// It is refused, and the refusal says this.
async fn refused(site: &Site, step: &str, why: &str) -> Result<()> {
    let ended = site.cli().run(&["ca", "rotate", step, "--yes"]).await?;
    ensure!(ended.expect_code(0).is_err(), "{step} was not refused");
    ensure!(ended.stderr.contains(why), "{step}: {}", ended.stderr);
    Ok(())
}

async fn reaches(site: &Site, what: &str, holds: impl Fn(&Rotation) -> bool) -> Result<()> {
    let reached = process::until(what, LIMIT, || async { Ok(holds(&rotation(site).await?)) }).await;
    match reached {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!("{:#?}", rotation(site).await?))),
    }
}

async fn ready(site: &Site, phase: &str) -> Result<()> {
    reaches(site, &format!("{phase} is reached"), |now| now.phase == phase && now.ready).await
}

async fn ended(site: &Site) -> Result<()> {
    reaches(site, "it has ended", |now| now.phase == "none").await
}

/// All hosts that lack something, and why.
async fn lacking(site: &Site) -> Result<Vec<String>> {
    let hosts = rotation(site).await?.hosts.into_iter();
    Ok(hosts.filter(|host| !host.lacks.is_empty()).map(|host| host.host).collect())
}

async fn everybody_is_there(site: &Site) -> Result<()> {
    site.connected().await
}

/// Calls all agents until it is told to end: none may ever fail.
fn calls(site: &Site) -> (tokio::task::JoinHandle<Result<usize>>, Arc<AtomicBool>) {
    let (cli, hosts) = (site.cli().clone(), site.agents().len());
    let stop = Arc::<AtomicBool>::default();
    let told = Arc::clone(&stop);
    let calling = tokio::spawn(async move {
        let mut calls = 0;
        while !told.load(Ordering::Relaxed) {
            let there = cli.connected_hosts().await?;
            ensure!(there == hosts, "{there} of {hosts} hosts after {calls} calls");
            calls += 1;
        }
        Ok(calls)
    });
    (calling, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_is_rotated_under_calls_and_what_the_old_one_signed_is_refused() {
    let (mut site, api) = up(3).await.unwrap();
    Box::pin(whole(&mut site, &api)).await.unwrap();
    site.down().unwrap();
}

async fn whole(site: &mut Site, api: &str) -> Result<()> {
    let folder = site.coordinator().folder().to_owned();
    let old_coordinator = site.coordinator().credentials()?;
    let old_admin = user(&folder.join("admin"), "admin")?;
    let (calling, stop) = calls(site);
    rotate(site, &["start"]).await?;
    refused(site, "start", "already").await?;
    ready(site, "trust").await?;
    rotate(site, &["next"]).await?;
    reaches(site, "all hosts", |now| now.hosts.iter().all(|host| host.lacks.is_empty())).await?;
    // What users have is of the old authority: they get another one, and are served all the while.
    refused(site, "next", "user admin (admin)").await?;
    let out = folder.join("second");
    let shown = out.to_string_lossy().into_owned();
    let issue = ["access", "issue", "second", "--role", "admin", "--out", &shown];
    site.cli().run(&issue).await?.expect_code(0)?;
    let new_admin = user(&out, "second")?;
    for one in [&old_admin, &new_admin] {
        ensure!(coordinator_answers(site, api, one).await?, "in phase issue both are served");
    }
    let both = Credentials { authority: new_admin.authority.clone(), ..old_coordinator.clone() };
    for index in 0..3 {
        ensure!(agent_answers(site, index, &both).await?, "the old one still counts");
    }
    rotate(site, &["next", "--without-users"]).await?;
    ended(site).await?;
    stop.store(true, Ordering::Relaxed);
    let calls = calling.await??;
    ensure!(calls > 3, "only {calls} calls");
    refused(site, "back", "not being rotated").await?;

    let now = site.coordinator().credentials()?;
    ensure!(now.authority != old_coordinator.authority, "it is another authority");
    // It trusts who answers, so that what is refused is its certificate.
    let knows = |one: &Credentials| Credentials { authority: now.authority.clone(), ..one.clone() };
    for index in 0..3 {
        ensure!(agent_answers(site, index, &now).await?, "h{index}");
        ensure!(!agent_answers(site, index, &knows(&old_coordinator)).await?, "h{index}");
        // The other way round: what it shows is not of the old authority.
        let trusts_old =
            Credentials { authority: old_coordinator.authority.clone(), ..now.clone() };
        ensure!(!agent_answers(site, index, &trusts_old).await?, "h{index}");
    }
    ensure!(coordinator_answers(site, api, &new_admin).await?);
    ensure!(
        !coordinator_answers(site, api, &knows(&old_admin)).await?,
        "a user of the old authority"
    );
    let list = site.cli().run(&["access", "list"]).await?;
    ensure!(list.expect_code(0)?.contains("was retired"), "{}", list.stdout);
    // Nothing of it is needed for a start, and hosts are let in as ever.
    restart(site).await?;
    everybody_is_there(site).await?;
    let left = std::fs::read_dir(folder.join("identity"))?.count();
    ensure!(left == 4, "{left} files");
    site.cli().token("h9").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_who_is_off_and_survives_a_kill_in_each_phase() {
    let (mut site, _) = up(3).await.unwrap();
    Box::pin(stragglers(&mut site)).await.unwrap();
    site.down().unwrap();
}

async fn stragglers(site: &mut Site) -> Result<()> {
    // Trust: h3 is off.
    site.agent(2)?.kill().await?;
    rotate(site, &["start"]).await?;
    restart(site).await?;
    reaches(site, "h1, h2", |now| now.hosts.iter().filter(|one| one.lacks.is_empty()).count() == 2)
        .await?;
    ensure!(lacking(site).await? == ["h3"]);
    refused(site, "next", "host h3").await?;
    site.agent(2)?.start().await?;
    ready(site, "trust").await?;
    // Issue: h2 is off.
    site.agent(1)?.kill().await?;
    rotate(site, &["next"]).await?;
    restart(site).await?;
    reaches(site, "h1, h3", |now| now.hosts.iter().filter(|one| one.lacks.is_empty()).count() == 2)
        .await?;
    refused(site, "next", "host h2").await?;
    site.agent(1)?.start().await?;
    reaches(site, "all", |now| now.hosts.iter().all(|host| host.lacks.is_empty())).await?;
    // Retire: h1 is off, and is not cut off.
    site.agent(0)?.kill().await?;
    rotate(site, &["next", "--without-users"]).await?;
    restart(site).await?;
    reaches(site, "h2, h3", |now| now.hosts.iter().filter(|one| one.lacks.is_empty()).count() == 2)
        .await?;
    refused(site, "back", "only forward").await?;
    ensure!(rotation(site).await?.phase == "retire");
    ensure!(lacking(site).await? == ["h1"]);
    site.agent(0)?.start().await?;
    ended(site).await?;
    everybody_is_there(site).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_back_from_the_new_authority() {
    let (mut site, api) = up(3).await.unwrap();
    Box::pin(back(&mut site, &api)).await.unwrap();
    site.down().unwrap();
}

async fn back(site: &mut Site, api: &str) -> Result<()> {
    let folder = site.coordinator().folder().to_owned();
    let before = site.coordinator().credentials()?;
    let admin = user(&folder.join("admin"), "admin")?;
    rotate(site, &["start"]).await?;
    ready(site, "trust").await?;
    rotate(site, &["next"]).await?;
    reaches(site, "all", |now| now.hosts.iter().all(|host| host.lacks.is_empty())).await?;
    // Their certificates are of the new one now.
    ensure!(
        !agent_answers(site, 0, &before).await?,
        "whoever trusts the old one only does not know it"
    );
    rotate(site, &["back"]).await?;
    restart(site).await?;
    // One is off while it goes back.
    site.agent(1)?.kill().await?;
    site.agent(1)?.start().await?;
    ready(site, "back").await?;
    refused(site, "back", "goes back already").await?;
    rotate(site, &["next"]).await?;
    restart(site).await?;
    ended(site).await?;
    let now = site.coordinator().credentials()?;
    ensure!(now.authority == before.authority, "the old authority, as it was");
    for index in 0..3 {
        ensure!(agent_answers(site, index, &before).await?, "h{index}");
    }
    ensure!(coordinator_answers(site, api, &admin).await?);
    everybody_is_there(site).await?;
    // And once more, forward.
    rotate(site, &["start"]).await?;
    ready(site, "trust").await
}
