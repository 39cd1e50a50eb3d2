//! `bellows host upgrade`: shows who gets which agent and when, asks, and follows it.

use bellows_proto::v1::{
    PlanUpgradeRequest, UpgradeHostsRequest, UpgradeOptions, UpgradePlan, UpgradeReport,
    UpgradedHost, upgrade_update::Kind,
};

use super::board::Board;
use crate::{
    cli::{
        Context, agree,
        connect::Client,
        exit::{Exit, Failure},
        render,
    },
    upgrade::outcome,
};

/// Arguments of `bellows host upgrade`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The hosts
    #[arg(value_name = "HOST", required_unless_present = "all", conflicts_with = "all")]
    hosts: Vec<String>,
    /// All hosts of the site
    #[arg(long)]
    all: bool,
    /// So many hosts in the first ring; the second is a quarter of the others, the third the rest
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    first: u32,
    /// So many hosts of a ring at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
    at_once: u32,
    /// All hosts of a ring must answer for so long before the next ring begins, seconds: at most 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(..=3600))]
    healthy: u32,
    /// A host takes a new agent back that has not answered the coordinator so long after it was started,
    /// seconds: 5 to 45
    #[arg(long, value_name = "SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u32).range(5..=45))]
    within: u32,
    /// Also put an older agent in place of a newer one
    #[arg(long)]
    downgrade: bool,
    /// Only show who would get what; nothing is changed
    #[arg(long)]
    check: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let options = UpgradeOptions {
        first: args.first,
        at_once: args.at_once,
        healthy_s: Some(args.healthy),
        within_s: args.within,
        downgrade: args.downgrade,
    };
    let request = PlanUpgradeRequest { hosts: args.hosts, options: Some(options) };
    let plan = client.answer(client.api.clone().plan_upgrade(request)).await?;
    if args.check {
        context.out.data(&plan, render::upgrade::plan)?;
        return Ok(exit_of_plan(&plan));
    }
    if plan.hosts.iter().all(|one| one.ring == 0) {
        let hosts = plan.hosts.iter().map(without).collect();
        context.out.data(&UpgradeReport { hosts }, render::upgrade::report)?;
        return Ok(exit_of_plan(&plan));
    }
    if !args.yes {
        let mut page = context.out.note_page();
        render::upgrade::plan(&mut page, &plan);
        let question = "Upgrade the agents of these hosts? Jobs there go on. Type yes: ";
        if !agree::agreed(context, page, question, "yes", "add --yes to upgrade them")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let hosts = follow(context, &client, plan).await?;
    let exit = exit_of(&hosts);
    context.out.data(&UpgradeReport { hosts }, render::upgrade::report)?;
    Ok(exit)
}

async fn follow(
    context: &Context,
    client: &Client,
    plan: UpgradePlan,
) -> Result<Vec<UpgradedHost>, Failure> {
    let request = UpgradeHostsRequest { plan: Some(plan) };
    let mut updates = client.answer(client.api.clone().upgrade_hosts(request)).await?;
    let board = Board::new(&context.out);
    let mut hosts = Vec::new();
    while let Some(update) = updates.message().await.map_err(|e| client.failure(&e))? {
        match update.kind {
            Some(Kind::Stage(stage)) if stage.host.is_empty() => {
                board.stage(&format!("ring {}", stage.ring), &stage.text);
            }
            Some(Kind::Stage(stage)) => board.stage(&stage.host, &stage.text),
            Some(Kind::Host(host)) => {
                board.over(&host.host, &host.outcome);
                hosts.push(host);
            }
            None => {}
        }
    }
    board.clear();
    Ok(hosts)
}

fn without(one: &bellows_proto::v1::PlannedUpgrade) -> UpgradedHost {
    let outcome = if one.there_already { outcome::THERE } else { outcome::SKIPPED };
    UpgradedHost {
        host: one.host.clone(),
        outcome: outcome.to_owned(),
        before: one.running.clone(),
        running: one.running.clone(),
        fault: one.skipped.clone(),
        ..UpgradedHost::default()
    }
}

/// Nothing was changed.
fn exit_of_plan(plan: &UpgradePlan) -> Exit {
    let skipped = plan.hosts.iter().any(|one| one.skipped.is_some());
    if skipped { Exit::Refused } else { Exit::AsAsked }
}

/// The worst that became of any host.
fn exit_of(hosts: &[UpgradedHost]) -> Exit {
    let any = |outcome: &str| hosts.iter().any(|one| one.outcome == outcome);
    if any(outcome::BACK) || any(outcome::UNKNOWN) {
        Exit::Otherwise
    } else if any(outcome::REFUSED) || any(outcome::SKIPPED) || any(outcome::NOT_TRIED) {
        Exit::Refused
    } else {
        Exit::AsAsked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_all_hosts_is_the_exit_status() {
        let hosts = |outcomes: &[&str]| -> Vec<UpgradedHost> {
            let host = |outcome: &&str| UpgradedHost {
                outcome: (*outcome).to_owned(),
                ..UpgradedHost::default()
            };
            outcomes.iter().map(host).collect()
        };
        let exit = |outcomes: &[&str]| exit_of(&hosts(outcomes));
        assert_eq!(exit(&[outcome::UPGRADED, outcome::THERE]), Exit::AsAsked);
        assert_eq!(exit(&[outcome::UPGRADED, outcome::SKIPPED]), Exit::Refused);
        assert_eq!(exit(&[outcome::REFUSED, outcome::NOT_TRIED]), Exit::Refused);
        assert_eq!(exit(&[outcome::BACK, outcome::NOT_TRIED]), Exit::Otherwise);
        assert_eq!(exit(&[outcome::UNKNOWN]), Exit::Otherwise);
    }
}
