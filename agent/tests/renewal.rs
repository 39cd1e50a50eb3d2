//! A new certificate while the agent serves: which one it shows, and what works at each moment.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{sync::Arc, time::Duration};

use bellows_agent::{
    facilities::Local,
    host::{Clock, SystemClock},
    server::{ENROLLED, TRIAL},
};
use bellows_proto::{
    fault,
    identity::{Identity, Role},
    tls::{self, Credentials},
    v1::{
        FaultCode, HelloRequest, OfferKey, RenewCertificateReply, RenewCertificateRequest,
        TrustAuthorities, agent_client::AgentClient, renew_certificate_request::Step,
    },
};
use futures::{FutureExt as _, future::BoxFuture};
use support::{
    TestHost,
    mtls::{Authority, dial, enrolled, run},
    term,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

/// A trial's time passes when the test says so; looks at what was enrolled are counted.
struct Held {
    passed: Arc<Notify>,
    looks: watch::Sender<u32>,
}

impl Clock for Held {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms()
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let passed = Arc::clone(&self.passed);
        if time == ENROLLED {
            self.looks.send_modify(|looks| *looks += 1);
        }
        if time == TRIAL {
            return async move { passed.notified().await }.boxed();
        }
        SystemClock.sleep(time)
    }

    fn random(&self) -> [u8; 16] {
        SystemClock.random()
    }
}

struct Site {
    host: TestHost,
    authority: Authority,
    local: Local,
    address: String,
    passed: Arc<Notify>,
    looks: watch::Receiver<u32>,
    stop: CancellationToken,
}

impl Site {
    async fn up() -> Self {
        let (host, authority, passed) = (TestHost::new(), Authority::new(), Arc::default());
        let (counted, looks) = watch::channel(0);
        let held = Held { passed: Arc::clone(&passed), looks: counted };
        let local = Local { clock: Arc::new(held), ..host.local() };
        enrolled(&local, &authority.issue("s", Role::Agent, "h1"));
        let stop = CancellationToken::new();
        let address = run(local.clone(), stop.clone()).await;
        Self { host, authority, local, address, passed, looks, stop }
    }

    async fn restart(&mut self) {
        self.stop.cancel();
        self.stop = CancellationToken::new();
        self.address = run(self.local.clone(), self.stop.clone()).await;
    }

    fn client(&self) -> AgentClient<Channel> {
        let own = self.authority.issue("s", Role::Coordinator, "coordinator");
        AgentClient::new(dial(&self.address, &own))
    }

    async fn renew(&self, step: Step) -> Result<RenewCertificateReply, Status> {
        let request = RenewCertificateRequest { term: Some(term(1)), step: Some(step) };
        Ok(self.client().renew_certificate(request).await?.into_inner())
    }

    async fn offered(&self) -> String {
        self.renew(Step::Offer(OfferKey {})).await.unwrap().certificate_request
    }

    fn sign(&self, request: &str, host: &str) -> String {
        let (site, name) = ("s".to_owned(), host.to_owned());
        self.authority.sign(request, &Identity { site, role: Role::Agent, name })
    }

    /// What a new connection is shown.
    async fn shown(&self) -> Vec<u8> {
        let own = self.authority.issue("s", Role::Coordinator, "coordinator");
        let config = tls::client_config(&own).unwrap();
        let name = "h1.agent.s.bellows.internal";
        tls::peer_key(&self.address, name, config, Duration::from_secs(10)).await.unwrap().to_vec()
    }

    fn on_disk(&self) -> Vec<u8> {
        let path = self.local.config.identity_dir().join("agent.crt");
        tls::certificate_facts(&std::fs::read_to_string(path).unwrap()).unwrap().key
    }
}

fn code(refused: Result<RenewCertificateReply, Status>) -> FaultCode {
    fault::from_status(&refused.unwrap_err(), "").code()
}

