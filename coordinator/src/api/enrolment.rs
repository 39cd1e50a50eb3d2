//! Enrolment: the only service without a client certificate. A token is judged, a request is
//! signed; sizes, times and rates are bounded, and a stranger learns nothing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bellows_proto::{
    fault::to_status,
    tls::Peer,
    v1::{EnrolReply, EnrolRequest, Fault, FaultCode, enrolment_server::Enrolment},
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::fault;
use crate::{
    agents::GrpcAgents,
    engine::ReadOnly,
    inventory::{EnrolError, Inventory},
};

/// A request is a token, a certificate request and an address.
pub const LARGEST_REQUEST: usize = 32 * 1024;
/// So many attempts at once...
const BURST: u32 = 50;
/// ... and then one per this time.
const PER_ATTEMPT: Duration = Duration::from_millis(200);

/// The service.
pub struct EnrolmentService {
    inventory: Inventory,
    agents: Arc<GrpcAgents>,
    read_only: ReadOnly,
    attempts: Mutex<Attempts>,
    now_ms: fn() -> i64,
}

impl EnrolmentService {
    /// Lets hosts in at this site, unless nothing may be changed.
    pub fn new(inventory: Inventory, agents: Arc<GrpcAgents>, read_only: ReadOnly) -> Self {
        let attempts = Mutex::new(Attempts { left: BURST, counted: Instant::now() });
        Self { inventory, agents, read_only, attempts, now_ms: crate::clock::now_ms }
    }

    fn enrol(&self, request: &EnrolRequest, from: &str) -> Result<EnrolReply, Status> {
        let taken =
            self.attempts.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        if !taken {
            return Err(to_status(
                &Fault::new(FaultCode::Denied, "too many enrolments at once")
                    .remedy("wait a few seconds, then try again with the same token"),
            ));
        }
        if self.read_only.reason().is_some() {
            // A stranger learns no more; the token stays good for the coordinator that leads.
            return Err(to_status(
                &Fault::new(
                    FaultCode::StaleTerm,
                    "this coordinator lets nobody in: it is read-only",
                )
                .remedy("enrol at the coordinator that leads this site"),
            ));
        }
        match self.inventory.enrol(request, (self.now_ms)()) {
            Ok(reply) => {
                // One that was enrolled before may be talked to by a key that is revoked now.
                self.agents.forget(&reply.host);
                tracing::info!(host = reply.host, address = request.address, from, "host enrolled");
                Ok(reply)
            }
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, why, from, "enrolment refused");
                Err(refusal(&error))
            }
        }
    }
}

fn refusal(error: &EnrolError) -> Status {
    match error {
        EnrolError::Token(_) => to_status(
            &Fault::new(FaultCode::Denied, "the token does not let this host in")
                .remedy("make a new one with `bellows host token HOST`; each lets in once, for a limited time"),
        ),
        EnrolError::Request(_) => fault::invalid(error.to_string(), "run bellows-agent enrol again"),
        EnrolError::Address(_) => {
            fault::invalid(error.to_string(), "correct listen or address in agent.toml")
        }
        EnrolError::KeyInUse(_) => {
            fault::invalid(error.to_string(), "remove the copied identity folder and enrol again")
        }
        EnrolError::Revoked(_) => fault::invalid(
            error.to_string(),
            "remove the agent's identity folder (data_dir/identity) and enrol again",
        ),
        EnrolError::Store(error) => fault::store(error),
    }
}

/// A bucket of attempts that fills up again.
#[derive(Debug)]
struct Attempts {
    left: u32,
    counted: Instant,
}

impl Attempts {
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.counted).as_millis() / PER_ATTEMPT.as_millis();
        let gained = u32::try_from(passed).unwrap_or(BURST);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(BURST);
            self.counted = now;
        }
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.address);
        let from = peer.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        Self::enrol(self, &request.into_inner(), &from).map(Response::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_bounded_and_come_back() {
        let start = Instant::now();
        let mut attempts = Attempts { left: 2, counted: start };
        assert!(attempts.take(start) && attempts.take(start));
        assert!(!attempts.take(start));
        assert!(attempts.take(start + PER_ATTEMPT));
        assert!(!attempts.take(start + PER_ATTEMPT));
        assert!(attempts.take(start + Duration::from_secs(3600)));
        assert_eq!(attempts.left, BURST - 1);
    }
}
