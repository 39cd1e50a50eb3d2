//! Every RPC of every service, through every door, with no certificate, a foreign one and each
//! role: refused unless the table of this test says otherwise. The RPCs come from the
//! descriptors, so that a new one without a rule fails here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{collections::BTreeMap, time::Duration};

use bellows::{api::access, ca::Authority, clock::now_ms, systems::AllSystems};
use bellows_proto::{
    FILE_DESCRIPTOR_SET, fault,
    identity::Role,
    tls::{self, Credentials},
    v1::{
        FaultCode, IssueAccessRequest, ListAccessRequest, RevokeAccessRequest,
        coordinator_client::CoordinatorClient,
    },
};
use prost::Message as _;
use support::Running;
use tonic::{Code, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};

/// What the coordinator's calls take, written down apart from the code's own table.
const READS: &[&str] = &[
    "GetSite",
    "ListHosts",
    "GetHost",
    "ListClusters",
    "GetCluster",
    "GetClusterHistory",
    "GetStatus",
    "GetOverview",
    "ListOperations",
    "GetOperation",
    "WatchOperation",
    "ReadOperationOutput",
    "ShowAudit",
    "VerifyAudit",
    "ListHostJobs",
    "ListAccess",
    "GetRotation",
    "PlanUpgrade",
];
const OPERATES: &[&str] = &["PlanIntent", "ApplyPlan", "ControlOperation", "SettleJobs"];
const ADMINISTERS: &[&str] = &[
    "AcceptAudit",
    "BackupStore",
    "CreateHostToken",
    "DeleteCluster",
    "PruneOperations",
    "RemoveHost",
    "RevokeHost",
    "IssueAccess",
    "RevokeAccess",
    "RotateAuthority",
    "UpgradeHosts",
];

fn may(role: Role, method: &str) -> bool {
    match role {
        Role::Viewer => READS.contains(&method),
        Role::Operator => READS.contains(&method) || OPERATES.contains(&method),
        Role::Admin => true,
        Role::Agent | Role::Coordinator => false,
    }
}

/// All methods of all services: service to methods.
fn methods() -> BTreeMap<String, Vec<String>> {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.iter().flat_map(|file| {
        file.service.iter().map(|service| {
            let name = format!("{}.{}", file.package(), service.name());
            let methods = service.method.iter().map(|method| method.name().to_owned());
            (name, methods.collect())
        })
    });
    services.collect()
}

/// With a certificate of an authority, trusting the site's own.
fn with(running: &Running, authority: &Authority, role: Role) -> Channel {
    let issued = authority.issue(role, "alice", now_ms()).unwrap();
    let credentials = Credentials {
        certificate: issued.certificate,
        private_key: issued.private_key.to_string(),
        authority: running.site.authorities.own().certificate().to_owned(),
    };
    let config = tls::client_config(&credentials).unwrap();
    tls::channel(&running.remote, &running.server_name(), config, Duration::from_secs(3)).unwrap()
}

/// Calls with an empty message; what comes back beyond the first answer does not matter.
async fn call(channel: &Channel, service: &str, method: &str) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
    let path: PathAndQuery = format!("/{service}/{method}").parse().unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let call = grpc.server_streaming(tonic::Request::new(()), path, codec);
    let mut answers =
        tokio::time::timeout(Duration::from_secs(20), call).await.expect("an answer")?.into_inner();
    answers.message().await.map(|_| ())
}

/// Refused by the access table, and not by anything behind it.
fn is_denied(result: &Result<(), Status>) -> bool {
    let Err(status) = result else { return false };
    status.code() == Code::PermissionDenied
        && !status.details().is_empty()
        && fault::from_status(status, "").code() == FaultCode::Denied
        && !fault::from_status(status, "").remedy.is_empty()
}

/// The service itself answered, or found the empty message wanting.
fn is_answered(result: &Result<(), Status>) -> bool {
    match result {
        Ok(()) => true,
        Err(status) => !status.details().is_empty() && !is_denied(result),
    }
}

/// The connection itself is refused: TLS lets nobody in.
fn is_shut_out(result: &Result<(), Status>) -> bool {
    result.as_ref().is_err_and(|status| {
        status.details().is_empty()
            && matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
    })
}

#[test]
fn the_table_is_complete_and_has_nothing_else() {
    let mut known: Vec<String> = access::TABLE.iter().map(|(path, _)| (*path).to_owned()).collect();
    let mut wanted: Vec<String> = methods()
        .iter()
        .filter(|(service, _)| !service.ends_with(".Agent"))
        .flat_map(|(service, methods)| methods.iter().map(move |m| format!("/{service}/{m}")))
        .collect();
    known.sort();
    wanted.sort();
    assert_eq!(known, wanted);
    let own = [READS, OPERATES, ADMINISTERS].concat();
    for method in &methods()["bellows.v1.Coordinator"] {
        assert!(own.contains(&method.as_str()), "this test has no rule for {method}");
    }
}

