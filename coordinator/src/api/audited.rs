//! Changing calls on their way to the audit log: written before they are carried out, and again
//! when they are answered. Once for all of them, beside the access table.
//!
//! A call is read here as it came over the wire. What it is about is written in words where the
//! message is known, and always as a digest; a token never is.

use std::sync::Arc;

use bellows_proto::{
    audit::words,
    digest, fault as faults,
    fault::to_status,
    remarks,
    v1::{
        AcceptAuditRequest, ApplyPlanRequest, AuditAnswer, AuditCall, ControlOperationRequest,
        CreateHostTokenRequest, DeleteClusterRequest, EnrolRequest, Fault, FaultCode,
        IssueAccessRequest, Plan, RemoveHostRequest, RevokeAccessRequest, RevokeHostRequest,
        RotateAuthorityRequest, SettleJobsRequest, UpgradeHostsRequest,
    },
};
use http_body_util::{BodyExt as _, Full, Limited};
use prost::Message;
use tonic::{Code, Status, body::Body};

use super::access::Caller;
use crate::audit::{AuditError, AuditLog};

/// The longest request: as the services take it, and its frame.
const LONGEST: usize = 17 * 1024 * 1024;
/// Compressed or not, and the length.
const FRAME_BYTES: usize = 5;
/// Texts of others are not written longer, characters.
const LONGEST_TEXT: usize = 300;
/// A ticket and a note, characters.
const LONGEST_REMARKS: usize = 600;
/// So many accepted guards of a plan are written in words.
const MOST_ACCEPTED: usize = 8;

/// What an answer says in a word: a handler puts it into the answer's extensions where "it was
/// answered" is not enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The operation that it began.
    pub(super) operation: String,
    /// e.g. "refused by 2 guards".
    pub(super) text: String,
}

/// Carries a changing call out between its two records.
pub(super) async fn call<S>(
    mut inner: S,
    request: http::Request<Body>,
    audit: Arc<AuditLog>,
    principal: Option<String>,
) -> Result<http::Response<Body>, S::Error>
where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>>,
{
    let (parts, body) = request.into_parts();
    let name = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let Ok(body) = Limited::new(body, LONGEST).collect().await else {
        let fault = Fault::new(FaultCode::Invalid, "the request cannot be read, or is too long");
        return Ok(to_status(&fault.remedy("send it again")).into_http());
    };
    let body = body.to_bytes();
    // A host that enrols has no name yet; strangers must not fill the log.
    let stranger = principal.is_none();
    let asked = AuditCall {
        principal: principal.unwrap_or_else(|| "a host with a token".to_owned()),
        ..about(&name, body.get(FRAME_BYTES..).unwrap_or_default())
    };
    let mut answer = AuditAnswer {
        principal: asked.principal.clone(),
        call: asked.call.clone(),
        operation: asked.operation.clone(),
        text: asked.detail.clone(),
        ..AuditAnswer::default()
    };
    if !stranger {
        match audit.call(asked) {
            Ok(number) => answer.call_number = number,
            Err(error) => return Ok(unwritten(&error).into_http()),
        }
    }
    let request = http::Request::from_parts(parts, Body::new(Full::new(body)));
    let response = inner.call(request).await?;
    let failed = Status::from_header_map(response.headers())
        .filter(|status| status.code() != Code::Ok)
        .map(|status| faults::from_status(&status, ""));
    if let Some(said) = response.extensions().get::<Said>() {
        answer.text.clone_from(&said.text);
        if !said.operation.is_empty() {
            answer.operation.clone_from(&said.operation);
        }
    }
    if let Some(fault) = &failed {
        answer.code = fault.code;
        answer.text = words(fault).chars().take(LONGEST_TEXT).collect();
    }
    let written = match (stranger, failed) {
        (true, Some(_)) => audit.refused(answer),
        (true, None) | (false, _) => audit.answer(answer),
    };
    // What was done is done: the caller hears of it, and the log's own failure ends the program.
    if let Err(error) = written {
        tracing::error!(%error, "an answer is not in the audit log");
    }
    Ok(response)
}

/// A call that the access table refused.
pub(super) fn refused(audit: &AuditLog, caller: &Caller, path: &str, fault: &Fault) {
    let identity = caller.peer.as_ref().and_then(|peer| peer.identity.as_ref());
    let principal = match (identity, caller.uid) {
        (Some(identity), _) => format!("{identity} of site {}", identity.site),
        (None, Some(uid)) => format!("uid {uid} (unix socket)"),
        (None, None) => "somebody without a certificate".to_owned(),
    };
    let refusal = AuditAnswer {
        principal,
        call: path.rsplit('/').next().unwrap_or_default().chars().take(LONGEST_TEXT).collect(),
        code: fault.code,
        text: words(fault).chars().take(LONGEST_TEXT).collect(),
        ..AuditAnswer::default()
    };
    if let Err(error) = audit.refused(refusal) {
        tracing::error!(%error, "a refused call is not in the audit log");
    }
}

fn unwritten(error: &AuditError) -> Status {
    to_status(
        &Fault::new(FaultCode::Io, error.to_string()).remedy(
            "look at the disk of the coordinator: without its audit log it changes nothing",
        ),
    )
}

