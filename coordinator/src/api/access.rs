//! Who may call what: one table over all RPCs, applied before dispatch. What is not in the
//! table is refused, whoever asks.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bellows_proto::{
    fault::to_status,
    identity::Role,
    tls::Peer,
    v1::{Fault, FaultCode},
};
use futures::future::{BoxFuture, Either, Ready, ready};
use tonic::{body::Body, transport::server::UdsConnectInfo};

use super::audited;
use crate::{audit::AuditLog, inventory::Inventory};

/// Who may call an RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Callers with one of these roles.
    Roles(&'static [Role]),
    /// Whoever holds a token, without a certificate: on the enrolment listener only.
    Token,
}

/// Reads everything, changes nothing.
const READ: Rule = Rule::Roles(&[Role::Viewer, Role::Operator, Role::Admin]);
/// Plans, applies, controls.
const OPERATE: Rule = Rule::Roles(&[Role::Operator, Role::Admin]);
/// Hosts and tokens.
const ADMINISTER: Rule = Rule::Roles(&[Role::Admin]);

/// All RPCs of the coordinator. Agents and coordinators have no rights here.
pub const TABLE: &[(&str, Rule)] = &[
    ("/bellows.v1.Coordinator/GetSite", READ),
    ("/bellows.v1.Coordinator/CreateHostToken", ADMINISTER),
    ("/bellows.v1.Coordinator/ListHosts", READ),
    ("/bellows.v1.Coordinator/GetHost", READ),
    ("/bellows.v1.Coordinator/RemoveHost", ADMINISTER),
    ("/bellows.v1.Coordinator/RevokeHost", ADMINISTER),
    ("/bellows.v1.Coordinator/IssueAccess", ADMINISTER),
    ("/bellows.v1.Coordinator/ListAccess", READ),
    ("/bellows.v1.Coordinator/RevokeAccess", ADMINISTER),
    ("/bellows.v1.Coordinator/GetRotation", READ),
    ("/bellows.v1.Coordinator/RotateAuthority", ADMINISTER),
    ("/bellows.v1.Coordinator/DeleteCluster", ADMINISTER),
    ("/bellows.v1.Coordinator/GetClusterHistory", READ),
    ("/bellows.v1.Coordinator/ListClusters", READ),
    ("/bellows.v1.Coordinator/GetCluster", READ),
    ("/bellows.v1.Coordinator/GetStatus", READ),
    ("/bellows.v1.Coordinator/GetOverview", READ),
    ("/bellows.v1.Coordinator/PlanIntent", OPERATE),
    ("/bellows.v1.Coordinator/ApplyPlan", OPERATE),
    ("/bellows.v1.Coordinator/ListOperations", READ),
    ("/bellows.v1.Coordinator/GetOperation", READ),
    ("/bellows.v1.Coordinator/WatchOperation", READ),
    ("/bellows.v1.Coordinator/ControlOperation", OPERATE),
    ("/bellows.v1.Coordinator/ReadOperationOutput", READ),
    ("/bellows.v1.Coordinator/ShowAudit", READ),
    ("/bellows.v1.Coordinator/VerifyAudit", READ),
    ("/bellows.v1.Coordinator/AcceptAudit", ADMINISTER),
    ("/bellows.v1.Coordinator/BackupStore", ADMINISTER),
    ("/bellows.v1.Coordinator/PruneOperations", ADMINISTER),
    ("/bellows.v1.Coordinator/ListHostJobs", READ),
    ("/bellows.v1.Coordinator/SettleJobs", OPERATE),
    ("/bellows.v1.Coordinator/PlanUpgrade", READ),
    ("/bellows.v1.Coordinator/UpgradeHosts", ADMINISTER),
    ("/bellows.v1.Enrolment/Enrol", Rule::Token),
];

/// The listener that a call came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The unix socket: the peer's credentials stand for a certificate.
    Local {
        /// The user that the coordinator runs as.
        own_uid: u32,
    },
    /// mTLS.
    Remote,
    /// TLS without a client certificate.
    Enrolment,
}

/// Who called. In the extensions of every request that was let through a door with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// For the journal, e.g. "root (unix socket)", "alice (operator)".
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// What is known of a caller before its role is.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The user at the other end of a unix socket.
    pub uid: Option<u32>,
    /// The verified certificate at the other end of a TLS connection.
    pub peer: Option<Peer>,
}

