//! New certificates in time: of every host's agent, and of the coordinator itself.
//!
//! At half of its life a certificate is renewed, with a new key that is made where it is used. Each step
//! may be cut off: the old certificate works until the new one was seen and is kept, and the next look
//! goes on from what is true then. What is due and what comes next is decided in `next`, which is pure.

mod own;
mod rotate;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bellows_proto::{
    v1::{CertificateFacts, Fault, FaultCode, OfferKey, renew_certificate_request::Step},
    validity::{Standing, days_left, standing},
};
use futures::{StreamExt as _, stream};
use tokio::sync::Notify;

use crate::{
    agents::GrpcAgents,
    ca::rotation::HostFacts,
    engine::ports::Agents as _,
    inventory::{Inventory, RenewError, twins_told},
    store::HostRecord,
};

pub use own::{Own, OwnTls};
pub use rotate::RotateError;

/// How often it is looked what is due.
pub const LOOK: Duration = Duration::from_secs(600);
/// How often while the authority is rotated.
pub const LOOK_ROTATING: Duration = Duration::from_secs(15);
/// A host that needs more at one look is not as it says.
const ROUNDS: usize = 5;
/// Hosts that are asked at once.
const AT_ONCE: usize = 16;

/// What a host's certificate needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing.
    Nothing,
    /// A new one, from the beginning.
    Offer,
    /// It says that it shows the new one: that is looked at.
    Prove,
}

/// What comes next for a host that says that it shows this.
fn next(record: &HostRecord, shown: &CertificateFacts, now_ms: i64) -> Next {
    if !record.next_key.is_empty() && record.next_key == shown.key {
        return Next::Prove;
    }
    match standing(shown, now_ms) {
        Standing::Fresh => Next::Nothing,
        Standing::Due | Standing::Ending | Standing::Ended => Next::Offer,
    }
}

/// Renews what is due.
pub struct Renewals {
    inventory: Inventory,
    agents: Arc<GrpcAgents>,
    own: Own,
    /// Why a host's certificate could not be renewed at the last look.
    troubles: Mutex<BTreeMap<String, String>>,
    /// Why a host did not answer at the last look.
    away: Mutex<BTreeMap<String, String>>,
    /// One change of the authorities at a time.
    changing: tokio::sync::Mutex<()>,
    /// Something has changed: it is looked at once.
    kick: Notify,
    now_ms: fn() -> i64,
}

impl Renewals {
    /// Over these hosts; nothing is looked at yet.
    pub fn new(
        inventory: Inventory,
        agents: Arc<GrpcAgents>,
        own: Own,
        now_ms: fn() -> i64,
    ) -> Self {
        let (troubles, away) = (Mutex::default(), Mutex::default());
        let (changing, kick) = (tokio::sync::Mutex::default(), Notify::new());
        Self { inventory, agents, own, troubles, away, changing, kick, now_ms }
    }

    /// The coordinator's own certificate.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// Renews what is due, the coordinator's own certificate first. Hosts that do not answer keep
    /// what they have until they do.
    pub async fn look(&self) {
        self.own.look(&self.inventory, &self.agents, (self.now_ms)()).await;
        let hosts = match self.inventory.hosts() {
            Ok(hosts) => hosts,
            Err(error) => return tracing::error!(%error, "the hosts' certificates are not known"),
        };
        stream::iter(hosts)
            .for_each_concurrent(AT_ONCE, |record| async move { self.look_at(&record.host).await })
            .await;
        self.end_if_nothing_is_left().await;
    }