/// What a call is about.
fn about(name: &str, message: &[u8]) -> AuditCall {
    let call = AuditCall {
        call: name.to_owned(),
        request_digest: digest::of_bytes(message).to_vec(),
        ..AuditCall::default()
    };
    match name {
        "ApplyPlan" => match ApplyPlanRequest::decode(message) {
            Ok(ApplyPlanRequest { plan: Some(plan), .. }) => AuditCall {
                plan_digest: digest::of(&plan).to_vec(),
                detail: agreed(&plan),
                cluster: plan.cluster,
                intent: plan.intent,
                ..call
            },
            Ok(_) | Err(_) => call,
        },
        "ControlOperation" => match ControlOperationRequest::decode(message) {
            Ok(control) => {
                let kind = control.kind().as_str_name();
                let word = kind.strip_prefix("CONTROL_KIND_").unwrap_or(kind).to_lowercase();
                let detail = match control.reason.as_str() {
                    "" => word,
                    reason => format!("{word}: {}", cut(reason)),
                };
                AuditCall { operation: cut(&control.operation), detail, ..call }
            }
            Err(_) => call,
        },
        "CreateHostToken" => match CreateHostTokenRequest::decode(message) {
            Ok(token) => AuditCall { detail: format!("host {}", cut(&token.host)), ..call },
            Err(_) => call,
        },
        "DeleteCluster" => match DeleteClusterRequest::decode(message) {
            Ok(delete) => {
                let detail =
                    if delete.forget_nodes { "its nodes are left to themselves" } else { "" };
                AuditCall { cluster: cut(&delete.cluster), detail: detail.to_owned(), ..call }
            }
            Err(_) => call,
        },
        "RemoveHost" => match RemoveHostRequest::decode(message) {
            Ok(remove) => {
                let never = if remove.never_back { ", which never comes back" } else { "" };
                AuditCall { detail: format!("host {}{never}", cut(&remove.host)), ..call }
            }
            Err(_) => call,
        },
        "RevokeHost" => match RevokeHostRequest::decode(message) {
            Ok(revoke) => {
                let detail = format!("host {}: {}", cut(&revoke.host), cut(&revoke.reason));
                AuditCall { detail, ..call }
            }
            Err(_) => call,
        },
        "IssueAccess" => match IssueAccessRequest::decode(message) {
            Ok(issue) => {
                let detail = format!("{} ({})", cut(&issue.name), cut(&issue.role));
                AuditCall { detail, ..call }
            }
            Err(_) => call,
        },
        "RevokeAccess" => match RevokeAccessRequest::decode(message) {
            Ok(revoke) => {
                let (name, role, key) = (cut(&revoke.name), cut(&revoke.role), cut(&revoke.key));
                let detail = format!("{name} ({role}), key {key}: {}", cut(&revoke.reason));
                AuditCall { detail, ..call }
            }
            Err(_) => call,
        },
        "RotateAuthority" => match RotateAuthorityRequest::decode(message) {
            Ok(rotate) => {
                let without = if rotate.without_users { ", without users" } else { "" };
                AuditCall { detail: format!("{}{without}", cut(&rotate.step)), ..call }
            }
            Err(_) => call,
        },
        "UpgradeHosts" => match UpgradeHostsRequest::decode(message) {
            Ok(UpgradeHostsRequest { plan: Some(plan) }) => {
                let gets = plan.hosts.iter().filter(|one| one.ring > 0);
                let named: Vec<String> = gets.map(|one| one.host.clone()).collect();
                let detail = format!("hosts {}", named.join(" "));
                AuditCall { plan_digest: digest::of(&plan).to_vec(), detail: cut(&detail), ..call }
            }
            Ok(_) | Err(_) => call,
        },
        "AcceptAudit" => match AcceptAuditRequest::decode(message) {
            Ok(accept) => {
                let detail = format!("host {}: {}", cut(&accept.host), cut(&accept.reason));
                AuditCall { detail, ..call }
            }
            Err(_) => call,
        },
        "SettleJobs" => match SettleJobsRequest::decode(message) {
            Ok(settle) => {
                let running = if settle.end_running { ", what runs is ended" } else { "" };
                let detail = format!("host {}{running}", cut(&settle.host));
                AuditCall { operation: cut(&settle.operation), detail, ..call }
            }
            Err(_) => call,
        },
        // The token lets a host in: not even a digest of it.
        "Enrol" => {
            let address = EnrolRequest::decode(message).map(|enrol| cut(&enrol.address));
            let detail = address.map(|address| format!("agent at {address}"));
            AuditCall { detail: detail.unwrap_or_default(), request_digest: Vec::new(), ..call }
        }
        _ => call,
    }
}

/// Ticket, note and accepted guards as far as valid ones can go: here they are not checked yet.
fn agreed(plan: &Plan) -> String {
    let line = plan.remarks.as_ref().map(remarks::line).unwrap_or_default();
    let line: String = line.chars().take(LONGEST_REMARKS).collect();
    let accepted = plan.intent.iter().flat_map(|intent| &intent.accepted);
    let accepted = accepted
        .take(MOST_ACCEPTED)
        .map(|one| format!("accepts {}: {}", cut(&one.code), cut(&one.reason)));
    let said: Vec<String> = std::iter::once(line).chain(accepted).collect();
    said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}
