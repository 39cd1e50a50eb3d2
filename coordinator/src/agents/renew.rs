//! Calls of a renewal: the agent's steps, and the key that it really shows.

use std::{future::Future, sync::Arc};

use bellows_proto::{
    identity::{Identity, Role},
    tls,
    v1::{
        Fault, FaultCode, HelloRequest, RenewCertificateReply, RenewCertificateRequest,
        agent_client::AgentClient, renew_certificate_request::Step,
    },
};
use tonic::Response;

use super::{CALL_DEADLINE, CONNECT_DEADLINE, GrpcAgents, HELLO_DEADLINE, fault};

impl GrpcAgents {
    /// Carries one step of a renewal to an agent.
    ///
    /// # Errors
    /// If this coordinator does not lead, the agent cannot be reached, is too old, or refuses.
    pub async fn renew(&self, host: &str, step: Step) -> Result<RenewCertificateReply, Fault> {
        let Some(term) = self.leading.get().filter(|_| self.read_only.reason().is_none()) else {
            let text = "this coordinator does not lead: it renews nothing";
            return Err(Fault::new(FaultCode::StaleTerm, text).at(host));
        };
        self.may_change(host)?;
        let request = RenewCertificateRequest { term: Some(term.clone()), step: Some(step) };
        let reply = self
            .call(host, CALL_DEADLINE, |mut client| async move {
                client.renew_certificate(request).await
            })
            .await?;
        Ok(self.seen(host, reply))
    }

    /// Whether this coordinator leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.leading.get().is_some() && self.read_only.reason().is_none()
    }

    /// SHA-256 of the public key that an agent shows at a new connection.
    ///
    /// # Errors
    /// If there is no handshake with it.
    pub async fn shown_key(&self, host: &str) -> Result<[u8; 32], Fault> {
        let address = self.address(host)?;
        let (name, config) = (self.server_name(host), self.tls.current());
        let shown = tls::peer_key(&address, &name, config, CONNECT_DEADLINE).await;
        shown.map_err(|error| fault::no_handshake(host, &error))
    }

    /// Whether an agent that answers now would also answer a coordinator that shows something else.
    ///
    /// # Errors
    /// What it says then. One that does not answer now says nothing.
    pub async fn would_accept(
        &self,
        host: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> Result<(), Fault> {
        use crate::engine::ports::Agents as _;
        if self.hello(host).await.is_err() {
            return Ok(());
        }
        self.accepts(host, config).await
    }

    /// Whether an agent answers over a new connection that is made with this.
    ///
    /// # Errors
    /// What it says, or that it does not answer.
    pub async fn accepts(
        &self,
        host: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> Result<(), Fault> {
        let address = self.address(host)?;
        let channel = tls::channel(&address, &self.server_name(host), config, CONNECT_DEADLINE)
            .map_err(|error| fault::bad_address(host, &error))?;
        let mut client = AgentClient::new(channel);
        let said = bounded(client.hello(HelloRequest {})).await;
        match said {
            Some(Ok(_)) => Ok(()),
            Some(Err(status)) => Err(fault::from_status(&status, host)),
            None => Err(fault::deadline(host, HELLO_DEADLINE)),
        }
    }

    /// Ends all kept channels: further calls make new ones. What is under way goes on.
    pub fn forget_all(&self) {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// Whether anything may be changed at a host.
    pub(super) fn may_change(&self, host: &str) -> Result<(), Fault> {
        self.addresses.forbidden(host).map_or(Ok(()), Err)
    }

    /// Where a host is dialled, if it may be.
    pub(super) fn address(&self, host: &str) -> Result<String, Fault> {
        if let Some(refusal) = self.addresses.refusal(host) {
            return Err(refusal);
        }
        self.addresses.address(host).ok_or_else(|| fault::unknown_host(host))
    }

    pub(super) fn server_name(&self, host: &str) -> String {
        Identity { site: self.site_id.clone(), role: Role::Agent, name: host.to_owned() }.dns_name()
    }
}

type Answered<T> = Result<Response<T>, tonic::Status>;

async fn bounded<T>(call: impl Future<Output = Answered<T>>) -> Option<Answered<T>> {
    tokio::time::timeout(HELLO_DEADLINE, call).await.ok()
}
