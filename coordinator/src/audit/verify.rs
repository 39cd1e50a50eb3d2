//! Logs held against each other: what was changed, removed or added in one of them, and in
//! which, as far as it can be told. Pure.
//!
//! A chain shows by itself that a record was changed or taken out. It does not show a tail that
//! was cut, nor a chain that was written anew: those contradict the heads that the others keep.

use std::collections::BTreeMap;

use bellows_proto::v1::{
    AuditFinding, AuditHead, AuditJobAccepted, AuditLogReport, AuditVerdict, Fault,
    VerifyAuditReply,
};

use super::facts::{Act, ChainFacts, HostFacts, OwnFacts};

/// Another coordinator asked for the job: told with its calls.
fn foreign(own: &OwnFacts, job: &AuditJobAccepted) -> bool {
    job.term.as_ref().is_some_and(|term| own.is_foreign(term))
}

/// How a head fits a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The chain has this very record.
    Same,
    /// It was removed by retention.
    Gone,
    /// The chain ends before it.
    Beyond,
    /// Another record has its number.
    Other,
}

/// Logs held against each other, one host after the other.
pub struct Verification {
    own: OwnFacts,
    reply: VerifyAuditReply,
    /// The newest of our records that a host confirms.
    confirmed: u64,
    /// Hosts, with the record in theirs, the head that it tells, and how that does not fit.
    contradicted: Vec<(String, u64, AuditHead, Fit)>,
    /// Heads of agents' logs that do not fit: host, our record, head, how.
    unfitting: Vec<(String, u64, AuditHead, Fit)>,
}

/// The coordinator's log against those of its hosts. `before` is what it told before the hosts
/// were asked, `after` what it told after: what came in between is nobody's fault. `all`: these are
/// all hosts that there are.
pub fn verify(
    before: OwnFacts,
    hosts: BTreeMap<String, Result<HostFacts, Fault>>,
    after: &OwnFacts,
    all: bool,
) -> VerifyAuditReply {
    let mut verification = Verification::new(before);
    for (host, facts) in &hosts {
        match facts {
            Ok(facts) => verification.host(host, facts, after),
            Err(fault) => verification.unread(host, fault),
        }
    }
    if all {
        verification.strangers(&hosts);
    }
    verification.finish()
}

impl Verification {
    fn new(own: OwnFacts) -> Self {
        let mut it = Self {
            reply: VerifyAuditReply::default(),
            confirmed: 0,
            contradicted: Vec::new(),
            unfitting: Vec::new(),
            own: OwnFacts::default(),
        };
        it.chain("", &own.chain);
        it.own = own;
        it
    }

    fn find(&mut self, verdict: AuditVerdict, host: &str, number: u64, text: String) {
        let (verdict, host) = (verdict.into(), host.to_owned());
        let found = AuditFinding { verdict, host, number, text, ..AuditFinding::default() };
        self.reply.findings.push(found);
    }

    fn job(&mut self, verdict: AuditVerdict, host: &str, number: u64, job: &str, text: &str) {
        self.find(verdict, host, number, text.to_owned());
        if let Some(found) = self.reply.findings.last_mut() {
            job.clone_into(&mut found.job);
        }
    }

    /// A chain by itself.
    fn chain(&mut self, host: &str, chain: &ChainFacts) {
        self.reply.logs.push(AuditLogReport {
            host: host.to_owned(),
            first: chain.first,
            last: chain.head.number,
            fault: None,
        });
        for (number, damage) in &chain.damage {
            self.find(AuditVerdict::Damage, host, *number, damage.clone());
        }
        if chain.more_damage > 0 {
            let text = format!("{} more records do not fit", chain.more_damage);
            self.find(AuditVerdict::Damage, host, 0, text);
        }
        for (number, bytes) in &chain.torn {
            let text = format!("a crash left {bytes} bytes of a record that was not finished");
            self.find(AuditVerdict::Note, host, *number, text);
        }
        if chain.first > 1 {
            let text = format!("records 1 to {} were removed by retention", chain.first - 1);
            self.find(AuditVerdict::NotCheckable, host, chain.first, text);
        }
    }

    fn unread(&mut self, host: &str, fault: &Fault) {
        self.reply.logs.push(AuditLogReport {
            host: host.to_owned(),
            fault: Some(fault.clone()),
            ..AuditLogReport::default()
        });
        let text = format!("its log could not be read: {}", fault.message);
        self.find(AuditVerdict::Unknown, host, 0, text);
    }

