//! What an administrator would type for each act, should Bellows itself be gone in the middle of a plan.
//! For paper: nothing here is ever run. Every value is quoted for a shell.

use std::collections::BTreeMap;

use bellows_proto::v1::{
    Act, Action, HostAction, KwdbAction, KwdbPlacement, KwdbSecurity, KwdbSignCertificates,
    KwdbWriteStart, NodeRef, Step, action, host_action, kwdb_action::Kind, step,
};

use super::{changes, draft::Placed, view::endpoint};

/// Places by the names of their nodes.
type Places<'a> = BTreeMap<&'a str, &'a KwdbPlacement>;

/// The steps with what could be typed for each of their acts.
pub(super) fn filled(mut steps: Vec<Step>, members: &[Placed]) -> Vec<Step> {
    let places: Places<'_> =
        members.iter().map(|member| (member.node.as_str(), &member.place)).collect();
    for step in &mut steps {
        fill(step, &places);
    }
    steps
}

fn fill(step: &mut Step, places: &Places<'_>) {
    match &mut step.kind {
        Some(step::Kind::Act(act)) => act_and_undo(act, places),
        Some(step::Kind::Group(group)) => {
            group.members.iter_mut().for_each(|member| fill(member, places));
        }
        Some(step::Kind::Check(_) | step::Kind::Wait(_)) | None => {}
    }
}

fn act_and_undo(act: &mut Act, places: &Places<'_>) {
    act.by_hand = lines(act.action.as_ref(), places);
    for undo in &mut act.undo {
        undo.by_hand = lines(undo.action.as_ref(), places);
    }
}

fn lines(action: Option<&Action>, places: &Places<'_>) -> Vec<String> {
    match action.and_then(|action| action.kind.as_ref()) {
        Some(action::Kind::Host(action)) => on_host(action, places),
        Some(action::Kind::Kwdb(action)) => kwdb(action, places),
        _ => Vec::new(),
    }
}

fn on_host(action: &HostAction, places: &Places<'_>) -> Vec<String> {
    match &action.kind {
        Some(host_action::Kind::Tombstone(stone)) => {
            let Some(at) = place(places, &stone.node) else { return unknown() };
            let mut lines = vec![stopped(at)];
            if stone.wipe_data {
                lines.push(format!("rm -r -- {}", quoted(&at.data_dir)));
            }
            lines
        }
        // Records of the agent: without Bellows nobody asks for them.
        Some(
            host_action::Kind::ClaimNode(_)
            | host_action::Kind::ReleaseNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        )
        | None => Vec::new(),
    }
}

fn kwdb(action: &KwdbAction, places: &Places<'_>) -> Vec<String> {
    let Some(kind) = &action.kind else { return Vec::new() };
    let of = |node: &Option<NodeRef>| place(places, node);
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

fn place<'a>(places: &Places<'a>, node: &Option<NodeRef>) -> Option<&'a KwdbPlacement> {
    places.get(node.as_ref()?.node.as_str()).copied()
}

/// The plan does not say where the node lives.
fn unknown() -> Vec<String> {
    vec!["# where the node lives is not in this plan: see bellows host show HOST".to_owned()]
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

/// One shell word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,[]".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_place_becomes_a_command() {
        assert_eq!(quoted("/var/lib/a-b_c"), "/var/lib/a-b_c");
        assert_eq!(quoted("/a b; rm x"), "'/a b; rm x'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