/// Judges a call. `Ok(None)`: let in without a name, by the token that it carries.
///
/// # Errors
/// Why it is refused, and what would mend it.
pub fn judge(
    door: Door,
    site_id: &str,
    path: &str,
    caller: &Caller,
) -> Result<Option<Principal>, Fault> {
    let rule = TABLE.iter().find(|(known, _)| *known == path).map(|(_, rule)| *rule);
    let Some(rule) = rule else {
        return Err(denied("there is no such call", "bring both ends to the same version"));
    };
    match (door, rule) {
        (Door::Enrolment, Rule::Token) => Ok(None),
        (Door::Enrolment, Rule::Roles(_)) => {
            Err(denied("this address is for enrolment only", "use the coordinator's API address"))
        }
        (Door::Local { .. } | Door::Remote, Rule::Token) => {
            Err(denied("enrolment has an address of its own", "use the enrolment address"))
        }
        (Door::Local { own_uid }, Rule::Roles(roles)) => {
            local(own_uid, caller.uid).and_then(|who| allowed(who, roles))
        }
        (Door::Remote, Rule::Roles(roles)) => {
            remote(site_id, caller.peer.as_ref()).and_then(|who| allowed(who, roles))
        }
    }
}

fn denied(what: &str, remedy: &str) -> Fault {
    Fault::new(FaultCode::Denied, what).remedy(remedy)
}

fn allowed(who: Principal, roles: &[Role]) -> Result<Option<Principal>, Fault> {
    if roles.contains(&who.role) {
        return Ok(Some(who));
    }
    let wanted: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(denied(
        &format!("{} may not do this", who.name),
        &format!("it takes an identity with the role {}", wanted.join(" or ")),
    ))
}

fn local(own_uid: u32, uid: Option<u32>) -> Result<Principal, Fault> {
    let remedy = "call as root or as the user that runs the coordinator";
    let uid = uid.ok_or_else(|| denied("the caller's user is not known", remedy))?;
    let name = match uid {
        0 => "root (unix socket)".to_owned(),
        uid if uid == own_uid => format!("uid {uid} (unix socket)"),
        uid => return Err(denied(&format!("user {uid} may not use the unix socket"), remedy)),
    };
    Ok(Principal { name, role: Role::Admin })
}

fn remote(site_id: &str, peer: Option<&Peer>) -> Result<Principal, Fault> {
    let identity = peer.and_then(|peer| peer.identity.as_ref());
    let remedy = "show a certificate of this site's authority";
    let identity =
        identity.ok_or_else(|| denied("the caller shows no certificate of this site", remedy))?;
    if identity.site != site_id {
        return Err(denied("the caller's certificate is of another site", remedy));
    }
    Ok(Principal { name: identity.to_string(), role: identity.role })
}

/// Whether a call changes something: it goes to the audit log then. What is not only read does.
pub fn changes(path: &str) -> bool {
    let rule = TABLE.iter().find(|(known, _)| *known == path).map(|(_, rule)| *rule);
    rule.is_some_and(|rule| rule != READ) && !path.ends_with("/PlanIntent")
}

/// The layer that stands before the services of one listener.
#[derive(Debug, Clone)]
pub struct Authorise {
    door: Door,
    site_id: Arc<str>,
    audit: Arc<AuditLog>,
    inventory: Inventory,
}

impl Authorise {
    /// Stands at this door of this site, knows what was revoked, and tells the audit log.
    pub fn new(door: Door, site_id: &str, audit: Arc<AuditLog>, inventory: Inventory) -> Self {
        Self { door, site_id: site_id.into(), audit, inventory }
    }

    fn judge(&self, path: &str, caller: &Caller) -> Result<Option<Principal>, Fault> {
        let key = caller.peer.as_ref().and_then(|peer| peer.key);
        match key.and_then(|key| self.inventory.key_refusal(&key)) {
            Some(refusal) => Err(refusal),
            None => judge(self.door, &self.site_id, path, caller),
        }
    }
}

impl<S> tower::Layer<S> for Authorise {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, rules: self.clone() }
    }
}

/// A service behind the table.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    rules: Authorise,
}

