//! Agents upgraded from here: the plan, and its carrying out while somebody looks.

use bellows_proto::{
    digest,
    fault::to_status,
    v1::{
        AuditAnswer, FaultCode, PlanUpgradeRequest, UpgradeHostsRequest, UpgradePlan,
        UpgradeUpdate, UpgradedHost,
    },
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::UnboundedReceiverStream};
use tonic::Status;

use super::{Api, Streamed, access::Principal, fault};
use crate::{engine::World, upgrade::Told};

/// The call, in the audit log.
const CALL: &str = "UpgradeHosts";

impl<W: World> Api<W> {
    pub(super) async fn plan_upgrade(
        &self,
        request: &PlanUpgradeRequest,
    ) -> Result<UpgradePlan, Status> {
        Box::pin(self.upgrades.plan(request)).await.map_err(|fault| to_status(&fault))
    }

    /// Hosts that are under way are finished when the viewer leaves; no other ring begins.
    pub(super) async fn upgrade(
        &self,
        request: UpgradeHostsRequest,
        who: &Principal,
    ) -> Result<Streamed<UpgradeUpdate>, Status> {
        self.may_change()?;
        let remedy = "get one with PlanUpgrade first";
        let plan = request.plan.ok_or_else(|| fault::invalid("the plan is missing", remedy))?;
        let begun = Box::pin(self.upgrades.begin_as(&plan, &who.name)).await;
        let upgrade = begun.map_err(|fault| to_status(&fault))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let (audit, principal) = (std::sync::Arc::clone(&self.audit), who.name.clone());
        let noted = move |host: &UpgradedHost| {
            if let Err(error) = audit.answer(told(host, &principal)) {
                tracing::error!(%error, host = host.host, "an upgrade is not in the audit log");
            }
        };
        tokio::spawn(async move { upgrade.carry_out(Told(sender), noted).await });
        Ok(Box::pin(UnboundedReceiverStream::new(receiver).map(Ok)))
    }
}

/// A host that is over, for the audit log.
fn told(host: &UpgradedHost, principal: &str) -> AuditAnswer {
    let shown = |program: &Option<bellows_proto::v1::Program>| match program {
        Some(program) => format!("{} {}", program.version, digest::hex(&program.digest)),
        None => "not known".to_owned(),
    };
    let why = host.fault.as_ref().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
    AuditAnswer {
        principal: principal.to_owned(),
        call: CALL.to_owned(),
        code: host.fault.as_ref().map_or(FaultCode::Unspecified.into(), |fault| fault.code),
        text: format!(
            "host {}: {}, from {} to {}{why}",
            host.host,
            host.outcome,
            shown(&host.before),
            shown(&host.running)
        ),
        ..AuditAnswer::default()
    }
}
