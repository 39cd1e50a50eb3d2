//! Certificates of users: issued, listed, revoked.

use bellows_proto::{
    digest,
    identity::Role,
    v1::{
        Access, IssueAccessReply, IssueAccessRequest, ListAccessReply, RevokeAccessReply,
        RevokeAccessRequest,
    },
};
use tonic::Status;

use super::{Api, access::Principal, fault, revoke::reason};
use crate::{
    ca::CaError,
    engine::World,
    inventory::AccessError,
    store::{AccessRecord, Revocation},
};

impl<W: World> Api<W> {
    pub(super) fn issue(
        &self,
        request: &IssueAccessRequest,
        who: &Principal,
    ) -> Result<IssueAccessReply, Status> {
        self.may_change()?;
        let role: Role = request.role.parse().map_err(|e| invalid(&e))?;
        let (name, asked) = (request.name.as_str(), &request.certificate_request);
        let issued = self.inventory.issue_access((name, role), asked, &who.name, (self.now_ms)());
        let (signed, record) = issued.map_err(|e| refused(&e))?;
        tracing::info!(name, %role, principal = who.name, "a certificate was issued");
        Ok(IssueAccessReply {
            certificate: signed.certificate,
            authority: self.inventory.authorities().bundle(),
            access: Some(shown(record)),
        })
    }

    pub(super) fn all_access(&self) -> Result<ListAccessReply, Status> {
        let all = self.inventory.access().map_err(|e| fault::store(&e))?;
        Ok(ListAccessReply { access: all.into_iter().map(shown).collect() })
    }

    pub(super) fn revoke_user(
        &self,
        request: &RevokeAccessRequest,
        who: &Principal,
    ) -> Result<RevokeAccessReply, Status> {
        self.may_change()?;
        let reason = reason(&request.reason)?;
        let Some(key) = key(&request.key) else {
            let text = "a key is told by its SHA-256, 64 digits of lower-case hexadecimal";
            return Err(fault::invalid(text, "take it from bellows access list"));
        };
        if self.renewals.own().key() == key {
            let text = "that is the certificate with which this coordinator serves";
            return Err(fault::conflict(text, "it renews itself; nothing was changed"));
        }
        let access = AccessRecord {
            key,
            name: request.name.chars().take(63).collect(),
            role: request.role.chars().take(63).collect(),
            ..AccessRecord::default()
        };
        let why = Revocation { at_ms: (self.now_ms)(), principal: who.name.clone(), reason };
        let revoked = self.inventory.revoke_access(&access, &why).map_err(|e| refused(&e))?;
        tracing::warn!(name = revoked.name, principal = who.name, "a certificate was revoked");
        Ok(RevokeAccessReply { revoked: Some(shown(revoked)) })
    }
}

pub(super) fn shown(record: AccessRecord) -> Access {
    let why = record.revocation.unwrap_or_default();
    Access {
        name: record.name,
        role: record.role,
        key: digest::hex(&record.key),
        valid_until_ms: record.valid_until_ms,
        issued_at_ms: record.issued_at_ms,
        issued_by: record.issued_by,
        revoked_at_ms: why.at_ms,
        revoked_by: why.principal,
        reason: why.reason,
    }
}

/// The bytes of a SHA-256 in hexadecimal.
fn key(text: &str) -> Option<Vec<u8>> {
    let digits = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if text.len() != 64 || !text.bytes().all(|byte| digits(&byte)) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).filter_map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

fn invalid(error: &dyn std::error::Error) -> Status {
    fault::invalid(error.to_string(), "see bellows access issue --help")
}

fn refused(error: &AccessError) -> Status {
    match error {
        AccessError::Role(_)
        | AccessError::KeyInUse(_)
        | AccessError::Request(CaError::Request(_) | CaError::Name { .. }) => invalid(error),
        AccessError::Host(host) => {
            let remedy = format!("bellows host revoke {host}");
            fault::invalid(error.to_string(), &remedy)
        }
        AccessError::Request(
            CaError::Make(_) | CaError::Authority { .. } | CaError::Issued(_) | CaError::System(_),
        ) => fault::internal(error.to_string()),
        AccessError::Store(error) => fault::store(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_digits() {
        assert_eq!(key(&"0a".repeat(32)), Some(vec![10; 32]));
        for bad in ["", "0a", &"0A".repeat(32), &"0a".repeat(33), &"é".repeat(32)] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
