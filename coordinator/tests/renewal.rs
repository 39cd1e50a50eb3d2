//! Certificates are renewed in time, over real connections: whatever is lost on the way, host and
//! coordinator understand each other at every moment, and in the end the new one is in use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/renewing.rs"]
mod renewing;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bellows::{
    agents::{GrpcAgents, is_no_answer},
    clock::{DAY_MS, now_ms},
    engine::ports::Agents as _,
    inventory::Inventory,
    renewal::{Own, OwnTls, Renewals},
    site::{Init, Site, init},
    store::{Revocation, Store},
};
use bellows_proto::{
    tls::{self, Credentials},
    v1::{EnrolRequest, FaultCode, PlantFenceRequest, Term},
    validity::days_left,
};
use renewing::{Loss, RenewingAgent, key};
use tokio::net::TcpListener;

/// Longer ago than half of the life of what is issued.
const LONG_AGO: i64 = 200 * DAY_MS;

struct World {
    _folder: tempfile::TempDir,
    site: PathBuf,
    inventory: Inventory,
    store: Arc<Store>,
    agents: Arc<GrpcAgents>,
    renewals: Renewals,
}

impl World {
    /// A site that was made so long ago, milliseconds.
    fn made(ago_ms: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let what = Init {
            directory: folder.path().join("site"),
            name: "test".into(),
            api: None,
            enrolment: "127.0.0.1:1".parse().unwrap(),
            enrolment_address: None,
            socket: None,
            data_dir: None,
        };
        init(&what, now_ms() - ago_ms).unwrap();
        let Site { config, authorities, credentials } = Site::load(&what.directory).unwrap();
        let store = Arc::new(Store::open(&config.store_dir()).unwrap());
        let inventory = Inventory::new(Arc::clone(&store), authorities);
        let tls = OwnTls::new(&credentials, &inventory).unwrap();
        let addresses = inventory.clone();
        let agents = Arc::new(GrpcAgents::new(config.site_id, tls.client.clone(), addresses));
        let own = Own::new(what.directory.clone(), &credentials, tls).unwrap();
        let renewals = Renewals::new(inventory.clone(), Arc::clone(&agents), own, now_ms);
        Self { _folder: folder, site: what.directory, inventory, store, agents, renewals }
    }

    fn leads(self) -> Self {
        let term = Term { number: 1, store_id: "s".into(), incarnation: "i".into() };
        self.agents.lead(term);
        self
    }

    /// A host that was let in so long ago.
    async fn host(&self, name: &str, ago_ms: i64) -> RenewingAgent {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at_ms = now_ms() - ago_ms;
        let minute = Duration::from_secs(60);
        let token = self.inventory.create_token(name, minute, "alice", at_ms).unwrap();
        let (private_key, certificate_request) = key();
        let request = EnrolRequest {
            token: token.text.to_string(),
            certificate_request,
            address: listener.local_addr().unwrap().to_string(),
            machine_id: "m1".into(),
        };
        let reply = self.inventory.enrol(&request, at_ms).unwrap();
        let (certificate, authority) = (reply.certificate, reply.authority);
        let kept = Credentials { certificate, private_key, authority };
        RenewingAgent::serve(name, listener, kept)
    }

    /// Over a new connection.
    async fn is_reached(&self, host: &str) -> bool {
        self.agents.forget(host);
        self.agents.hello(host).await.is_ok()
    }

    fn key_of(&self, host: &str) -> Vec<u8> {
        self.inventory.host(host).unwrap().unwrap().key_fingerprint
    }
}