    /// Looks until the end of the program.
    pub async fn keep(&self) {
        loop {
            self.look().await;
            let rotates = self.inventory.authorities().rotation.is_some();
            let wait = if rotates { LOOK_ROTATING } else { LOOK };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.kick.notified() => {}
            }
        }
    }

    /// Gives a host all that it needs, one thing after the other.
    async fn look_at(&self, host: &str) {
        for _ in 0..ROUNDS {
            match self.step(host).await {
                Ok(true) => {}
                Ok(false) => return self.note(host, &Ok(())),
                Err(fault) => return self.note(host, &Err(fault)),
            }
        }
    }

    fn note_away(&self, host: &str, fault: Option<&Fault>) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            None => away.remove(host),
            Some(fault) => away.insert(host.to_owned(), fault.message.clone()),
        };
    }

    /// What a host needs next; `false`: nothing, or nobody can tell.
    async fn step(&self, host: &str) -> Result<bool, Fault> {
        let record =
            self.inventory.host(host).map_err(|e| Fault::new(FaultCode::Io, e.to_string()))?;
        let Some(record) = record else { return Ok(false) };
        let hello = self.agents.hello(host).await;
        self.note_away(host, hello.as_ref().err());
        let Ok(hello) = hello else { return Ok(false) };
        if let Some(twins) = &record.twins {
            // Which of the two would get it?
            return match self.inventory.lacks(&record) {
                Some(_) => Err(Fault::new(FaultCode::Conflict, twins_told(host, twins))),
                None => Ok(false),
            };
        }
        let Some(shown) = hello.certificate else { return Ok(false) };
        if let Err(error) = self.inventory.note_validity(host, &shown) {
            tracing::error!(host, %error, "the store cannot note when a certificate ends");
        }
        match next(&record, &shown, (self.now_ms)()) {
            Next::Nothing => {}
            Next::Offer => return self.offer(&record).await.map(|()| true),
            Next::Prove => return self.prove(host, &record.next_key).await.map(|()| true),
        }
        let says = HostFacts { issuer: shown.authority, trusts: hello.authorities };
        self.bring(&record, &says, &self.inventory.authorities()).await
    }

    /// A new key, a certificate for it, and the look at it.
    async fn offer(&self, record: &HostRecord) -> Result<(), Fault> {
        let host = record.host.as_str();
        let offered = self.agents.renew(host, Step::Offer(OfferKey {})).await?;
        let request = &offered.certificate_request;
        let (key, now_ms) = (&record.key_fingerprint, (self.now_ms)());
        let signed = self.inventory.sign_renewal(host, key, request, now_ms);
        let signed = signed.map_err(|error| refused(host, &error))?;
        let taken = self.agents.renew(host, Step::Take(signed)).await?;
        let next = taken.shown.map(|shown| shown.key).unwrap_or_default();
        self.prove(host, &next).await
    }

    /// The host must really show the key, and keep it; only then the old one is revoked.
    async fn prove(&self, host: &str, next: &[u8]) -> Result<(), Fault> {
        if self.agents.shown_key(host).await? != next {
            let text = "the agent does not show the certificate that it took";
            return Err(Fault::new(FaultCode::Conflict, text).at(host).remedy("it is tried again"));
        }
        let kept = self.agents.renew(host, Step::Confirm(next.to_vec())).await?;
        let shown = kept.shown.filter(|shown| shown.key == next).unwrap_or_default();
        let renewed = self.inventory.renewed(host, &shown, (self.now_ms)());
        renewed.map_err(|error| refused(host, &error))?;
        // What is under way goes on; what begins is with the new key.
        self.agents.forget(host);
        tracing::info!(host, until_ms = shown.valid_until_ms, "a host's certificate was renewed");
        Ok(())
    }

    fn note(&self, host: &str, done: &Result<(), Fault>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => {
                troubles.remove(host);
            }
            Err(fault) => {
                tracing::warn!(host, why = fault.message, "a certificate could not be renewed");
                troubles.insert(host.to_owned(), fault.message.clone());
            }
        }
    }

    /// What is wrong with a host's certificate, and what to do; empty: nothing.
    pub fn problem(&self, record: &HostRecord) -> String {
        if record.revocation.is_some() {
            return String::new();
        }
        if let Some(twins) = &record.twins {
            return twins_told(&record.host, twins);
        }
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let why = troubles.get(&record.host);
        let facts = CertificateFacts {
            valid_from_ms: record.valid_from_ms,
            valid_until_ms: record.valid_until_ms,
            ..CertificateFacts::default()
        };
        problem(&record.host, &facts, why.map(String::as_str), (self.now_ms)())
    }
}

/// What is told of a certificate; empty: nothing.
fn problem(host: &str, facts: &CertificateFacts, why: Option<&str>, now_ms: i64) -> String {
    let because = why.map(|why| format!(": {why}")).unwrap_or_default();
    if facts.valid_until_ms == 0 {
        return String::new();
    }
    match standing(facts, now_ms) {
        Standing::Fresh => String::new(),
        Standing::Due => why.map_or_else(String::new, |why| {
            format!("its certificate could not be renewed yet, which is tried again: {why}")
        }),
        Standing::Ending => {
            let days = days_left(facts.valid_until_ms, now_ms);
            format!("its certificate ends in {days} days and is not renewed{because}")
        }
        Standing::Ended => format!(
            "its certificate has ended: bellows host token {host}, then bellows-agent enrol there"
        ),
    }
}

fn refused(host: &str, error: &RenewError) -> Fault {
    Fault::new(FaultCode::Conflict, error.to_string()).at(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = crate::clock::DAY_MS;

    fn shown(key: u8) -> CertificateFacts {
        let (valid_from_ms, valid_until_ms) = (0, 365 * DAY);
        CertificateFacts { key: vec![key], valid_from_ms, valid_until_ms, authority: Vec::new() }
    }

    #[test]
    fn what_comes_next_follows_from_what_is_shown() {
        let record = |next: &[u8]| HostRecord {
            key_fingerprint: vec![1],
            next_key: next.to_vec(),
            ..HostRecord::default()
        };
        assert_eq!(next(&record(&[]), &shown(1), 182 * DAY), Next::Nothing);
        assert_eq!(next(&record(&[]), &shown(1), 183 * DAY), Next::Offer);
        // It was signed, and the answer or the coordinator was lost: it has it, or it has not.
        assert_eq!(next(&record(&[2]), &shown(2), 184 * DAY), Next::Prove);
        assert_eq!(next(&record(&[2]), &shown(1), 184 * DAY), Next::Offer);
        // A record without a key is of an old store: nothing is the next one.
        assert_eq!(next(&HostRecord::default(), &shown(1), 0), Next::Nothing);
    }

    #[test]
    fn what_is_told_says_how_long_and_why() {
        let tell = |day: i64, why| problem("h1", &shown(1), why, day * DAY);
        assert_eq!((tell(10, None), tell(200, None)), (String::new(), String::new()));
        assert!(tell(200, Some("disk full")).ends_with("tried again: disk full"));
        let ending = tell(350, Some("disk full"));
        assert!(ending.contains("in 15 days") && ending.ends_with(": disk full"), "{ending}");
        assert!(tell(365, None).contains("bellows host token h1"));
        assert_eq!(problem("h1", &CertificateFacts::default(), None, DAY), "");
    }
}
