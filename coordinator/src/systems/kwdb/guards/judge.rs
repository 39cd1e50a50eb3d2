//! Goes through the guards for adopt and expand, and collects every one that says no.

use bellows_proto::v1::{Adopt, Intent, KwdbSpecOptions, Refusal, Spec};

use super::{
    super::{draft::Placed, options, view::View},
    Findings,
    adopting::{self, Adopting},
    certifying::{self, Certifying},
    cluster, newcomers,
};

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
