//! Goes through the guards for adopt and expand, and collects every one that says no.

use bellows_proto::v1::{Adopt, Intent, KwdbSpecOptions, Refusal, Spec};

use super::{
    super::{draft::Placed, options, view::View},
    Rule,
    adopting::{self, Adopting},
    certifying::{self, Certifying},
    cluster, newcomers,
};

/// Everything that said no so far.
pub(in super::super) struct Findings<'a> {
    pub(in super::super) spec: &'a Spec,
    pub(in super::super) view: View<'a>,
    /// Members whose hosts are named dead: nothing is asked of them.
    pub(in super::super) dead: Vec<String>,
    refusals: Vec<Refusal>,
}

impl<'a> Findings<'a> {
    pub(in super::super) fn new(spec: &'a Spec, view: View<'a>) -> Self {
        Self { spec, view, dead: Vec::new(), refusals: Vec::new() }
    }

    pub(in super::super) fn say(
        &mut self,
        rule: Rule,
        node: &str,
        host: &str,
        value: impl Into<String>,
    ) {
        let refusal =
            Refusal { node: node.to_owned(), host: host.to_owned(), ..rule.refusal(value) };
        // The same thing found on two ways is said once.
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// What is known, or a refusal that says what did not answer.
    pub(in super::super) fn known<T>(
        &mut self,
        node: &str,
        host: &str,
        read: Result<T, String>,
    ) -> Option<T> {
        read.map_err(|why| self.say(Rule::EverythingRead, node, host, why)).ok()
    }

    /// In the order of the rules' numbers.
    pub(in super::super) fn end<T>(mut self, good: Option<T>) -> Result<T, Vec<Refusal>> {
        self.refusals.sort_by(|a, b| a.code.cmp(&b.code));
        match good {
            Some(good) if self.refusals.is_empty() => Ok(good),
            Some(_) => Err(self.refusals),
            None if self.refusals.is_empty() => {
                Err(vec![Rule::EverythingRead.refusal("the cluster could not be read")])
            }
            None => Err(self.refusals),
        }
    }
}

/// A cluster that may grow.
pub(in super::super) struct Expanding {
    pub(in super::super) options: KwdbSpecOptions,
    /// In natural order.
    pub(in super::super) members: Vec<Placed>,
    /// As their hosts propose them.
    pub(in super::super) new: Vec<Placed>,
    /// Who gets certificates, and who signs; `None`: an insecure cluster.
    pub(in super::super) certifying: Option<Certifying>,
    /// The setting for rebalancing as it is.
    pub(in super::super) rebalance: bool,
}

/// Whether what was found on these hosts may be taken into care.
pub(in super::super) fn adopt<'a>(
    spec: &'a Spec,
    view: View<'a>,
    wanted: &Adopt,
) -> Result<Adopting, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let good = adopting::judge(&mut findings, wanted);
    findings.end(good)
}

/// Whether these nodes may join.
pub(in super::super) fn expand(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Expanding, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let good = growing(&mut findings, intent);
    findings.end(good)
}

/// The same within a replacement.
pub(in super::super) fn growing(findings: &mut Findings<'_>, intent: &Intent) -> Option<Expanding> {
    let nodes = crate::plan::added(intent);
    let options = options::of_spec(findings.spec);
    let members = cluster::members(findings);
    if members.is_empty() {
        return None;
    }
    cluster::sound(findings);
    cluster::scales(findings);
    let new = newcomers::places(findings, nodes);
    let certifying = certifying::judge(findings, &options, &new);
    let cluster = findings.view.cluster();
    let rebalance = cluster.and_then(|cluster| {
        cluster.rebalance.ok_or_else(|| "the setting for rebalancing was not read".to_owned())
    });
    let rebalance = findings.known("", "", rebalance)?;
    Some(Expanding { options, members, new, certifying, rebalance })
}