    fn host(&mut self, host: &str, facts: &HostFacts, after: &OwnFacts) {
        self.chain(host, &facts.chain);
        self.acceptance(host);
        self.their_heads(host, facts, after);
        self.our_heads(host, facts);
        let own = std::mem::take(&mut self.own);
        for (key, act) in own.acts.iter().filter(|(_, act)| act.host == host) {
            self.act(&own, host, facts, key, act);
        }
        self.own = own;
        for (key, found) in &facts.accepted {
            let of = |(_, job): &(u64, _)| foreign(after, job);
            if !found.iter().all(of) {
                let number = found.first().map_or(0, |(number, _)| *number);
                self.known(host, number, key, after);
            }
        }
    }

    /// That the host's log was taken as it was, and what that hides.
    fn acceptance(&mut self, host: &str) {
        let Some((number, told)) = self.own.accepted.get(host) else { return };
        let heads = self.own.heads.iter();
        let heads = heads.filter(|(at, of, _)| of == host && at < number).count();
        let text = format!(
            "its log was taken as it was by {} (the coordinator's record {number}): {}; {heads} \
             earlier anchors are not held against it",
            told.principal, told.reason
        );
        let from = told.agent.as_ref().map_or(0, |head| head.number);
        self.find(AuditVerdict::NotCheckable, host, from, text);
    }

    /// Heads of our log that the host keeps.
    fn their_heads(&mut self, host: &str, facts: &HostFacts, after: &OwnFacts) {
        // Another coordinator's calls tell of its log, not of this one.
        let mut foreign: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (number, head, term) in &facts.heads {
            if after.is_foreign(term) {
                foreign.entry(term.number).or_insert((*number, 0)).1 += 1;
                continue;
            }
            match fit(&after.chain, head) {
                Fit::Same => {
                    self.confirmed = self.confirmed.max(head.number);
                    self.reply.anchors += 1;
                }
                Fit::Gone => {}
                fit @ (Fit::Beyond | Fit::Other) => {
                    self.contradicted.push((host.to_owned(), *number, head.clone(), fit));
                }
            }
        }
        for (term, (number, records)) in foreign {
            let text = format!(
                "another coordinator, or a copy of this one, led this host under term {term}: {records} records from this one on are of its calls, and its log is not this one"
            );
            self.find(AuditVerdict::NotCheckable, host, number, text);
        }
    }

    /// Heads of the host's log that we keep.
    fn our_heads(&mut self, host: &str, facts: &HostFacts) {
        for (number, _, head) in self.own.heads.iter().filter(|(_, of, _)| of == host) {
            if self.own.is_before_acceptance(host, *number) {
                continue;
            }
            match fit(&facts.chain, head) {
                Fit::Same => self.reply.anchors += 1,
                Fit::Gone => {}
                fit @ (Fit::Beyond | Fit::Other) => {
                    self.unfitting.push((host.to_owned(), *number, head.clone(), fit));
                }
            }
        }
    }

    /// An act of ours has one job there, which ended as we were told.
    fn act(&mut self, own: &OwnFacts, host: &str, facts: &HostFacts, key: &str, act: &Act) {
        use AuditVerdict::{Damage, NotCheckable};
        let reported = own.reported.get(key);
        let accepted = facts.accepted.get(key).map(Vec::as_slice).unwrap_or_default();
        let ended = facts.ended.get(key).map(Vec::as_slice).unwrap_or_default();
        let Some((_, _, told)) = reported else {
            if let (true, Some((number, _))) = (act.never, accepted.first()) {
                let text = "its agent said that this job never was, but its log has it";
                self.job(Damage, host, *number, key, text);
            }
            return;
        };
        let gone = own.is_before_acceptance(host, reported.map_or(0, |(number, ..)| *number));
        if gone && (accepted.is_empty() || ended.is_empty()) {
            // Told once, with the acceptance.
            return;
        }
        let missing = if facts.chain.first > 1 { NotCheckable } else { Damage };
        let (number, of) = match (accepted, ended) {
            ([], _) => {
                return self.job(missing, host, 0, key, "that this job was accepted is missing");
            }
            (_, []) => return self.job(missing, host, 0, key, "the end of this job is missing"),
            ([(number, accepted)], [(_, ended)]) => (*number, (accepted, ended)),
            ([_, second, ..], _) => {
                return self.job(Damage, host, second.0, key, "this job was accepted twice");
            }
            (_, [_, second, ..]) => {
                return self.job(Damage, host, second.0, key, "this job ended twice");
            }
        };
        let digests = [&of.0.action_digest, &of.1.action_digest, &told.action_digest];
        if digests.iter().any(|digest| **digest != act.action_digest) {
            let text = "its action is not the one that the coordinator asked for";
            return self.job(Damage, host, number, key, text);
        }
        if of.1 == told {
            self.reply.jobs += 1;
            return;
        }
        let mut differs = Vec::new();
        let argv = |job: &bellows_proto::v1::AuditJobEnded| -> Vec<Vec<String>> {
            job.tool_runs.iter().map(|run| run.command.clone()).collect()
        };
        let mut look = |what, same: bool| {
            if !same {
                differs.push(what);
            }
        };
        look("state", of.1.state == told.state);
        look("output digest", of.1.output_digest == told.output_digest);
        look("command lines", argv(of.1) == argv(told));
        look("tool runs", of.1.tool_runs == told.tool_runs || argv(of.1) != argv(told));
        let what = if differs.is_empty() { "end".to_owned() } else { differs.join(", ") };
        let text = format!("the two logs differ in its {what}");
        self.job(Damage, host, number, key, &text);
    }

