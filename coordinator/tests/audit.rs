//! Calls to a coordinator and what its audit log tells of them: who asked, what was refused, and
//! never a token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;

use bellows::{
    audit::AuditLog,
    clock::now_ms,
    engine::ports::{Effects, Journal as _},
    journal::StoreJournal,
    site::Site,
    store::Store,
    systems::AllSystems,
};
use bellows_proto::{
    audit::Limits,
    identity::Role,
    tls::{self, Credentials},
    v1::{
        Accepted, AuditEntry, Closed, ControlKind, ControlOperationRequest, CreateHostTokenRequest,
        EnrolRequest, Event, FaultCode, GetOperationRequest, GetSiteRequest, Outcome, Plan, Rested,
        ShowAuditRequest, VerifyAuditRequest, audit_record::Kind,
        coordinator_client::CoordinatorClient, enrolment_client::EnrolmentClient, event,
    },
};
use support::{Running, through_socket};
use tonic::transport::Channel;

const OPERATION: &str = "01932c07-7d5b-7000-8000-000000000001";
/// Of the year 2020, by its time.
const OLD: &str = "01700000-0000-7000-8000-000000000001";
const OLD_MS: i64 = 0x0170_0000_0000;

fn remote(running: &Running, role: Role) -> CoordinatorClient<Channel> {
    let issued = running.site.authorities.own().issue(role, "alice", now_ms()).unwrap();
    let credentials = Credentials {
        certificate: issued.certificate,
        private_key: issued.private_key.to_string(),
        authority: running.site.authorities.own().certificate().to_owned(),
    };
    let config = tls::client_config(&credentials).unwrap();
    let deadline = std::time::Duration::from_secs(3);
    let server = running.server_name();
    CoordinatorClient::new(tls::channel(&running.remote, &server, config, deadline).unwrap())
}

async fn shown(api: &mut CoordinatorClient<Channel>, request: ShowAuditRequest) -> Vec<AuditEntry> {
    let mut entries = api.show_audit(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(entry) = entries.message().await.unwrap() {
        assert_eq!(entry.damage, "");
        found.push(entry);
    }
    found
}

/// Who, what, and how it ended where that is told.
fn told(entries: &[AuditEntry]) -> Vec<(String, String, Option<FaultCode>)> {
    let of = |entry: &AuditEntry| match entry.record.clone()?.kind? {
        Kind::Call(call) => Some((call.principal, format!("{} {}", call.call, call.detail), None)),
        Kind::Answer(answer) => {
            Some((answer.principal.clone(), answer.call.clone(), Some(answer.code())))
        }
        Kind::Opened(_)
        | Kind::Torn(_)
        | Kind::Pruned(_)
        | Kind::JobAccepted(_)
        | Kind::JobEnded(_)
        | Kind::Event(_)
        | Kind::JobReported(_)
        | Kind::Witness(_)
        | Kind::Acceptance(_) => None,
    };
    entries.iter().filter_map(of).collect()
}

#[tokio::test]
async fn calls_are_told_with_who_asked_and_how_they_ended() {
    let running = Running::start(AllSystems::default()).await;
    let mut admin = CoordinatorClient::new(through_socket(&running));
    admin.get_site(GetSiteRequest {}).await.unwrap();
    let wanted = CreateHostTokenRequest { host: "h1".into(), valid_minutes: 1 };
    let token = admin.create_host_token(wanted).await.unwrap().into_inner().token;
    let control = ControlOperationRequest {
        operation: OPERATION.into(),
        kind: ControlKind::Cancel.into(),
        ..Default::default()
    };
    let mut viewer = remote(&running, Role::Viewer);
    assert!(viewer.control_operation(control.clone()).await.is_err());
    let mut operator = remote(&running, Role::Operator);
    assert!(operator.control_operation(control).await.is_err());
    let mut door = EnrolmentClient::new(running.without_certificate(&running.enrolment));
    let enrol = EnrolRequest { token: format!("{token}x"), ..EnrolRequest::default() };
    assert!(door.enrol(enrol).await.is_err());

    let entries = shown(&mut viewer, ShowAuditRequest::default()).await;
    let told = told(&entries);
    let own = told[1].0.clone();
    assert!(own.ends_with("(unix socket)"), "{own}");
    let row = |who: &str, what: &str, code| (who.to_owned(), what.to_owned(), code);
    let site = &running.site.config.site_id;
    let expected = [
        row("bellows serve", "RaiseTerm ", None),
        row(&own, "CreateHostToken host h1", None),
        row(&own, "CreateHostToken", Some(FaultCode::Unspecified)),
        row(&format!("alice (viewer) of site {site}"), "ControlOperation", Some(FaultCode::Denied)),
        row("alice (operator)", "ControlOperation cancel", None),
        row("alice (operator)", "ControlOperation", Some(FaultCode::NotFound)),
        row("a host with a token", "Enrol", Some(FaultCode::Denied)),
    ];
    assert_eq!(told, expected);
    let request = ShowAuditRequest { operation: OPERATION.into(), ..ShowAuditRequest::default() };
    assert_eq!(shown(&mut viewer, request).await.len(), 2);

    let reply = viewer.verify_audit(VerifyAuditRequest::default()).await.unwrap().into_inner();
    assert_eq!(reply.findings, []);
    for entry in std::fs::read_dir(running.site.config.audit_dir()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(bytes.len() > 500);
        // The secret is the token's longest part.
        let secret = token.split('.').max_by_key(|part| part.len()).unwrap();
        for part in token.split('.').filter(|part| part.len() > 8).chain([secret]) {
            let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!found, "a part of the token is in the log");
        }
    }
    running.end().await;
}