#[tokio::test]
async fn at_half_of_its_life_a_host_has_a_new_key() {
    let world = World::made(0).leads();
    let (old, young) = (world.host("old", LONG_AGO).await, world.host("young", DAY_MS).await);
    let before = world.key_of("old");
    let untouched = world.key_of("young");
    assert_eq!(before, old.kept());
    world.renewals.look().await;
    let after = world.key_of("old");
    assert!(after != before && after == old.kept() && after == old.shown().key);
    assert!(world.store.revoked(&before).unwrap().is_some(), "the old key is of no use now");
    let record = world.inventory.host("old").unwrap().unwrap();
    assert!(days_left(record.valid_until_ms, now_ms()) >= 364);
    assert!(record.next_key.is_empty() && world.renewals.problem(&record).is_empty());
    assert_eq!((untouched, 0), (world.key_of("young"), *young.steps.lock().unwrap()));
    assert!(world.is_reached("old").await && world.is_reached("young").await);
    // Nothing is due any more.
    let steps = *old.steps.lock().unwrap();
    world.renewals.look().await;
    assert_eq!(*old.steps.lock().unwrap(), steps);
}

#[tokio::test]
async fn whatever_is_lost_the_host_is_reached_and_renewed_in_the_end() {
    let world = World::made(0).leads();
    for step in 0..3 {
        for loss in [Loss::Call, Loss::Answer] {
            let name = format!("h{step}{}", if loss == Loss::Call { "c" } else { "a" });
            let agent = world.host(&name, LONG_AGO).await;
            let before = world.key_of(&name);
            let mut losses = vec![Loss::Nothing; step];
            losses.push(loss);
            agent.losses.lock().unwrap().extend(losses);
            world.renewals.look().await;
            let what = format!("{loss:?} of step {step}");
            assert!(world.is_reached(&name).await, "{what}");
            assert_eq!(world.key_of(&name), before, "{what}: not known as kept");
            let record = world.inventory.host(&name).unwrap().unwrap();
            assert!(world.renewals.problem(&record).contains("tried again"), "{what}");
            // The coordinator may have been another process: all that it knows is in the store.
            world.renewals.look().await;
            assert!(world.is_reached(&name).await, "{what}");
            assert!(world.key_of(&name) != before, "{what}");
            assert_eq!(world.key_of(&name), agent.kept(), "{what}");
            let record = world.inventory.host(&name).unwrap().unwrap();
            assert_eq!(world.renewals.problem(&record), "", "{what}");
        }
    }
}

#[tokio::test]
async fn a_revoked_host_is_not_talked_to_from_that_moment() {
    let world = World::made(0).leads();
    let agent = world.host("h1", LONG_AGO).await;
    // Over a channel that is kept.
    assert!(world.agents.hello("h1").await.is_ok());
    let why = Revocation { at_ms: 1, principal: "alice".into(), reason: "disk stolen".into() };
    world.inventory.revoke_host("h1", &why).unwrap();
    let refused = world.agents.hello("h1").await.unwrap_err();
    assert!(refused.message.contains("disk stolen") && is_no_answer(&refused), "{refused}");
    assert!(world.agents.shown_key("h1").await.is_err());
    world.renewals.look().await;
    assert_eq!(*agent.steps.lock().unwrap(), 0);
    // Let in anew, with a new key; whoever still has the old one is not talked to.
    let back = world.host("h1", 0).await;
    assert!(world.is_reached("h1").await);
    let mut copied = world.inventory.host("h1").unwrap().unwrap();
    assert_eq!(world.agents.shown_key("h1").await.unwrap().to_vec(), back.kept());
    copied.address.clone_from(&agent.address);
    world.store.put_host(&copied).unwrap();
    assert!(!world.is_reached("h1").await, "the stolen key, at the address of the host");
}

#[tokio::test]
async fn a_host_that_was_off_for_too_long_is_told_as_such_and_let_in_anew() {
    let world = World::made(0).leads();
    world.host("h1", 400 * DAY_MS).await;
    let told = world.agents.hello("h1").await.unwrap_err();
    assert!(told.message.starts_with("its certificate ended on 20"), "{told}");
    assert!(told.remedy.contains("bellows host token h1"), "{}", told.remedy);
    assert!(is_no_answer(&told), "nothing is known of it");
    assert_eq!(world.agents.shown_key("h1").await.unwrap_err().message, told.message);
    let record = world.inventory.host("h1").unwrap().unwrap();
    assert!(world.renewals.problem(&record).contains("has ended"));
    let before = record.key_fingerprint;
    let back = world.host("h1", 0).await;
    assert!(world.is_reached("h1").await);
    assert_eq!(world.key_of("h1"), back.kept());
    assert!(world.store.revoked(&before).unwrap().is_some());
    let record = world.inventory.host("h1").unwrap().unwrap();
    assert_eq!(world.renewals.problem(&record), "");
}

