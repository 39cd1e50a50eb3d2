//! What an administrator would type for each act, should Bellows itself be gone in the middle of a plan.
//! For paper: nothing here is ever run. Every value is quoted for a shell.

use bellows_proto::v1::{
    Action, HostAction, KwdbAction, KwdbPlacement, KwdbSecurity, KwdbSignCertificates,
    KwdbWriteStart, NodeRef, action, kwdb_action::Kind,
};

use super::{changes, view::endpoint};
use crate::plan::by_hand::{self, quoted, unknown};
use crate::systems::host;

/// Places by the names of their nodes.
type Places<'a> = by_hand::Places<'a, KwdbPlacement>;

/// What could be typed for an action.
pub(super) fn lines(action: &Action, places: &Places<'_>) -> Vec<String> {
    match &action.kind {
        Some(action::Kind::Host(action)) => on_host(action, places),
        Some(action::Kind::Kwdb(action)) => kwdb(action, places),
        _ => Vec::new(),
    }
}

fn on_host(action: &HostAction, places: &Places<'_>) -> Vec<String> {
    // The others are records of the agent: without Bellows nobody asks for them.
    let Some(stone) = host::actions::burial(action) else { return Vec::new() };
    let Some(at) = places.at(stone.node.as_ref()) else { return unknown() };
    let mut lines = vec![stopped(at)];
    if stone.wipe_data {
        lines.push(format!("rm -r -- {}", quoted(&at.data_dir)));
    }
    lines
}

fn kwdb(action: &KwdbAction, places: &Places<'_>) -> Vec<String> {
    let Some(kind) = &action.kind else { return Vec::new() };
    let of = |node: &Option<NodeRef>| places.at(node.as_ref());
    let made = match kind {
        Kind::WriteStart(write) => of(&write.node).map(|at| start_lines(at, write)),
        Kind::RemoveStart(remove) => of(&remove.node).map(|at| {
            let file = format!("/etc/systemd/system/{}.d/50-bellows.conf", at.unit);
            vec![format!("rm -- {} && systemctl daemon-reload", quoted(&file))]
        }),
        Kind::RequestCertificates(_) => Some(vec![
            "# nothing: the host of ca.key makes keys and certificates, see next".to_owned(),
        ]),
        Kind::SignCertificates(sign) => of(&sign.at).map(|at| signed(at, sign)),
        Kind::ForgetSigned(_) => Some(Vec::new()),
        Kind::PlaceCertificates(put) => of(&put.node).map(|at| {
            let files = "ca.crt, node.crt, node.key, client.root.crt, client.root.key";
            vec![format!(
                "# bring {files} into {} of {}; keys 0600, all of {}; never ca.key",
                at.certs_dir, at.address, at.os_user
            )]
        }),
        Kind::RemoveCertificates(gone) => of(&gone.node).map(|at| {
            let files = ["node.crt", "node.key", "client.root.crt", "client.root.key"];
            let paths = files.map(|file| quoted(&format!("{}/{file}", at.certs_dir)));
            vec![format!("rm -f -- {}", paths.join(" "))]
        }),
        Kind::StartNode(start) => {
            of(&start.node).map(|at| vec![format!("systemctl enable --now {}", quoted(&at.unit))])
        }
        Kind::StopNode(stop) if stop.quit => {
            of(&stop.node).map(|at| vec![kwbase(at, at, "quit"), stopped(at)])
        }
        Kind::StopNode(stop) => of(&stop.node).map(|at| vec![stopped(at)]),
        Kind::RestartNode(restart) => {
            of(&restart.node).map(|at| vec![format!("systemctl restart {}", quoted(&at.unit))])
        }
        Kind::Decommission(act) => of(&act.at).zip(of(&act.node)).map(|(at, node)| {
            let words = format!("node decommission {} --wait=none", id(act.node_id));
            vec![which(at, node, act.node_id), Some(kwbase(at, at, &words))]
                .into_iter()
                .flatten()
                .collect()
        }),
        Kind::Recommission(act) => of(&act.at).zip(of(&act.node)).map(|(at, node)| {
            let words = format!("node recommission {}", id(act.node_id));
            vec![which(at, node, act.node_id), Some(kwbase(at, at, &words))]
                .into_iter()
                .flatten()
                .collect()
        }),
        Kind::SetRebalance(set) => of(&set.at).map(|at| {
            let statement = format!(
                "SET CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled = {}",
                set.enabled
            );
            vec![kwbase(at, at, &format!("sql -e {}", quoted(&statement)))]
        }),
        Kind::DiscardData(discard) => of(&discard.node)
            .map(|at| vec![format!("find {} -mindepth 1 -delete", quoted(&at.data_dir))]),
        Kind::DeployDecommission(_) => Some(vec![
            "# in KWDB's install directory of that host: ./deploy.sh decommission".to_owned(),
        ]),
    };
    made.unwrap_or_else(unknown)
}

/// An id that is only known when the act begins.
fn id(id: u32) -> String {
    if id == 0 { "ID".to_owned() } else { id.to_string() }
}

fn which(at: &KwdbPlacement, node: &KwdbPlacement, id: u32) -> Option<String> {
    (id == 0).then(|| {
        let status = kwbase(at, at, "node status --format=csv");
        format!("{status}  # ID: the highest with {}", endpoint(node))
    })
}

/// A command at a node, said to one.
fn kwbase(at: &KwdbPlacement, to: &KwdbPlacement, words: &str) -> String {
    let security = match at.security() {
        KwdbSecurity::Tls => format!("--certs-dir={}", quoted(&at.certs_dir)),
        KwdbSecurity::Insecure | KwdbSecurity::Tlcp | KwdbSecurity::Unspecified => {
            "--insecure".to_owned()
        }
    };
    let (user, program) = (quoted(&at.os_user), quoted(&at.program));
    format!("sudo -u {user} {program} {words} {security} --host={}", quoted(&endpoint(to)))
}

fn stopped(at: &KwdbPlacement) -> String {
    format!("systemctl disable --now {}", quoted(&at.unit))
}

fn start_lines(at: &KwdbPlacement, write: &KwdbWriteStart) -> Vec<String> {
    let start = write.start.clone().unwrap_or_default();
    let security = match start.security() {
        KwdbSecurity::Tls => format!("--certs-dir={}", quoted(&at.certs_dir)),
        KwdbSecurity::Insecure | KwdbSecurity::Tlcp | KwdbSecurity::Unspecified => {
            "--insecure".to_owned()
        }
    };
    let host = match at.address.contains(':') {
        true => format!("[{}]", at.address),
        false => at.address.clone(),
    };
    vec![
        format!("# systemctl edit {}: empty ExecStart=, then ExecStart=", at.unit),
        format!(
            "# {} {} {security} --store={} --listen-addr={host}:{} --http-addr={host}:{} --brpc-addr={host}:{} --join={}",
            quoted(&at.program),
            changes::command(start.mode()),
            quoted(&at.data_dir),
            at.port,
            at.http_port,
            at.brpc_port,
            start.join.join(",")
        ),
    ]
}

fn signed(at: &KwdbPlacement, sign: &KwdbSignCertificates) -> Vec<String> {
    let certs = format!("--certs-dir=DIR --ca-key={}", quoted(&format!("{}/ca.key", at.certs_dir)));
    let program = quoted(&at.program);
    vec![
        format!("# in an empty folder DIR with {}/ca.crt:", at.certs_dir),
        format!("{program} cert create-node {} 127.0.0.1 localhost {certs}", quoted(&sign.address)),
        format!("{program} cert create-client root {certs}"),
    ]
}
