//! `org.apache.zookeeper.ZooKeeperMain`, as 3.9.3 prints: one node, `/bookies`, where clients are told that bookies stand.

use std::time::Duration;

use super::{
    super::tools::{Call, Ending},
    Model,
    cluster::SESSION_MS,
    installed::METADATA,
};

/// The class that the script runs.
pub(super) const MAIN: &str = "org.apache.zookeeper.ZooKeeperMain";
const NODE: &str = "/bookies";
/// Until Java has begun, and ZooKeeper has answered.
const START: Duration = Duration::from_millis(1_000);

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// `dataVersion`
    pub version: u32,
    /// As it was written.
    pub text: String,
}

/// Whether a run may change something.
pub(super) fn changes(call: &Call) -> bool {
    call.arguments.iter().any(|word| ["create", "set", "delete"].contains(&word.as_str()))
}

impl Model {
    pub(super) async fn zookeeper(&self, call: &Call) -> Ending {
        call.machine.sleep(START).await;
        if call.machine.world().is_cut(&call.machine.name) {
            let patience = u64::try_from(SESSION_MS).unwrap_or(0);
            call.machine.sleep(Duration::from_millis(patience)).await;
            return Ending::bad(1, "KeeperErrorCode = ConnectionLoss for /bookies\n");
        }
        let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
        let [_, "-server", server, command @ ..] = words.as_slice() else {
            return Ending::bad(1, "Command not found\n");
        };
        if METADATA != format!("zk+hierarchical://{server}/ledgers") {
            return Ending::bad(1, "KeeperErrorCode = ConnectionLoss\n");
        }
        let mut state = self.state();
        let stored = &mut state.cluster.told;
        match (command, &stored) {
            (["get", "-s", NODE], Some(stored)) => Ending::good(format!(
                "Connecting to {server}\n\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null zxid: -1\n{}\ncZxid = 0x3\n\
                 mZxid = 0x3\ncversion = 0\ndataVersion = {}\naclVersion = 0\nnumChildren = 0\n",
                stored.text, stored.version
            )),
            (["get", "-s", NODE] | ["set", "-v", _, NODE, _], None) => {
                Ending::bad(1, "Node does not exist: /bookies\n")
            }
            (["create", NODE, text], None) => {
                *stored = Some(Stored { version: 0, text: (*text).to_owned() });
                Ending::good("Created /bookies\n")
            }
            (["create", NODE, _], Some(_)) => Ending::bad(1, "Node already exists: /bookies\n"),
            (["set", "-v", version, NODE, text], Some(now)) => {
                if now.version.to_string() != *version {
                    return Ending::bad(1, "version No is not valid : /bookies\n");
                }
                *stored = Some(Stored { version: now.version + 1, text: (*text).to_owned() });
                Ending::good("")
            }
            _ => Ending::bad(1, "Command not found\n"),
        }
    }
}