#[tokio::test]
async fn nothing_is_changed_where_two_machines_show_one_certificate() {
    let world = World::made(0).leads();
    for (name, machines) in [
        ("copied", vec![("m1", "b1"), ("m1", "b2"), ("m2", "b3")]),
        ("turns", vec![("m1", "b1"), ("m1", "b2"), ("m1", "b1")]),
    ] {
        let agent = world.host(name, LONG_AGO).await;
        let problem = || {
            let record = world.inventory.host(name).unwrap().unwrap();
            world.renewals.problem(&record)
        };
        let change = || world.agents.plant_fence(name, PlantFenceRequest::default());
        for (machine, boot) in machines {
            assert!(!problem().contains("two machines"), "{name}");
            let refused = change().await.unwrap_err();
            assert_ne!(refused.code(), FaultCode::Conflict, "the agent itself refuses it");
            *agent.machine.lock().unwrap() = (machine.into(), boot.into());
            assert!(world.is_reached(name).await, "it is looked at, whoever it is");
        }
        assert!(problem().contains("two machines have its certificate"), "{}", problem());
        let refused = change().await.unwrap_err();
        assert_eq!(refused.code(), FaultCode::Conflict);
        assert!(refused.remedy.contains("bellows host token"), "{}", refused.remedy);
        // Neither of the two gets a new certificate.
        world.renewals.look().await;
        assert_eq!(*agent.steps.lock().unwrap(), 0);
        // The right one is enrolled anew: the other one has a key that is of no use.
        world.host(name, 0).await;
        assert_eq!(problem(), "");
        assert_ne!(change().await.unwrap_err().code(), FaultCode::Conflict);
    }
}

#[tokio::test]
async fn who_does_not_lead_renews_no_host() {
    let world = World::made(0);
    let agent = world.host("h1", LONG_AGO).await;
    world.renewals.look().await;
    assert_eq!(*agent.steps.lock().unwrap(), 0);
    assert!(world.is_reached("h1").await);
}

#[tokio::test]
async fn the_coordinator_renews_its_own_while_it_serves() {
    let world = World::made(LONG_AGO).leads();
    world.host("h1", DAY_MS).await;
    let own = world.renewals.own();
    assert!(world.is_reached("h1").await);
    let before = days_left(own.until_ms(), now_ms());
    world.renewals.look().await;
    assert!(before < 170 && days_left(own.until_ms(), now_ms()) >= 364);
    assert_eq!(own.problem(now_ms()), "");
    assert!(world.is_reached("h1").await, "with the new one");
    // What the next start will read.
    let site = Site::load(&world.site).unwrap();
    let facts = tls::certificate_facts(&site.credentials.certificate).unwrap();
    assert_eq!(facts.valid_until_ms, own.until_ms());
    tls::prove(
        &site.credentials,
        &format!("coordinator.coordinator.{}.bellows.internal", site.config.site_id),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_kept_is_not_used() {
    let world = World::made(LONG_AGO).leads();
    world.host("h1", DAY_MS).await;
    let identity = world.site.join("identity");
    // What stands in the way of the first new file.
    std::fs::create_dir(identity.join("next-coordinator.key")).unwrap();
    let before = world.renewals.own().until_ms();
    world.renewals.look().await;
    assert_eq!(world.renewals.own().until_ms(), before);
    assert!(world.renewals.own().problem(now_ms()).contains("cannot be kept"));
    assert!(world.is_reached("h1").await);
    std::fs::remove_dir(identity.join("next-coordinator.key")).unwrap();
    world.renewals.look().await;
    assert!(world.renewals.own().until_ms() > before);
}