impl<S> tower::Service<http::Request<Body>> for Guarded<S>
where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Answered<S>>, Either<S::Future, BoxFuture<'static, Answered<S>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let caller = Caller {
            uid: request
                .extensions()
                .get::<UdsConnectInfo>()
                .and_then(|info| info.peer_cred)
                .map(|cred| cred.uid()),
            peer: request.extensions().get::<Peer>().cloned(),
        };
        match self.rules.judge(request.uri().path(), &caller) {
            Ok(principal) => {
                let name = principal.as_ref().map(|principal| principal.name.clone());
                if let Some(principal) = principal {
                    request.extensions_mut().insert(principal);
                }
                if !changes(request.uri().path()) {
                    return Either::Right(Either::Left(self.inner.call(request)));
                }
                // The one that was polled ready is the one to call.
                let next = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, next);
                let audit = Arc::clone(&self.rules.audit);
                Either::Right(Either::Right(Box::pin(audited::call(inner, request, audit, name))))
            }
            Err(fault) => {
                let path = request.uri().path();
                tracing::warn!(path, why = fault.message, "call refused");
                audited::refused(&self.rules.audit, &caller, path, &fault);
                Either::Left(ready(Ok(to_status(&fault).into_http())))
            }
        }
    }
}

/// What a service answers.
type Answered<S> = Result<http::Response<Body>, <S as tower::Service<http::Request<Body>>>::Error>;

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::identity::Identity;

    const WATCH: &str = "/bellows.v1.Coordinator/WatchOperation";
    const TOKEN: &str = "/bellows.v1.Coordinator/CreateHostToken";

    fn peer(role: Role, site: &str) -> Caller {
        let identity = Identity { site: site.into(), role, name: "alice".into() };
        Caller {
            uid: None,
            peer: Some(Peer {
                identity: Some(identity),
                key: None,
                certificate: None,
                address: None,
            }),
        }
    }

    fn user(uid: u32) -> Caller {
        Caller { uid: Some(uid), peer: None }
    }

    #[test]
    fn roles_are_of_this_site() {
        let who = judge(Door::Remote, "s", WATCH, &peer(Role::Viewer, "s"));
        assert_eq!(who.map(|p| p.map(|p| p.name)), Ok(Some("alice (viewer)".into())));
        assert!(judge(Door::Remote, "s", WATCH, &peer(Role::Admin, "other")).is_err());
        assert!(judge(Door::Remote, "s", TOKEN, &peer(Role::Operator, "s")).is_err());
        assert!(judge(Door::Remote, "s", WATCH, &Caller::default()).is_err());
        // A user id means nothing over TLS.
        assert!(judge(Door::Remote, "s", WATCH, &user(0)).is_err());
    }

    #[test]
    fn what_changes_something_is_audited() {
        let changing: Vec<&str> =
            TABLE.iter().map(|(path, _)| *path).filter(|path| changes(path)).collect();
        let calls = ["ApplyPlan", "ControlOperation", "CreateHostToken", "Enrol"];
        for call in calls {
            assert!(changing.iter().any(|path| path.ends_with(&format!("/{call}"))), "{call}");
        }
        assert!(!changes(WATCH) && !changes("/bellows.v1.Coordinator/PlanIntent"));
    }

    #[test]
    fn the_socket_is_for_root_and_the_own_user() {
        let door = Door::Local { own_uid: 990 };
        for uid in [0, 990] {
            let who = judge(door, "s", TOKEN, &user(uid));
            assert_eq!(who.map(|p| p.map(|p| p.role)), Ok(Some(Role::Admin)));
        }
        assert!(judge(door, "s", WATCH, &user(1000)).is_err());
        assert!(judge(door, "s", WATCH, &peer(Role::Admin, "s")).is_err());
    }

    #[test]
    fn unknown_calls_are_refused_to_everybody() {
        let door = Door::Local { own_uid: 0 };
        assert!(judge(door, "s", "/bellows.v1.Coordinator/Shell", &user(0)).is_err());
        assert!(judge(door, "s", "/bellows.v1.Agent/StartJob", &user(0)).is_err());
        assert!(judge(Door::Enrolment, "s", WATCH, &peer(Role::Admin, "s")).is_err());
        let enrol = "/bellows.v1.Enrolment/Enrol";
        assert_eq!(judge(Door::Enrolment, "s", enrol, &Caller::default()), Ok(None));
        assert!(judge(door, "s", enrol, &user(0)).is_err());
    }
}
