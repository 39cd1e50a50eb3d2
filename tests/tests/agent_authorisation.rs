//! Every RPC of a real agent, tried by everybody who must not: without a certificate, with one
//! of a foreign authority, of another site, in each wrong role. Only the coordinator gets past.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{sync::Arc, time::Duration};

use bellows_proto::{
    identity::{Identity, Role},
    tls,
};
use bellows_tests::{authority::Authority, rpc, site::LoneAgent};
use rustls::ClientConfig;
use tonic::Code;

const SITE: &str = "6f1c2a52-7c1e-4b0a-9d53-0d7a7d1f0b11";

/// A handshake that was refused, as a client sees it: no answer of the service.
const NO_ANSWER: [Code; 3] = [Code::Cancelled, Code::Unavailable, Code::Unknown];

struct Stranger {
    who: String,
    config: Arc<ClientConfig>,
    refused_with: &'static [Code],
}

fn strangers(ours: &Authority) -> Vec<Stranger> {
    let denied = &[Code::PermissionDenied, Code::Unauthenticated];
    let mut foreign =
        Authority::new(SITE).unwrap().issue(Role::Coordinator, "coordinator").unwrap();
    // It trusts the agent; the agent must not trust it.
    ours.certificate().clone_into(&mut foreign.authority);
    let elsewhere = ours.issue_for("another-site", Role::Coordinator, "coordinator").unwrap();
    let mut all = vec![
        Stranger {
            who: "nobody".to_owned(),
            config: ours.anonymous().unwrap(),
            refused_with: &NO_ANSWER,
        },
        Stranger {
            who: "a coordinator of a foreign authority".to_owned(),
            config: tls::client_config(&foreign).unwrap(),
            refused_with: &NO_ANSWER,
        },
        Stranger {
            who: "a coordinator of another site".to_owned(),
            config: tls::client_config(&elsewhere).unwrap(),
            refused_with: denied,
        },
    ];
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Coordinator) {
        all.push(Stranger {
            who: role.to_string(),
            config: tls::client_config(&ours.issue(role, "h1").unwrap()).unwrap(),
            refused_with: denied,
        });
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_coordinator_gets_past() {
    let ours = Authority::new(SITE).unwrap();
    let identity = ours.issue(Role::Agent, "h1").unwrap();
    let agent = LoneAgent::up(&identity, "").await.unwrap();
    let name =
        Identity { site: SITE.to_owned(), role: Role::Agent, name: "h1".to_owned() }.dns_name();
    let channel = |config: Arc<ClientConfig>| {
        tls::channel(agent.address(), &name, config, Duration::from_secs(5)).unwrap()
    };

    let paths = rpc::paths("bellows.v1", "Agent").unwrap();
    assert!(paths.len() >= 10, "{paths:?}");
    for stranger in strangers(&ours) {
        for path in &paths {
            // A channel each: what one call learnt must not help the next.
            let code = rpc::call(&channel(Arc::clone(&stranger.config)), path).await.unwrap();
            assert!(stranger.refused_with.contains(&code), "{path} as {}: {code:?}", stranger.who);
        }
    }
    let coordinator = ours.issue(Role::Coordinator, "coordinator").unwrap();
    let coordinator = channel(tls::client_config(&coordinator).unwrap());
    for path in &paths {
        let code = rpc::call(&coordinator, path).await.unwrap();
        let kept_out = [Code::PermissionDenied, Code::Unauthenticated, Code::Unimplemented];
        assert!(
            !kept_out.contains(&code) && !NO_ANSWER.contains(&code),
            "{path} as coordinator: {code:?}"
        );
    }
    agent.down().unwrap();
}
