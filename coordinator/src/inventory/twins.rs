//! Two machines with one certificate: a copied virtual machine, a restored disk image. What they say of
//! themselves tells them apart; which of them is the host nobody can tell but the administrator.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bellows_proto::v1::{Fault, FaultCode, HelloReply};

use super::Inventory;
use crate::store::{HostRecord, Twins};

/// So many boots of a host are remembered.
const MOST_BOOTS: usize = 16;

/// The boots of each host that were seen since the start, the newest last. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Met(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Met {
    /// Notes a boot. The one that it has taken turns with, if it was seen before that: one machine never
    /// goes back to an earlier boot.
    fn takes_turns(&self, host: &str, boot: &str) -> Option<String> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let boots = hosts.entry(host.to_owned()).or_default();
        let last = boots.last().filter(|last| *last != boot).cloned();
        let seen_before = boots.iter().any(|known| known == boot);
        if boots.last().is_none_or(|last| last != boot) {
            boots.push(boot.to_owned());
        }
        if boots.len() > MOST_BOOTS {
            boots.remove(0);
        }
        last.filter(|_| seen_before)
    }
}

/// What shows that a second machine has the certificate of a host.
fn evidence(record: &HostRecord, said: &HelloReply, turns: Option<&str>) -> Option<String> {
    let now: String = said.machine_id.chars().take(64).collect();
    let known = &record.machine_id;
    if !known.is_empty() && !now.is_empty() && *known != now {
        return Some(format!("it was enrolled with machine id {known}, now {now} answers"));
    }
    turns.map(|other| format!("boots {other} and {} take turns", said.boot_id))
}

/// What is told of a host whose certificate two machines show.
pub fn told(host: &str, twins: &Twins) -> String {
    format!(
        "two machines have its certificate ({}): nothing is changed there until one is enrolled anew, \
         with bellows host token {host}, and the other is off or has another name",
        twins.evidence
    )
}

impl Inventory {
    /// Looks at what a host's agent says of its machine.
    pub(super) fn compare(&self, host: &str, said: &HelloReply, now_ms: i64) {
        let turns = match said.boot_id.as_str() {
            "" => None,
            boot => self.met.takes_turns(host, boot),
        };
        let record = self.dialled(host).filter(|record| record.twins.is_none());
        let Some(found) = record.and_then(|record| evidence(&record, said, turns.as_deref()))
        else {
            return;
        };
        tracing::error!(host, found, "two machines have the certificate of this host");
        let twins = Twins { evidence: found, seen_at_ms: now_ms };
        if let Err(error) = self.store.put_twins(host, &twins) {
            tracing::error!(host, %error, "the store cannot note it");
        }
    }

    /// Why nothing may be changed at a host whose certificate two machines show.
    pub(super) fn twins_fault(&self, host: &str) -> Option<Fault> {
        let twins = self.dialled(host)?.twins?;
        let text = format!("two machines have the certificate of {host}: {}", twins.evidence);
        Some(Fault::new(FaultCode::Conflict, text).at(host).remedy(format!(
            "bellows host token {host}, enrol with it on the one that is {host}; turn the other off or give it another name"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_boot_never_comes_back() {
        let met = Met::default();
        for boot in ["a", "a", "b", "b", "c"] {
            assert_eq!(met.takes_turns("h1", boot), None, "{boot}");
        }
        assert_eq!(met.takes_turns("h2", "a"), None);
        assert_eq!(met.takes_turns("h1", "b"), Some("c".into()));
        for boot in 0..100 {
            assert_eq!(met.takes_turns("h1", &boot.to_string()), None);
        }
    }

    #[test]
    fn another_machine_id_is_another_machine() {
        let record = HostRecord { machine_id: "m1".into(), ..HostRecord::default() };
        let said = |id: &str| HelloReply { machine_id: id.into(), ..HelloReply::default() };
        assert_eq!(evidence(&record, &said("m1"), None), None);
        assert!(evidence(&record, &said("m2"), None).unwrap().contains("m2"));
        // Not known is not another one.
        assert_eq!(evidence(&record, &said(""), None), None);
        assert_eq!(evidence(&HostRecord::default(), &said("m2"), None), None);
        assert!(evidence(&record, &said("m1"), Some("b")).unwrap().contains("take turns"));
    }
}
