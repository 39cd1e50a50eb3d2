//! A plan carried out, ring by ring. The first failure ends it before the next ring; so does a viewer that
//! leaves.

use std::time::Duration;

use bellows_proto::v1::{
    Fault, FaultCode, PlanUpgradeRequest, PlannedUpgrade, UpgradeOptions, UpgradePlan,
    UpgradeStage, UpgradeUpdate, UpgradedHost, upgrade_update::Kind,
};
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{Targets, Upgrades, check, host::outcome};

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A host of a ring that does not answer so many times in a row is not healthy.
const SILENT: u32 = 5;

/// Is told how far it is; the other end may leave.
pub struct Told(pub UnboundedSender<UpgradeUpdate>);

impl Told {
    fn stage(&self, host: &str, ring: u32, text: &str) {
        let stage = UpgradeStage { host: host.to_owned(), ring, text: text.to_owned() };
        let _ = self.0.send(UpgradeUpdate { kind: Some(Kind::Stage(stage)) });
    }

    fn over(&self, host: &UpgradedHost) {
        let _ = self.0.send(UpgradeUpdate { kind: Some(Kind::Host(host.clone())) });
    }
}

/// An upgrade that may begin: nobody else's is under way, and what was shown is still so.
pub struct Upgrade {
    upgrades: Upgrades,
    plan: UpgradePlan,
    targets: Targets,
    _turn: super::Turn,
}

impl Upgrades {
    /// Takes the turn, and holds what was shown against what is so now.
    ///
    /// # Errors
    /// `FAULT_CODE_CONFLICT` if somebody else upgrades hosts right now, or something has changed; or as
    /// [`Upgrades::plan`].
    pub async fn begin_as(&self, shown: &UpgradePlan, who: &str) -> Result<Upgrade, Fault> {
        let turn = self.turn(who)?;
        let hosts = shown.hosts.iter().map(|one| one.host.clone()).collect::<Vec<_>>();
        if hosts.is_empty() {
            return Err(Fault::new(FaultCode::Invalid, "the plan has no host").remedy("plan anew"));
        }
        let request = PlanUpgradeRequest { hosts, options: shown.options };
        let plan = self.plan(&request).await?;
        check(shown, &plan)?;
        let targets = self.targets()?;
        Ok(Upgrade { upgrades: self.clone(), plan, targets, _turn: turn })
    }
}

impl Upgrade {
    /// Carries it out; each host is told once it is over. `noted` is told too, whoever listens.
    pub async fn carry_out(self, told: Told, noted: impl Fn(&UpgradedHost) + Sync) {
        let options = self.plan.options.unwrap_or_default();
        let mut stop = String::new();
        let rings = self.plan.hosts.iter().map(|one| one.ring).max().unwrap_or(0);
        for ring in 1..=rings {
            let members: Vec<&PlannedUpgrade> =
                self.plan.hosts.iter().filter(|one| one.ring == ring).collect();
            if stop.is_empty() && told.0.is_closed() {
                "whoever asked for it has left".clone_into(&mut stop);
            }
            if !stop.is_empty() {
                for one in members {
                    let over = not_tried(one, &stop);
                    noted(&over);
                    told.over(&over);
                }
                continue;
            }
            let failed = self.ring(&members, &options, &told, &noted).await;
            if failed > 0 {
                stop = format!("{failed} of ring {ring} failed");
            } else if ring < rings
                && let Err(why) = self.stays_healthy(ring, &members, &options, &told).await
            {
                stop = why;
            }
        }
        for one in self.plan.hosts.iter().filter(|one| one.ring == 0) {
            told.over(&without(one));
        }
    }

    /// How many of a ring failed.
    async fn ring(
        &self,
        members: &[&PlannedUpgrade],
        options: &UpgradeOptions,
        told: &Told,
        noted: &(impl Fn(&UpgradedHost) + Sync),
    ) -> usize {
        let at_once = usize::try_from(options.at_once).unwrap_or(1).max(1);
        let each = members.iter().map(|one| self.member(one, options, told, noted).boxed());
        let each: Vec<_> = each.collect();
        let ended: Vec<bool> = stream::iter(each).buffer_unordered(at_once).collect().await;
        ended.into_iter().filter(|failed| *failed).count()
    }

    /// One host of a ring; whether it failed.
    async fn member(
        &self,
        one: &PlannedUpgrade,
        options: &UpgradeOptions,
        told: &Told,
        noted: &(impl Fn(&UpgradedHost) + Sync),
    ) -> bool {
        let stage = |text: &str| told.stage(&one.host, one.ring, text);
        let digest = one.to.as_ref().map(|to| &to.digest);
        let target = self.targets.values().find(|each| Some(&each.program.digest) == digest);
        let how = (options.within_s, options.downgrade);
        let over = match target {
            Some(target) => self.upgrades.host(one, target, how, &stage).await,
            None => not_tried(one, "the agents on the coordinator's host have changed"),
        };
        noted(&over);
        told.over(&over);
        over.outcome != outcome::UPGRADED
    }

    /// All of a ring answer with the new program for as long as was asked for.
    async fn stays_healthy(
        &self,
        ring: u32,
        members: &[&PlannedUpgrade],
        options: &UpgradeOptions,
        told: &Told,
    ) -> Result<(), String> {
        let healthy = options.healthy_s.unwrap_or_default();
        told.stage("", ring, &format!("looking at ring {ring} for {healthy} s"));
        let until = Instant::now() + Duration::from_secs(healthy.into());
        let mut silent = vec![0_u32; members.len()];
        while Instant::now() < until || silent.iter().any(|count| *count > 0) {
            for (one, silent) in members.iter().zip(&mut silent) {
                let digest = one.to.as_ref().map(|to| &to.digest);
                match self.upgrades.agents.program(&one.host).await {
                    Ok(state) if state.running.as_ref().map(|now| &now.digest) == digest => {
                        *silent = 0;
                    }
                    Ok(_) => return Err(format!("{} runs another program again", one.host)),
                    Err(_) => *silent = silent.saturating_add(1),
                }
                if *silent >= SILENT {
                    return Err(format!("{} of ring {ring} does not answer any more", one.host));
                }
            }
            if told.0.is_closed() {
                return Err("whoever asked for it has left".to_owned());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

fn not_tried(one: &PlannedUpgrade, why: &str) -> UpgradedHost {
    let fault = Fault::new(FaultCode::Cancelled, format!("not tried: {why}"));
    UpgradedHost {
        host: one.host.clone(),
        ring: one.ring,
        outcome: outcome::NOT_TRIED.to_owned(),
        before: one.running.clone(),
        running: one.running.clone(),
        fault: Some(fault.at(&one.host).remedy("mend that, then run the same command again")),
    }
}

/// A host that gets nothing.
fn without(one: &PlannedUpgrade) -> UpgradedHost {
    let outcome = if one.there_already { outcome::THERE } else { outcome::SKIPPED };
    UpgradedHost {
        host: one.host.clone(),
        ring: 0,
        outcome: outcome.to_owned(),
        before: one.running.clone(),
        running: one.running.clone(),
        fault: one.skipped.clone(),
    }
}
