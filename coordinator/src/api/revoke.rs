//! Certificates that are not accepted any more at somebody's word.

use bellows_proto::{
    digest,
    names::HostName,
    remarks::Reason,
    v1::{HostSummary, RevokeHostReply, RevokeHostRequest},
};
use tonic::Status;

use super::{Api, access::Principal, fault, hosts};
use crate::{engine::World, inventory::RemoveError, store::Revocation};

/// The state of a host whose certificate is not accepted.
pub(super) const REVOKED: &str = "revoked";

/// Why, in one line.
pub(super) fn reason(text: &str) -> Result<String, Status> {
    let reason: Result<Reason, _> = text.parse();
    let remedy = "say in one line, of at most 500 characters, why it is revoked";
    reason.map(|reason| reason.to_string()).map_err(|e| fault::invalid(e.to_string(), remedy))
}

impl<W: World> Api<W> {
    /// From now on a host's key is accepted by nobody; what is known of the host stays.
    pub(super) fn revoke(
        &self,
        request: &RevokeHostRequest,
        who: &Principal,
    ) -> Result<RevokeHostReply, Status> {
        self.may_change()?;
        let name: HostName = request.host.parse().map_err(|e| fault::bad_name(&e))?;
        let reason = reason(&request.reason)?;
        let why = Revocation { at_ms: (self.now_ms)(), principal: who.name.clone(), reason };
        let record = self.inventory.revoke_host(name.as_str(), &why).map_err(|e| match e {
            RemoveError::Store(error) => fault::store(&error),
            RemoveError::Unknown(_) | RemoveError::HasNode { .. } | RemoveError::Owed { .. } => {
                hosts::unknown(&name)
            }
        })?;
        self.agents.forget(name.as_str());
        tracing::warn!(host = %name, principal = who.name, why = why.reason, "host revoked");
        let keys = [&record.key_fingerprint, &record.next_key];
        Ok(RevokeHostReply {
            revoked_keys: keys
                .into_iter()
                .filter(|key| !key.is_empty())
                .map(|key| digest::hex(key))
                .collect(),
            revoked: Some(HostSummary {
                host: record.host,
                address: record.address,
                state: REVOKED.to_owned(),
                enrolled_at_ms: record.enrolled_at_ms,
                last_seen_at_ms: record.last_seen_at_ms,
                agent_version: record.agent_version,
                ..HostSummary::default()
            }),
        })
    }
}
