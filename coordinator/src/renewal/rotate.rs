//! The site goes from its authority to another one, phase by phase. What is decided is in
//! `ca::rotation`; here it is kept, told to hosts, and proven by handshakes.

use std::sync::{Arc, PoisonError};

use bellows_proto::v1::{
    Access, Fault, FaultCode, Rotation, RotationHost, TrustAuthorities,
    renew_certificate_request::Step,
};

use super::Renewals;
use crate::{
    ca::{
        Authorities, Authority, CaError,
        rotation::{self, Asked, Change, HostFacts, InTheWay, Lack, Note, Phase, Refused},
    },
    site::{self, SiteError},
    store::{AccessRecord, HostRecord, StoreError},
};

/// Why a rotation does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It may not.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No authority can be made.
    #[error(transparent)]
    Make(#[from] CaError),
    /// It cannot be kept: nothing was changed.
    #[error(transparent)]
    Keep(#[from] SiteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who ends the certificates of a retired authority in the list of users.
const ROTATION: &str = "rotation of the authority";

impl Renewals {
    /// Begins a rotation, takes its next phase, or goes back. What follows from it at hosts is begun at
    /// once, and not waited for. `without_users`: users whose certificates it ends do not hold it up.
    ///
    /// # Errors
    /// Why not; nothing was changed then.
    pub async fn rotate(
        &self,
        asked: Asked,
        without_users: bool,
        principal: &str,
    ) -> Result<(), RotateError> {
        let _changing = self.changing.lock().await;
        let now_ms = (self.now_ms)();
        let set = self.inventory.authorities();
        let mut way = self.in_the_way(&set)?;
        if without_users {
            way.users.clear();
        }
        let phase = set.rotation.as_ref().map(|rotation| rotation.note.phase);
        match rotation::decide(asked, phase, way)? {
            Change::Begin => self.begin(&set, principal, now_ms)?,
            Change::To(phase) => self.to(&set, phase, now_ms)?,
            Change::Taken => self.end(&set, true)?,
            Change::Dropped => self.end(&set, false)?,
        }
        self.kick.notify_one();
        Ok(())
    }

    fn begin(&self, set: &Authorities, principal: &str, now_ms: i64) -> Result<(), RotateError> {
        let made = Authority::create(set.old.site(), now_ms)?;
        let note = Note {
            phase: Phase::Trust,
            since_ms: now_ms,
            started_at_ms: now_ms,
            started_by: principal.to_owned(),
        };
        let new = site::begin_rotation(self.own.folder(), set.old.site(), &made, &note)?;
        tracing::warn!(principal, new = new.fingerprint(), "a rotation of the authority begins");
        let old = Arc::clone(&set.old);
        let rotation = Some(rotation::Rotation { new, note });
        self.inventory.exchange_authorities(Authorities { old, rotation });
        Ok(())
    }

    fn to(&self, set: &Authorities, phase: Phase, now_ms: i64) -> Result<(), RotateError> {
        let Some(mut rotation) = set.rotation.clone() else {
            return Err(Refused::NotBegun.into());
        };
        rotation.note.phase = phase;
        rotation.note.since_ms = now_ms;
        site::note_rotation(self.own.folder(), &rotation.note)?;
        tracing::warn!(%phase, "the rotation of the authority goes on");
        let old = Arc::clone(&set.old);
        self.inventory.exchange_authorities(Authorities { old, rotation: Some(rotation) });
        Ok(())
    }

    fn end(&self, set: &Authorities, taken: bool) -> Result<(), RotateError> {
        let Some(rotation) = &set.rotation else { return Err(Refused::NotBegun.into()) };
        site::end_rotation(self.own.folder(), taken)?;
        let left = if taken { &rotation.new } else { &set.old };
        tracing::warn!(left = left.fingerprint(), "the rotation of the authority has ended");
        self.inventory.exchange_authorities(Authorities::alone(Arc::clone(left)));
        Ok(())
    }

    /// The last phase of either way ends by itself, as soon as nobody has the other authority any more.
    pub(super) async fn end_if_nothing_is_left(&self) {
        if !self.agents.leads() {
            return;
        }
        let _changing = self.changing.lock().await;
        let set = self.inventory.authorities();
        let taken = match set.rotation.as_ref().map(|rotation| rotation.note.phase) {
            Some(Phase::Retire) => true,
            Some(Phase::Drop) => false,
            Some(Phase::Trust | Phase::Issue | Phase::Back) | None => return,
        };
        let ended = self.inventory.retire_users(ROTATION, (self.now_ms)());
        let ended =
            ended.map_err(RotateError::from).and_then(|()| match self.in_the_way(&set)? {
                way if way.is_empty() => self.end(&set, taken),
                _ => Ok(()),
            });
        if let Err(error) = ended {
            tracing::error!(%error, "the rotation of the authority cannot end");
        }
    }

    fn in_the_way(&self, set: &Authorities) -> Result<InTheWay, StoreError> {
        let hosts = self.inventory.hosts()?;
        let hosts = hosts.iter().filter(|record| self.inventory.lacks(record).is_some());
        let users = self.inventory.users_of_another((self.now_ms)())?;
        let named = |user: &AccessRecord| format!("{} ({})", user.name, user.role);
        Ok(InTheWay {
            hosts: hosts.map(|record| record.host.clone()).collect(),
            users: users.iter().map(named).collect(),
            own: !self.own.is_of(set.own()),
        })
    }

    /// How far it is.
    ///
    /// # Errors
    /// If the store failed.
    pub fn rotation(&self, shown: impl Fn(AccessRecord) -> Access) -> Result<Rotation, StoreError> {
        let set = self.inventory.authorities();
        let Some(rotation) = &set.rotation else {
            let next = rotation::following(None).leads_to().to_owned();
            return Ok(Rotation { phase: "none".to_owned(), next, ..Rotation::default() });
        };
        let Note { phase, since_ms, started_at_ms, started_by } = rotation.note.clone();
        let hosts = self.inventory.hosts()?;
        let hosts = hosts.iter().filter(|record| record.revocation.is_none());
        let users = self.inventory.users_of_another((self.now_ms)())?;
        let own_lacks = if self.own.is_of(set.own()) {
            String::new()
        } else {
            self.own.why().unwrap_or_else(|| Lack::Certificate.to_string())
        };
        Ok(Rotation {
            phase: phase.to_string(),
            since_ms,
            started_at_ms,
            started_by,
            old_authority: set.old.fingerprint().to_owned(),
            new_authority: rotation.new.fingerprint().to_owned(),
            hosts: hosts.map(|record| self.told(record)).collect(),
            users: users.into_iter().map(shown).collect(),
            own_lacks,
            ready: self.in_the_way(&set)?.is_empty(),
            next: rotation::following(Some(phase)).leads_to().to_owned(),
        })
    }

    fn told(&self, record: &HostRecord) -> RotationHost {
        let lacks = self.inventory.lacks(record);
        let of = |map: &std::sync::Mutex<std::collections::BTreeMap<String, String>>| {
            map.lock().unwrap_or_else(PoisonError::into_inner).get(&record.host).cloned()
        };
        let why = || of(&self.away).or_else(|| of(&self.troubles)).unwrap_or_default();
        RotationHost {
            host: record.host.clone(),
            lacks: lacks.map(|lack| lack.to_string()).unwrap_or_default(),
            why: lacks.map(|_| why()).unwrap_or_default(),
            last_seen_at_ms: record.last_seen_at_ms,
        }
    }

    /// The next thing that a host needs to have what it should have; `false`: it has all.
    pub(super) async fn bring(
        &self,
        record: &HostRecord,
        says: &HostFacts,
        set: &Authorities,
    ) -> Result<bool, Fault> {
        let host = record.host.as_str();
        if says.trusts.is_empty() {
            // An agent of an earlier version: it cannot be told.
            if set.rotation.is_none() {
                return Ok(false);
            }
            let text = "its agent is too old to learn of another authority";
            let remedy = "upgrade bellows-agent there";
            return Err(Fault::new(FaultCode::Conflict, text).at(host).remedy(remedy));
        }
        let Some(lack) = set.lacks(says) else {
            if self.inventory.lacks(record).is_some() {
                self.prove_trust(record, set).await?;
            }
            return Ok(false);
        };
        if self.inventory.lacks(record).is_none() {
            // It was set back, or the store was.
            self.note_trust(record, &says.issuer, &says.trusts)?;
        }
        match lack {
            Lack::Trust | Lack::Parting => {
                let trust = TrustAuthorities { certificates: set.bundle() };
                self.agents.renew(host, Step::Trust(trust)).await?;
            }
            Lack::Certificate => self.offer(record).await?,
        }
        Ok(true)
    }

    /// By handshakes: the host accepts a coordinator of each authority that is trusted, and none of the one that
    /// is not; and what it shows is of the one that signs.
    async fn prove_trust(&self, record: &HostRecord, set: &Authorities) -> Result<(), Fault> {
        let host = record.host.as_str();
        for authority in set.trusted() {
            self.agents.accepts(host, self.probe(set, authority)?).await?;
        }
        if let Some(other) = set.untrusted() {
            let probe = self.probe(set, other)?;
            if self.agents.accepts(host, probe).await.is_ok() {
                let text = "the agent still accepts the authority that is taken away";
                return Err(Fault::new(FaultCode::Conflict, text).at(host));
            }
        }
        self.note_trust(record, set.signing().digest(), &set.fingerprints())
    }

    fn probe(&self, set: &Authorities, by: &Authority) -> Result<Arc<rustls::ClientConfig>, Fault> {
        let failed = |error: &dyn std::fmt::Display| {
            Fault::new(FaultCode::Internal, format!("no handshake can be tried: {error}"))
        };
        let made = self.inventory.probe(by, set.signing(), (self.now_ms)());
        let credentials = made.map_err(|error| failed(&error))?;
        super::own::client(&credentials, &self.inventory).map_err(|error| failed(&error))
    }

    fn note_trust(
        &self,
        record: &HostRecord,
        issuer: &[u8],
        trusts: &[Vec<u8>],
    ) -> Result<(), Fault> {
        let (host, key) = (record.host.as_str(), &record.key_fingerprint);
        match self.inventory.note_trust(host, key, issuer, trusts) {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::new(FaultCode::Io, error.to_string()).at(host)),
        }
    }
}
