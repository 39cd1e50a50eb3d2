//! `recover` and `decommissionbookie`: the commands of the shell that last.

use std::time::Duration;

use super::{
    super::tools::Call,
    Model,
    cluster::Cluster,
    ledger::{Closing, ENTRY_BYTES, Ledger, LedgerId},
    shell::{Told, Words},
};

/// `recover` needs so long for a ledger.
const LEDGER: Duration = Duration::from_millis(300);
/// After it has asked for an audit, `decommissionbookie` sleeps so long.
const DECOMMISSION: Duration = Duration::from_secs(30);
const ADMIN: &str = "BookKeeperAdmin";
const FAILED: &str = "LedgerRecoveryException: Error while recovering ledger";

/// A ledger's bytes at a bookie.
fn bytes(ledger: &Ledger, bookie: &str) -> u64 {
    let entries =
        (0..ledger.entries()).filter(|entry| ledger.copies(*entry).iter().any(|b| *b == bookie));
    u64::try_from(entries.count()).unwrap_or(0) * ENTRY_BYTES
}

impl Model {
    pub(super) async fn recover(&self, call: &Call, words: &Words<'_>, mut told: Told) -> Told {
        let Some(bookie) = words.last().filter(|_| words.has("-f")) else {
            // It asks for ever, and writes so all the time.
            return std::future::pending().await;
        };
        told.info("RecoverCommand", "Constructing admin");
        let one = words.after("-l").and_then(|text| text.parse::<LedgerId>().ok());
        let rate = words.after("-rate").and_then(|text| text.parse::<u64>().ok());
        let world = call.machine.world();
        let ledgers = {
            let mut state = self.state();
            state.go_on(world.now_ms());
            one.map_or_else(|| state.cluster.ledgers_of(bookie), |id| vec![id])
        };
        let mut failed = false;
        for id in ledgers {
            let known = self.state().cluster.ledgers.get(&id).cloned();
            let Some(ledger) = known else { continue };
            if words.has("-dr") {
                would(&self.state().cluster, &mut told, id, bookie);
                continue;
            }
            if words.has("-sk") && ledger.closing == Closing::Open {
                told.info(ADMIN, &format!("Skip recovering open ledger {id}."));
                continue;
            }
            call.machine.sleep(LEDGER).await;
            if let Some(rate) = rate.filter(|rate| *rate > 0) {
                let ms = bytes(&ledger, bookie) * 1_000 / rate;
                call.machine.sleep(Duration::from_millis(ms)).await;
            }
            if world.is_cut(&call.machine.name) {
                told.error(ADMIN, &format!("Failed to recover ledger {id} : {FAILED}"));
                failed = true;
                continue;
            }
            let moved = {
                let mut state = self.state();
                state.go_on(world.now_ms());
                state.cluster.move_from(id, bookie)
            };
            match moved {
                Ok(_) => told.info(ADMIN, &format!("Recovered ledger {id}.")),
                Err(_) => {
                    told.error(ADMIN, &format!("Failed to recover ledger {id} : {FAILED}"));
                    // Else all that come after it stay as they are.
                    if !words.has("-sku") {
                        failed = true;
                        break;
                    }
                }
            }
        }
        let rc = if failed { FAILED } else { "OK: No problem" };
        let end = match one {
            Some(id) => format!("Recover bookie for {id} completed with rc : {rc}"),
            None => format!("Recover bookie operation completed with rc: {rc}"),
        };
        told.info(ADMIN, &end);
        told.ends(if failed { 255 } else { 0 })
    }

    pub(super) async fn decommission(
        &self,
        call: &Call,
        words: &Words<'_>,
        mut told: Told,
    ) -> Told {
        let Some(bookie) = words.after("-bookieid") else { return told.ends(255) };
        let world = call.machine.world();
        {
            let mut state = self.state();
            state.go_on(world.now_ms());
            if state.cluster.registered.contains_key(bookie) {
                told.error(ADMIN, &format!("Bookie: {bookie} is not shutdown yet"));
                return told.ends(255);
            }
            if let Err(why) = state.cluster.ask_for_audit() {
                told.error(ADMIN, why);
                return told.ends(255);
            }
        }
        told.info(ADMIN, "Resetting LostBookieRecoveryDelay value: 0, to kickstart audit task");
        call.machine.sleep(DECOMMISSION).await;
        loop {
            let left = {
                let mut state = self.state();
                state.go_on(world.now_ms());
                state.cluster.ledgers_of(bookie).len()
            };
            if left == 0 {
                break;
            }
            let seconds = (3 * left).min(300);
            told.info(ADMIN, &format!("Count of Ledgers which need to be rereplicated: {left}, waiting {seconds} seconds for next check"));
            let seconds = u64::try_from(seconds).unwrap_or(300);
            call.machine.sleep(Duration::from_secs(seconds)).await;
        }
        told.info(ADMIN, "Still in some underreplicated ledgers metadata, this bookie is part of its ensemble. Have to make sure that those ledger fragments are rereplicated");
        while self.is_marked(call, bookie) {
            call.machine.sleep(Duration::from_secs(3)).await;
        }
        told.info(ADMIN, &format!("The ledgers stored in the given decommissioning bookie: {bookie} are properly replicated"));
        if !self.state().delete_cookie(bookie) {
            let text = format!(
                "No cookie to remove for the decommissioning bookie: {bookie}, it could be deleted already"
            );
            told.info("DecommissionCommand", &text);
        }
        let text = format!("Cookie of the decommissioned bookie: {bookie} is deleted successfully");
        told.info("DecommissionCommand", &text);
        told
    }

    fn is_marked(&self, call: &Call, bookie: &str) -> bool {
        let mut state = self.state();
        state.go_on(call.machine.world().now_ms());
        state.cluster.marked.values().any(|mark| mark.missing.contains(bookie))
    }
}

/// What a dry run says of a ledger.
fn would(cluster: &Cluster, told: &mut Told, id: LedgerId, bookie: &str) {
    let Some(ledger) = cluster.ledgers.get(&id) else { return };
    let fence = if ledger.writes_to(bookie) { "[fence required]" } else { "" };
    told.info("verbose", &format!("Recovered ledger {id} : {fence}"));
    for first in ledger.fragments_of(bookie) {
        let named = ledger.ensembles.get(&first).cloned().unwrap_or_default();
        let last = i64::try_from(ledger.end_of(first)).unwrap_or(0) - 1;
        match cluster.free_for(&named).first() {
            None => {
                let text = format!(
                    "  Fragment [{first} - {last}] : Not enough non-faulty bookies available"
                );
                told.info("verbose", &text);
            }
            Some(other) => {
                let new: Vec<&str> = named
                    .iter()
                    .map(|id| if id == bookie { other.as_str() } else { id.as_str() })
                    .collect();
                told.info("verbose", &format!("  Fragment [{first} - {last}] : "));
                told.info("verbose", &format!("    old ensemble : [{}]", named.join(", ")));
                told.info("verbose", &format!("    new ensemble : [{}]", new.join(", ")));
            }
        }
    }
    told.info(ADMIN, &format!("Recovered ledger {id}."));
}