/// An operation that ended in 2020, told by store and audit log.
fn play_an_old_operation(site: &Site) {
    let store = Arc::new(Store::open(&site.config.store_dir()).unwrap());
    let audit = AuditLog::open(&site.config.audit_dir(), Limits::default(), || OLD_MS).unwrap();
    let journal = StoreJournal::new(store).audited(Arc::new(audit));
    let event = |sequence, kind| Event { sequence, at_ms: OLD_MS, kind: Some(kind) };
    let plan = Some(Plan { cluster: "c".into(), ..Plan::default() });
    let accepted = event(1, event::Kind::Accepted(Accepted { plan, ..Accepted::default() }));
    journal.begin(OLD, &accepted, "c", 0, &[]).unwrap();
    let rested = Rested { outcome: Outcome::Done.into(), ..Rested::default() };
    let end = [event::Kind::Rested(rested), event::Kind::Closed(Closed::default())];
    for (kind, sequence) in end.into_iter().zip(2..) {
        journal.append(OLD, &event(sequence, kind), &Effects::default()).unwrap();
    }
}

#[tokio::test]
async fn old_operations_are_pruned_by_themselves_and_the_audit_log_still_verifies() {
    let running = Running::prepared(AllSystems::default(), play_an_old_operation).await;
    let mut admin = CoordinatorClient::new(through_socket(&running));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let request = GetOperationRequest { operation: OLD.into() };
        let detail = admin.get_operation(request).await.unwrap().into_inner();
        let summary = detail.summary.unwrap();
        assert_eq!((summary.state.as_str(), summary.damage.as_str()), ("done", ""));
        if detail.events.is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "its events are still there");
        tokio::task::yield_now().await;
    }
    let reply = admin.verify_audit(VerifyAuditRequest::default()).await.unwrap().into_inner();
    assert_eq!(reply.findings, []);
    let request = ShowAuditRequest { operation: OLD.into(), ..ShowAuditRequest::default() };
    assert_eq!(shown(&mut admin, request).await.len(), 3, "the audit log keeps its records");
    running.end().await;
}
