//! What is stored beside events and specs. Messages: fields may be added, never reused.

use bellows_proto::v1::{Lock, OperationSummary};

/// A host of the site.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HostRecord {
    /// Its name.
    #[prost(string, tag = "1")]
    pub host: String,
    /// Where its agent is dialled, host:port.
    #[prost(string, tag = "2")]
    pub address: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER) of its agent: this is the host.
    #[prost(bytes = "vec", tag = "3")]
    pub key_fingerprint: Vec<u8>,
    /// `/etc/machine-id` at enrolment.
    #[prost(string, tag = "4")]
    pub machine_id: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "5")]
    pub enrolled_at_ms: i64,
    /// Milliseconds since 1970; 0: never. Not made durable at once.
    #[prost(int64, tag = "6")]
    pub last_seen_at_ms: i64,
    /// When it was last seen; may be empty.
    #[prost(string, tag = "7")]
    pub agent_version: String,
    /// SHA-256 of the public key that a certificate was signed for, and that was not seen yet; empty:
    /// no renewal is under way.
    #[prost(bytes = "vec", tag = "90")]
    pub next_key: Vec<u8>,
    /// Of the certificate: milliseconds since 1970; 0: not known.
    #[prost(int64, tag = "91")]
    pub valid_from_ms: i64,
    /// Of the certificate: milliseconds since 1970; 0: not known.
    #[prost(int64, tag = "92")]
    pub valid_until_ms: i64,
    /// That its certificate is not accepted, though nothing of it is forgotten; unset: it is.
    #[prost(message, optional, tag = "93")]
    pub revocation: Option<Revocation>,
    /// That two machines show its certificate; unset: nobody has seen that.
    #[prost(message, optional, tag = "94")]
    pub twins: Option<Twins>,
    /// SHA-256 of the certificate of the authority that signed what it shows, as a handshake has proven;
    /// empty: none has.
    #[prost(bytes = "vec", tag = "95")]
    pub issuer: Vec<u8>,
    /// The same of those that it trusts.
    #[prost(bytes = "vec", repeated, tag = "96")]
    pub trusts: Vec<Vec<u8>>,
}

/// A certificate of a user.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AccessRecord {
    /// SHA-256 of the public key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Whose it is.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The word of its role.
    #[prost(string, tag = "3")]
    pub role: String,
    /// Milliseconds since 1970; 0: not known.
    #[prost(int64, tag = "4")]
    pub valid_until_ms: i64,
    /// Milliseconds since 1970; 0: not known.
    #[prost(int64, tag = "5")]
    pub issued_at_ms: i64,
    /// Who had it issued; empty: not known.
    #[prost(string, tag = "6")]
    pub issued_by: String,
    /// Unset: it is accepted.
    #[prost(message, optional, tag = "7")]
    pub revocation: Option<Revocation>,
    /// SHA-256 of the certificate of the authority that signed it; empty: the first one, or not known.
    #[prost(bytes = "vec", tag = "90")]
    pub issuer: Vec<u8>,
}

/// Two machines that show one certificate.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Twins {
    /// What showed it.
    #[prost(string, tag = "1")]
    pub evidence: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub seen_at_ms: i64,
}

/// Why a certificate is not accepted any more.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Revocation {
    /// Milliseconds since 1970.
    #[prost(int64, tag = "1")]
    pub at_ms: i64,
    /// Who said so.
    #[prost(string, tag = "2")]
    pub principal: String,
    /// Why, in the words of whoever said so.
    #[prost(string, tag = "3")]
    pub reason: String,
}

/// The enrolment token of a host. The secret itself is never stored.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TokenRecord {
    /// Whom it lets in.
    #[prost(string, tag = "1")]
    pub host: String,
    /// SHA-256 of the secret.
    #[prost(bytes = "vec", tag = "2")]
    pub secret_hash: Vec<u8>,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub created_at_ms: i64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "4")]
    pub expires_at_ms: i64,
    /// Milliseconds since 1970; 0: not yet.
    #[prost(int64, tag = "5")]
    pub used_at_ms: i64,
    /// Who made it.
    #[prost(string, tag = "6")]
    pub principal: String,
}

/// A key that is not accepted any more.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RevokedRecord {
    /// SHA-256 of the public key, as in [`HostRecord`].
    #[prost(bytes = "vec", tag = "1")]
    pub key_fingerprint: Vec<u8>,
    /// Whose it was.
    #[prost(string, tag = "2")]
    pub host: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub revoked_at_ms: i64,
    /// Who said so.
    #[prost(string, tag = "4")]
    pub principal: String,
    /// Why, where somebody said so; empty: another key took its place, or its host was removed.
    #[prost(string, tag = "90")]
    pub reason: String,
}

/// Who holds a lock.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LockHolder {
    /// The operation's id.
    #[prost(string, tag = "1")]
    pub operation: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub since_ms: i64,
}

/// One lock: one exclusive holder or several shared ones.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct LockRecord {
    #[prost(bool, tag = "1")]
    pub exclusive: bool,
    #[prost(message, repeated, tag = "2")]
    pub holders: Vec<LockHolder>,
}

/// The index entry of an operation: what is known of it without reading its events. It stays
/// when they are pruned.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OperationRecord {
    #[prost(message, optional, tag = "1")]
    pub summary: Option<OperationSummary>,
    #[prost(uint64, tag = "2")]
    pub last_sequence: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub last_hash: Vec<u8>,
    /// Its last event is `closed`.
    #[prost(bool, tag = "4")]
    pub closed: bool,
    /// Goes backwards once it goes on.
    #[prost(bool, tag = "5")]
    pub undoing: bool,
    #[prost(message, repeated, tag = "6")]
    pub locks: Vec<Lock>,
    /// Its events are gone: only this entry is left.
    #[prost(bool, tag = "7")]
    pub pruned: bool,
}

/// One event with what binds it to the one before.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct EventRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub previous_hash: Vec<u8>,
    /// The encoded event.
    #[prost(bytes = "vec", tag = "2")]
    pub event: Vec<u8>,
}

/// Which version of a cluster's spec is the newest.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct NewestSpec {
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// The first one that is stored; 0 means 1. Those before were lost with an earlier store.
    #[prost(uint64, tag = "2")]
    pub oldest: u64,
}

impl NewestSpec {
    /// The versions that must be there.
    pub fn versions(self) -> std::ops::RangeInclusive<u64> {
        self.oldest.max(1)..=self.version
    }
}

/// What the store knows of itself.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct StoreRecord {
    /// UUID.
    #[prost(string, tag = "1")]
    pub store_id: String,
    /// UUID.
    #[prost(string, tag = "2")]
    pub site_id: String,
    #[prost(uint64, tag = "3")]
    pub term: u64,
    /// Which indexes are kept.
    #[prost(uint32, tag = "4")]
    pub revision: u32,
    /// Random, of the last raise of the term.
    #[prost(string, tag = "5")]
    pub incarnation: String,
}

/// The number of the last durable commit.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct CommitRecord {
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// That an operation is unfinished; its key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct OpenRecord {}