#[tokio::test]
async fn the_new_one_is_shown_then_kept_and_nobody_is_cut_off() {
    let site = Site::up().await;
    let old = site.on_disk();
    // One that was there before.
    let mut kept_channel = site.client();
    kept_channel.hello(HelloRequest {}).await.unwrap();

    let certificate = site.sign(&site.offered().await, "h1");
    let new = tls::certificate_facts(&certificate).unwrap().key;
    assert_eq!(site.shown().await, old, "an offer changes nothing");
    for _ in 0..2 {
        let taken = site.renew(Step::Take(certificate.clone())).await.unwrap();
        assert_eq!(taken.shown.unwrap().key, new);
    }
    assert_eq!((site.shown().await, site.on_disk()), (new.clone(), old), "on trial");
    for _ in 0..2 {
        site.renew(Step::Confirm(new.clone())).await.unwrap();
    }
    assert_eq!((site.shown().await, site.on_disk()), (new.clone(), new.clone()));
    let hello = kept_channel.hello(HelloRequest {}).await.unwrap().into_inner();
    assert_eq!(hello.certificate.unwrap().key, new, "told over the old connection");
    // Time passes, the agent starts again: it stays.
    site.passed.notify_waiters();
    let mut site = site;
    site.restart().await;
    assert_eq!(site.shown().await, new);
    let files = std::fs::read_dir(site.local.config.identity_dir()).unwrap().count();
    assert_eq!(files, 3, "nothing is left over");
    drop(site.host);
}

#[tokio::test]
async fn what_nobody_confirms_is_given_up() {
    let mut site = Site::up().await;
    let old = site.on_disk();
    let certificate = site.sign(&site.offered().await, "h1");
    let new = tls::certificate_facts(&certificate).unwrap().key;
    site.renew(Step::Take(certificate.clone())).await.unwrap();
    // By a restart.
    site.restart().await;
    assert_eq!(site.shown().await, old);
    assert_eq!(code(site.renew(Step::Confirm(new)).await), FaultCode::Conflict);
    assert_eq!(code(site.renew(Step::Take(certificate)).await), FaultCode::Conflict);
    // By the end of the trial.
    let certificate = site.sign(&site.offered().await, "h1");
    site.renew(Step::Take(certificate)).await.unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while site.shown().await != old {
        assert!(tokio::time::Instant::now() < until, "the trial does not end");
        site.passed.notify_waiters();
    }
    // And by a new offer.
    let certificate = site.sign(&site.offered().await, "h1");
    site.renew(Step::Take(certificate)).await.unwrap();
    let next = site.sign(&site.offered().await, "h1");
    assert_eq!(site.shown().await, old);
    let next_key = tls::certificate_facts(&next).unwrap().key;
    site.renew(Step::Take(next)).await.unwrap();
    site.renew(Step::Confirm(next_key.clone())).await.unwrap();
    assert_eq!(site.on_disk(), next_key);
}

#[tokio::test]
async fn only_a_certificate_for_the_offered_key_and_this_host_is_taken() {
    let site = Site::up().await;
    let old = site.on_disk();
    let first = site.offered().await;
    let request = site.offered().await;
    let foreign = Authority::new();
    let agent = Identity { site: "s".into(), role: Role::Agent, name: "h1".into() };
    for (what, certificate) in [
        ("a key that was offered before", site.sign(&first, "h1")),
        ("another host", site.sign(&request, "h2")),
        ("a foreign authority", foreign.sign(&request, &agent)),
        ("no certificate", "rubbish".to_owned()),
    ] {
        assert_eq!(code(site.renew(Step::Take(certificate)).await), FaultCode::Invalid, "{what}");
        assert_eq!(site.shown().await, old, "{what}");
    }
    // A stale coordinator renews nothing, and whoever is no coordinator neither.
    let request = RenewCertificateRequest {
        term: Some(bellows_proto::v1::Term { number: 0, ..term(1) }),
        step: Some(Step::Offer(OfferKey {})),
    };
    site.client().renew_certificate(request).await.unwrap_err();
    // Enrolled anew beside the agent: that one wins.
    let certificate = site.sign(&site.offered().await, "h1");
    let key = tls::certificate_facts(&certificate).unwrap().key;
    site.renew(Step::Take(certificate)).await.unwrap();
    enrolled(&site.local, &site.authority.issue("s", Role::Agent, "h1"));
    let enrolled = site.on_disk();
    assert_eq!(code(site.renew(Step::Confirm(key)).await), FaultCode::Conflict);
    assert_eq!(site.on_disk(), enrolled);
}