    /// A job there is one that we asked for.
    fn known(&mut self, host: &str, number: u64, key: &str, after: &OwnFacts) {
        let act = after.acts.get(key);
        if act.is_some_and(|act| act.host == host) {
            return;
        }
        let operation = key.split('/').next().unwrap_or_default();
        let may_be_gone = after.chain.first > 1 && !after.operations.contains(operation);
        if may_be_gone {
            let text = "what the coordinator's log told of this job was removed by retention";
            self.job(AuditVerdict::NotCheckable, host, number, key, text);
        } else {
            let text = "the coordinator's log does not tell of this job";
            self.job(AuditVerdict::Damage, host, number, key, text);
            if let Some(found) = self.reply.findings.last_mut() {
                "either log was changed, or another coordinator led this host"
                    .clone_into(&mut found.reason);
            }
        }
    }

    /// Hosts of our acts that are not there any more.
    fn strangers(&mut self, hosts: &BTreeMap<String, Result<HostFacts, Fault>>) {
        let mut left: BTreeMap<String, u64> = BTreeMap::new();
        for act in self.own.acts.values().filter(|act| !hosts.contains_key(&act.host)) {
            *left.entry(act.host.clone()).or_default() += 1;
        }
        for (host, acts) in left {
            let text = format!("its log was not asked for; {acts} acts cannot be checked");
            self.find(AuditVerdict::NotCheckable, &host, 0, text);
        }
    }

    /// Who is right where two logs contradict each other.
    fn finish(mut self) -> VerifyAuditReply {
        let whole = self.own.chain.damage.is_empty();
        for (host, number, head, fit) in std::mem::take(&mut self.contradicted) {
            let seen = head.number;
            let text = match fit {
                Fit::Beyond => format!(
                    "record {seen} is missing at the end of the log: host {host} has seen it (its record {number})"
                ),
                Fit::Other | Fit::Same | Fit::Gone => format!(
                    "record {seen} is not the one that host {host} has seen (its record {number})"
                ),
            };
            self.find(AuditVerdict::Damage, "", seen, text);
            let reason = if self.confirmed >= seen {
                format!(
                    "other records confirm the coordinator's log beyond this one: the log of host {host} was changed"
                )
            } else {
                "the coordinator's log was cut, put back or written anew, or another coordinator led this host".to_owned()
            };
            self.reason(reason);
        }
        for (host, number, head, fit) in std::mem::take(&mut self.unfitting) {
            let seen = head.number;
            let text = match fit {
                Fit::Beyond => format!(
                    "record {seen} is missing at the end of the log: the coordinator has seen it (its record {number})"
                ),
                Fit::Other | Fit::Same | Fit::Gone => format!(
                    "record {seen} is not the one that the coordinator has seen (its record {number})"
                ),
            };
            self.find(AuditVerdict::Damage, &host, seen, text);
            self.reason(if whole && self.confirmed >= number {
                format!("hosts confirm the coordinator's log beyond that: the log of host {host} was cut, put back or written anew")
            } else if whole {
                format!("the coordinator's log is whole: the log of host {host} was cut, put back or written anew, unless both were")
            } else {
                "the coordinator's log is damaged too: nothing tells which is right".to_owned()
            });
        }
        self.reply
    }

    fn reason(&mut self, reason: String) {
        if let Some(found) = self.reply.findings.last_mut() {
            found.reason = reason;
        }
    }
}

fn fit(chain: &ChainFacts, head: &AuditHead) -> Fit {
    match chain.hashes.get(&head.number) {
        Some(hash) if hash[..] == head.hash[..] => Fit::Same,
        Some(_) => Fit::Other,
        None if head.number == 0 || head.number < chain.first => Fit::Gone,
        None if head.number > chain.head.number => Fit::Beyond,
        None => Fit::Other,
    }
}
