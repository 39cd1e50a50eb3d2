//! What `kwbase` says when it fails. Its exit status is 1 for everything: the words on standard error tell.

use bellows_proto::v1::FaultCode;

/// Why it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody listens there.
    NoServer,
    /// Something ended the connection that is no KWDB.
    NotKwdb,
    /// Certificates are missing or do not fit.
    Certificates,
    /// It is insecure, and was asked with certificates.
    Insecure,
    /// TLS was refused.
    Tls,
    /// It did not answer in time: a range without a quorum, for one.
    TimedOut,
    /// The cluster never had a node of that id.
    NoSuchNode,
    /// A single-replica cluster lets no node leave.
    SingleReplica,
    /// A node is being upgraded.
    Upgrading,
    /// The build wants a licence for it.
    License,
    /// The node has not joined yet.
    NotInitialized,
    /// Not while a node is being decommissioned.
    Decommissioning,
    /// The store was made in another start mode.
    StartMode,
    /// The store belongs to another cluster.
    OtherCluster,
    /// Something listens at its port already.
    PortTaken,
    /// The version does not know the flag or the statement.
    NotKnown,
    /// Anything else.
    Other,
}

/// In this order: the more special words first.
const WORDS: &[(&str, Cause)] = &[
    ("node cannot be decommissioned in mpp mode", Cause::SingleReplica),
    ("can not run node decommission when cluster has node", Cause::Upgrading),
    ("needs an enterprise license", Cause::License),
    ("not in the liveness table", Cause::NoSuchNode),
    ("node cannot be drained before it has been initialized", Cause::NotInitialized),
    ("not supported when node is decommissioning", Cause::Decommissioning),
    ("check start mode failed", Cause::StartMode),
    ("is attempting to connect to a gossip network for cluster", Cause::OtherCluster),
    ("consider changing the port via --listen-addr", Cause::PortTaken),
    ("cannot load certificates", Cause::Certificates),
    ("cannot establish secure connection to insecure server", Cause::Insecure),
    ("SSL authentication error while connecting", Cause::Tls),
    ("operation timed out", Cause::TimedOut),
    ("SQLSTATE: 57014", Cause::TimedOut),
    ("cannot dial server", Cause::NoServer),
    ("server closed the connection", Cause::NotKwdb),
    ("unknown flag", Cause::NotKnown),
    ("unknown command", Cause::NotKnown),
    ("SQLSTATE: 42", Cause::NotKnown),
];

/// The cause in its words.
pub fn cause(stderr: &[u8]) -> Cause {
    let text = String::from_utf8_lossy(stderr);
    let unknown_node = text.lines().any(|line| {
        line.strip_prefix("ERROR: ").unwrap_or(line).starts_with("node ")
            && line.trim_end().ends_with("doesn't exist")
    });
    if unknown_node {
        return Cause::NoSuchNode;
    }
    WORDS.iter().find(|(words, _)| text.contains(words)).map_or(Cause::Other, |(_, cause)| *cause)
}

impl Cause {
    /// The code of a fault for it.
    pub fn code(self) -> FaultCode {
        match self {
            Self::Certificates | Self::Tls => FaultCode::Secret,
            Self::TimedOut => FaultCode::Deadline,
            Self::NoSuchNode => FaultCode::NotFound,
            Self::PortTaken | Self::StartMode | Self::OtherCluster => FaultCode::Drift,
            Self::NoServer
            | Self::NotKwdb
            | Self::Insecure
            | Self::SingleReplica
            | Self::Upgrading
            | Self::License
            | Self::NotInitialized
            | Self::Decommissioning
            | Self::NotKnown
            | Self::Other => FaultCode::ToolFailed,
        }
    }

    /// What to do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoServer => "see whether the node runs, and read its log",
            Self::NotKwdb => "see what listens at that address and port",
            Self::Certificates => {
                "see that certs_dir holds ca.crt, client.root.crt and client.root.key, readable for the owner of the node alone"
            }
            Self::Insecure => {
                "the cluster is insecure: set security = \"insecure\" under [systems.kwdb] and restart the agent"
            }
            Self::Tls => {
                "see that client.root.crt is signed by the cluster's authority and has not ended, and that the node's certificate is for its address; \
                 or that security under [systems.kwdb] is as the cluster's"
            }
            Self::TimedOut => {
                "see whether most of the nodes are up: without them the cluster answers nothing about its data"
            }
            Self::NoSuchNode => "look at kwbase node status --decommission, then plan anew",
            Self::SingleReplica => {
                "a single-replica cluster lets no node leave: its data have no other copy"
            }
            Self::Upgrading => "wait for the end of the upgrade, then retry",
            Self::License => {
                "this build lets no node leave without a licence: upgrade the cluster to V2.2.1 or later"
            }
            Self::NotInitialized => "the node has not joined a cluster: read its log",
            Self::Decommissioning => "wait until the node has left, then retry",
            Self::StartMode => {
                "empty the node's store: it was made for a cluster of another start mode"
            }
            Self::OtherCluster => "empty the node's store: it belongs to another cluster",
            Self::PortTaken => "see what listens at the node's port, then retry",
            Self::NotKnown => "this version does not know it: see which versions are supported",
            Self::Other => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_causes() {
        let mark =
            "ERROR: while trying to mark as decommissioning: rpc error: code = Unknown desc = ";
        let table = [
            (format!("{mark}node cannot be decommissioned in mpp mode\nFailed running \"node decommission\"\n"), Cause::SingleReplica),
            (format!("{mark}can not run node decommission when cluster has node(s) upgrading\n"), Cause::Upgrading),
            (format!("{mark}node decommissioning feature needs an enterprise license to enable.\n"), Cause::License),
            (format!("{mark}during liveness update 9 -> true: node not in the liveness table\n"), Cause::NoSuchNode),
            ("ERROR: node 10000 doesn't exist\nFailed running \"node status\"\n".into(), Cause::NoSuchNode),
            ("ERROR: cannot dial server.\nIs the server running?\nIf the server is running, check --host client-side and --advertise server-side.\n".into(), Cause::NoServer),
            ("ERROR: cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure\n".into(), Cause::Certificates),
            ("ERROR: server closed the connection.\nIs this a KwDB node?\n".into(), Cause::NotKwdb),
            ("ERROR: cannot establish secure connection to insecure server.\nMaybe use --insecure?\n".into(), Cause::Insecure),
            ("ERROR: SSL authentication error while connecting.\n".into(), Cause::Tls),
            ("ERROR: operation timed out.\n".into(), Cause::TimedOut),
            ("ERROR: query execution canceled due to statement timeout\nSQLSTATE: 57014\n".into(), Cause::TimedOut),
            ("ERROR: syntax error\nSQLSTATE: 42601\n".into(), Cause::NotKnown),
            ("check start mode failed! Node start mode is start, should be start-single-replica\n".into(), Cause::StartMode),
            ("node 3 belongs to cluster \"A\" but is attempting to connect to a gossip network for cluster \"B\"".into(), Cause::OtherCluster),
            ("something else".into(), Cause::Other),
            (String::new(), Cause::Other),
        ];
        for (text, expected) in table {
            assert_eq!(cause(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn every_cause_but_the_last_has_a_remedy() {
        for (_, cause) in WORDS {
            assert!(!cause.remedy().is_empty(), "{cause:?}");
        }
    }
}