fn bundle(authorities: &[&Authority]) -> Step {
    let certificates = authorities.iter().map(|one| one.pem.as_str()).collect();
    Step::Trust(TrustAuthorities { certificates })
}

#[tokio::test]
async fn another_authority_is_trusted_and_nothing_cuts_the_agent_off() {
    let mut site = Site::up().await;
    let new = Authority::new();
    let by_new = Credentials {
        authority: site.authority.pem.clone(),
        ..new.issue("s", Role::Coordinator, "coordinator")
    };
    let answers = async |site: &Site, own: &Credentials| {
        AgentClient::new(dial(&site.address, own)).hello(HelloRequest {}).await.is_ok()
    };
    assert!(!answers(&site, &by_new).await, "not yet");
    // What would cut it off: whoever brings it is of none of them, or the agent itself is.
    assert_eq!(code(site.renew(bundle(&[&new])).await), FaultCode::Conflict);
    let garbage = TrustAuthorities { certificates: "rubbish".to_owned() };
    assert_eq!(code(site.renew(Step::Trust(garbage)).await), FaultCode::Invalid);
    let leaf = site.authority.issue("s", Role::Agent, "h1").certificate;
    let leaf = TrustAuthorities { certificates: format!("{}{leaf}", site.authority.pem) };
    assert_eq!(code(site.renew(Step::Trust(leaf)).await), FaultCode::Invalid, "no authority");
    assert!(!answers(&site, &by_new).await);

    let mut kept_channel = site.client();
    kept_channel.hello(HelloRequest {}).await.unwrap();
    for _ in 0..2 {
        let both = bundle(&[&site.authority, &new]);
        site.renew(both).await.unwrap();
    }
    assert!(answers(&site, &by_new).await);
    site.restart().await;
    assert!(answers(&site, &by_new).await, "it is on disk");
    let hello = site.client().hello(HelloRequest {}).await.unwrap().into_inner();
    let old = hello.certificate.unwrap().authority;
    assert_eq!((hello.authorities.len(), &hello.authorities[0]), (2, &old));
    // A certificate of the new one is taken, and then the old one goes.
    let brings_new =
        Credentials { authority: format!("{}{}", site.authority.pem, new.pem), ..by_new };
    let agent = Identity { site: "s".into(), role: Role::Agent, name: "h1".into() };
    let certificate = new.sign(&site.offered().await, &agent);
    let key = tls::certificate_facts(&certificate).unwrap().key;
    site.renew(Step::Take(certificate)).await.unwrap();
    let step = async |site: &Site, step: Step| {
        let mut client = AgentClient::new(dial(&site.address, &brings_new));
        let request = RenewCertificateRequest { term: Some(term(1)), step: Some(step) };
        client.renew_certificate(request).await.map(tonic::Response::into_inner)
    };
    // On trial: what is kept is of the old one still.
    assert_eq!(code(step(&site, bundle(&[&new])).await), FaultCode::Conflict);
    step(&site, Step::Confirm(key)).await.unwrap();
    step(&site, bundle(&[&new])).await.unwrap();
    assert!(answers(&site, &brings_new).await);
    let old_one = Credentials {
        authority: new.pem.clone(),
        ..site.authority.issue("s", Role::Coordinator, "coordinator")
    };
    assert!(!answers(&site, &old_one).await, "what the old one signed is refused");
}

#[tokio::test]
async fn what_enrolment_leaves_beside_a_running_agent_is_shown() {
    let mut site = Site::up().await;
    let before = site.shown().await;
    enrolled(&site.local, &site.authority.issue("s", Role::Agent, "h1"));
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while site.shown().await == before {
        assert!(tokio::time::Instant::now() < until, "the new one is not shown");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.shown().await, site.on_disk());
    // Another host's is not.
    let shown = site.shown().await;
    enrolled(&site.local, &site.authority.issue("s", Role::Agent, "h2"));
    // One look may have begun before that; the next one has not.
    let seen = *site.looks.borrow();
    site.looks.wait_for(|looks| *looks >= seen + 2).await.unwrap();
    assert_eq!(site.shown().await, shown);
}