#[tokio::test]
async fn over_mtls_each_role_may_what_the_table_says() {
    let running = Running::start(AllSystems::default()).await;
    for role in Role::ALL {
        let channel = with(&running, running.site.authorities.own(), role);
        for (service, methods) in methods() {
            for method in methods {
                let result = call(&channel, &service, &method).await;
                let allowed = service == "bellows.v1.Coordinator" && may(role, &method);
                let as_ruled = if allowed { is_answered(&result) } else { is_denied(&result) };
                assert!(as_ruled, "{role} {service}/{method}: {result:?}");
            }
        }
        let unknown = call(&channel, "bellows.v1.Coordinator", "Shell").await;
        assert!(is_denied(&unknown), "{role}: {unknown:?}");
    }
    running.end().await;
}

#[tokio::test]
async fn strangers_do_not_get_past_tls() {
    let running = Running::start(AllSystems::default()).await;
    let foreign_site = "00000000-0000-4000-8000-000000000000";
    let made = Authority::create(foreign_site, now_ms()).unwrap();
    // A foreign authority, for its own site and even for ours.
    for site in [foreign_site, running.site.config.site_id.as_str()] {
        let foreign = Authority::load(site, &made.certificate, &made.private_key).unwrap();
        let channel = with(&running, &foreign, Role::Admin);
        for (service, methods) in methods() {
            for method in methods {
                let result = call(&channel, &service, &method).await;
                assert!(is_shut_out(&result), "foreign {service}/{method}: {result:?}");
            }
        }
    }
    let nobody = running.without_certificate(&running.remote);
    for (service, methods) in methods() {
        for method in methods {
            let result = call(&nobody, &service, &method).await;
            assert!(is_shut_out(&result), "nobody {service}/{method}: {result:?}");
        }
    }
    running.end().await;
}

#[tokio::test]
async fn the_enrolment_door_leads_to_enrolment_only() {
    let running = Running::start(AllSystems::default()).await;
    let nobody = running.without_certificate(&running.enrolment);
    for (service, methods) in methods() {
        for method in methods {
            let result = call(&nobody, &service, &method).await;
            assert!(is_denied(&result), "{service}/{method}: {result:?}");
            let judged_by_token =
                fault::from_status(&result.unwrap_err(), "").message.contains("token");
            assert_eq!(judged_by_token, service == "bellows.v1.Enrolment", "{service}/{method}");
        }
    }
    running.end().await;
}

#[tokio::test]
async fn the_own_user_is_admin_on_the_unix_socket() {
    let running = Running::start(AllSystems::default()).await;
    let channel = support::through_socket(&running);
    for (service, methods) in methods() {
        for method in methods {
            let result = call(&channel, &service, &method).await;
            let allowed = service == "bellows.v1.Coordinator";
            let as_ruled = if allowed { is_answered(&result) } else { is_denied(&result) };
            assert!(as_ruled, "{service}/{method}: {result:?}");
        }
    }
    running.end().await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_at_its_next_call() {
    let running = Running::start(AllSystems::default()).await;
    let mut api = CoordinatorClient::new(support::through_socket(&running));
    let (key, request) = bellows::ca::request().unwrap();
    let wanted = |role: &str| IssueAccessRequest {
        name: "bob".into(),
        role: role.into(),
        certificate_request: request.clone(),
    };
    for role in ["agent", "coordinator", "root"] {
        let refused = api.issue_access(wanted(role)).await.unwrap_err();
        assert_eq!(fault::from_status(&refused, "").code(), FaultCode::Invalid, "{role}");
    }
    let issued = api.issue_access(wanted("operator")).await.unwrap().into_inner();
    let credentials = Credentials {
        certificate: issued.certificate,
        private_key: key.to_string(),
        authority: issued.authority,
    };
    let config = tls::client_config(&credentials).unwrap();
    let dial = || {
        let (name, limit) = (running.server_name(), Duration::from_secs(3));
        tls::channel(&running.remote, &name, config.clone(), limit).unwrap()
    };
    let (open, service) = (dial(), "bellows.v1.Coordinator");
    assert!(is_answered(&call(&open, service, "ListOperations").await));
    assert!(is_denied(&call(&open, service, "RevokeAccess").await), "an operator is no admin");

    let all = api.list_access(ListAccessRequest {}).await.unwrap().into_inner().access;
    let names: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.role.as_str())).collect();
    assert_eq!(names, [("admin", "admin"), ("bob", "operator")]);
    let revoke = RevokeAccessRequest {
        key: all[1].key.clone(),
        reason: "laptop lost".into(),
        ..RevokeAccessRequest::default()
    };
    let nameless = RevokeAccessRequest { reason: String::new(), ..revoke.clone() };
    api.revoke_access(nameless).await.unwrap_err();
    let revoked = api.revoke_access(revoke).await.unwrap().into_inner().revoked.unwrap();
    assert_eq!((revoked.name.as_str(), revoked.reason.as_str()), ("bob", "laptop lost"));
    for channel in [&open, &dial()] {
        let refused = call(channel, service, "ListOperations").await;
        assert!(is_denied(&refused), "{refused:?}");
        let told = fault::from_status(&refused.unwrap_err(), "").message;
        assert!(told.contains("laptop lost"), "{told}");
    }
    // The key is of no use for another certificate.
    api.issue_access(wanted("viewer")).await.unwrap_err();
    running.end().await;
}
