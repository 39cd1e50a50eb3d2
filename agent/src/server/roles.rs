//! Who may call what, before any call is dispatched. Deny by default: a call that is not in
//! the table is refused, whoever makes it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bellows_proto::{
    fault,
    identity::Role,
    tls::Peer,
    v1::{Fault, FaultCode},
};
use futures::future::{Either, Ready, ready};
use tonic::body::Body;

use crate::{audit::Caller, jobs::Jobs};

/// Every call of the agent with the roles that may make it.
pub const ALLOWED: &[(&str, &[Role])] = &[
    ("/bellows.v1.Agent/Hello", &[Role::Coordinator]),
    ("/bellows.v1.Agent/Ask", &[Role::Coordinator]),
    ("/bellows.v1.Agent/PlantFence", &[Role::Coordinator]),
    ("/bellows.v1.Agent/StartJob", &[Role::Coordinator]),
    ("/bellows.v1.Agent/Seal", &[Role::Coordinator]),
    ("/bellows.v1.Agent/GetJob", &[Role::Coordinator]),
    ("/bellows.v1.Agent/ListJobs", &[Role::Coordinator]),
    ("/bellows.v1.Agent/ReadOutput", &[Role::Coordinator]),
    ("/bellows.v1.Agent/CancelJob", &[Role::Coordinator]),
    ("/bellows.v1.Agent/Close", &[Role::Coordinator]),
    ("/bellows.v1.Agent/AnnounceTerm", &[Role::Coordinator]),
    ("/bellows.v1.Agent/ReadAudit", &[Role::Coordinator]),
    ("/bellows.v1.Agent/Recall", &[Role::Coordinator]),
    ("/bellows.v1.Agent/RenewCertificate", &[Role::Coordinator]),
    ("/bellows.v1.Agent/GetProgram", &[Role::Coordinator]),
    ("/bellows.v1.Agent/PutProgram", &[Role::Coordinator]),
    ("/bellows.v1.Agent/SwitchProgram", &[Role::Coordinator]),
    ("/bellows.v1.Agent/ConfirmProgram", &[Role::Coordinator]),
];

/// The name of a call that is not ours is not written longer, characters.
const LONGEST_CALL: usize = 100;

/// Whether a peer may make a call at this site.
fn judge(site: &str, path: &str, peer: Option<&Peer>) -> Result<(), Fault> {
    let denied = |reason: String| Err(Fault::new(FaultCode::Denied, reason));
    let Some(identity) = peer.and_then(|peer| peer.identity.as_ref()) else {
        return denied("the caller shows no certificate of this site".to_owned());
    };
    if identity.site != site {
        return denied(format!("{identity} is of another site"));
    }
    let roles = ALLOWED.iter().find(|(known, _)| *known == path);
    match roles {
        Some((_, roles)) if roles.contains(&identity.role) => Ok(()),
        Some(_) => denied(format!("role {} may not call {path}", identity.role)),
        None => denied(format!("{path} is not offered here")),
    }
}

/// Puts [`judge`] before a service.
#[derive(Clone)]
pub struct RoleLayer {
    site: Arc<str>,
    jobs: Jobs,
}

impl RoleLayer {
    /// For an agent of this site; what is refused goes to the audit log of these jobs.
    pub fn new(site: Arc<str>, jobs: Jobs) -> Self {
        Self { site, jobs }
    }
}

impl<S> tower::Layer<S> for RoleLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { rules: self.clone(), inner }
    }
}

/// A service behind the table.
#[derive(Clone)]
pub struct Guarded<S> {
    rules: RoleLayer,
    inner: S,
}

impl<S, B> tower::Service<http::Request<B>> for Guarded<S>
where
    S: tower::Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let peer = request.extensions().get::<Peer>();
        match judge(&self.rules.site, request.uri().path(), peer) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(refusal) => {
                let from = peer.and_then(|peer| peer.address);
                tracing::warn!(?from, fault = %refusal, "call refused");
                let principal = match peer.and_then(|peer| peer.identity.as_ref()) {
                    Some(identity) => format!("{identity} of site {}", identity.site),
                    None => "somebody without a certificate".to_owned(),
                };
                let call = request.uri().path().rsplit('/').next().unwrap_or_default();
                let call: String = call.chars().take(LONGEST_CALL).collect();
                let caller = Caller { principal, head: None };
                self.rules.jobs.called_by(caller).refused(&call, "", &refusal);
                Either::Right(ready(Ok(fault::to_status(&refusal).into_http())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::identity::Identity;
    use prost::Message as _;

    fn peer(site: &str, role: Role) -> Peer {
        Peer {
            identity: Some(Identity { site: site.to_owned(), role, name: "x".to_owned() }),
            key: None,
            certificate: None,
            address: None,
        }
    }

    #[test]
    fn only_the_coordinator_of_the_site_may_call() {
        for (path, _) in ALLOWED {
            for role in Role::ALL {
                let allowed = judge("s", path, Some(&peer("s", role))).is_ok();
                assert_eq!(allowed, role == Role::Coordinator, "{path} {role}");
                assert!(judge("s", path, Some(&peer("other", role))).is_err());
            }
            assert!(judge("s", path, None).is_err());
        }
        let coordinator = peer("s", Role::Coordinator);
        assert!(judge("s", "/bellows.v1.Agent/New", Some(&coordinator)).is_err());
    }

    #[test]
    fn the_table_names_every_call() {
        let set = FileDescriptorSet::decode(bellows_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut calls: Vec<String> = Vec::new();
        for file in set.files {
            for service in file.services.iter().filter(|s| s.name == "Agent") {
                calls.extend(
                    service.methods.iter().map(|method| {
                        format!("/{}.{}/{}", file.package, service.name, method.name)
                    }),
                );
            }
        }
        calls.sort();
        let mut table: Vec<_> = ALLOWED.iter().map(|(path, _)| (*path).to_owned()).collect();
        table.sort();
        assert_eq!(table, calls);
    }

    // The parts of google.protobuf.FileDescriptorSet that this test reads.
    #[derive(Clone, PartialEq, prost::Message)]
    struct FileDescriptorSet {
        #[prost(message, repeated, tag = "1")]
        files: Vec<File>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct File {
        #[prost(string, tag = "2")]
        package: String,
        #[prost(message, repeated, tag = "6")]
        services: Vec<Service>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Service {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, repeated, tag = "2")]
        methods: Vec<Method>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Method {
        #[prost(string, tag = "1")]
        name: String,
    }
}
