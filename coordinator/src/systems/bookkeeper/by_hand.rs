//! What an administrator would type for each act, should Bellows itself be gone in the middle of a plan.
//! For paper: nothing here is ever run. Every value is quoted for a shell.

use bellows_proto::v1::{
    Action, BookkeeperAction, BookkeeperPlacement, BookkeeperTellPlace, BookkeeperWriteConfig,
    HostAction, NodeRef, action, bookkeeper_action::Kind, host_action,
};

use super::view::endpoint;
use crate::plan::by_hand::{self, quoted, unknown};

/// Places by the names of their nodes.
type Places<'a> = by_hand::Places<'a, BookkeeperPlacement>;

/// What could be typed for an action.
pub(super) fn lines(action: &Action, places: &Places<'_>) -> Vec<String> {
    match &action.kind {
        Some(action::Kind::Host(action)) => on_host(action, places),
        Some(action::Kind::Bookkeeper(action)) => bookkeeper(action, places),
        _ => Vec::new(),
    }
}

fn on_host(action: &HostAction, places: &Places<'_>) -> Vec<String> {
    match &action.kind {
        Some(host_action::Kind::Tombstone(stone)) => {
            let Some(at) = places.at(stone.node.as_ref()) else { return unknown() };
            let mut lines = stopped(at);
            if stone.wipe_data {
                lines.push(emptied(at));
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

fn bookkeeper(action: &BookkeeperAction, places: &Places<'_>) -> Vec<String> {
    let Some(kind) = &action.kind else { return Vec::new() };
    let of = |node: &Option<NodeRef>| places.at(node.as_ref());
    let shelled =
        |node: &Option<NodeRef>, words: String| of(node).map(|at| vec![shell(at, &words)]);
    let made = match kind {
        Kind::WriteConfig(write) => of(&write.node).map(|at| config(at, write)),
        Kind::RemoveConfig(remove) => {
            of(&remove.node).map(|at| vec![format!("rm -- {}", quoted(&at.conf_file))])
        }
        Kind::StartBookie(start) => of(&start.node).map(started),
        Kind::StopBookie(stop) => of(&stop.node).map(stopped),
        Kind::SetReadOnly(set) => of(&set.node).map(|at| {
            let body = format!("{{\"readOnly\":{}}}", set.read_only);
            vec![put(at, "bookie/state/readonly", &body)]
        }),
        Kind::Audit(audit) => {
            of(&audit.at).map(|at| vec![put(at, "autorecovery/trigger_audit", "")])
        }
        Kind::Drain(drain) => of(&drain.at).map(|at| {
            let skip = if drain.skip_lost { " -sku" } else { "" };
            let id = quoted(&drain.bookie);
            vec![
                format!(
                    "{}  # again until the next line shows none",
                    shell(at, &format!("recover -f{skip} {id}"))
                ),
                shell(at, &format!("listledgers -bookieid {id}")),
            ]
        }),
        Kind::Decommission(of) => {
            shelled(&of.at, format!("decommissionbookie -bookieid {}", quoted(&of.bookie)))
        }
        Kind::SaveCookie(of) => {
            shelled(&of.at, format!("cookie_get {}  # keep what it prints", quoted(&of.bookie)))
        }
        Kind::DeleteCookie(of) => shelled(&of.at, format!("cookie_delete {}", quoted(&of.bookie))),
        Kind::RestoreCookie(of) => shelled(
            &of.at,
            format!("cookie_create -cf FILE {}  # FILE: what was kept", quoted(&of.bookie)),
        ),
        Kind::SetAutorecovery(set) => {
            let flag = if set.enabled { "-e" } else { "-d" };
            shelled(&set.at, format!("autorecovery {flag}"))
        }
        Kind::DiscardData(discard) => of(&discard.node).map(|at| vec![emptied(at)]),
        Kind::TellPlace(of) => Some(vec![told(of)]),
    };
    made.unwrap_or_else(unknown)
}

fn told(of: &BookkeeperTellPlace) -> String {
    let id = quoted(&of.bookie);
    if of.rack.is_empty() {
        return format!("pulsar-admin bookies delete-bookie-rack -b {id}");
    }
    let group = match of.group.as_str() {
        "" => String::new(),
        group => format!(" -g {}", quoted(group)),
    };
    format!("pulsar-admin bookies set-bookie-rack -b {id} -r {}{group}", quoted(&of.rack))
}

fn put(at: &BookkeeperPlacement, path: &str, body: &str) -> String {
    let server = endpoint(&at.http_address, at.http_port);
    let data = if body.is_empty() { String::new() } else { format!(" -d {}", quoted(body)) };
    format!("curl -X PUT{data} {}", quoted(&format!("http://{server}/api/v1/{path}")))
}

fn shell(at: &BookkeeperPlacement, words: &str) -> String {
    let (user, program, conf) = (quoted(&at.os_user), quoted(&at.program), quoted(&at.conf_file));
    format!("sudo -u {user} env BOOKIE_CONF={conf} {program} shell {words}")
}

fn started(at: &BookkeeperPlacement) -> Vec<String> {
    match unit(at) {
        "" => vec![format!(
            "# start it as it was: BOOKIE_CONF={} {} bookie",
            quoted(&at.conf_file),
            quoted(&at.program)
        )],
        unit => vec![format!("systemctl enable --now {}", quoted(unit))],
    }
}

fn stopped(at: &BookkeeperPlacement) -> Vec<String> {
    match unit(at) {
        "" => vec![format!("# end the process of {} with SIGTERM", quoted(&at.conf_file))],
        unit => vec![format!("systemctl disable --now {}", quoted(unit))],
    }
}

/// An adopted bookie has a unit of somebody else's, or none.
fn unit(at: &BookkeeperPlacement) -> &str {
    if at.unit.is_empty() && !at.adopted { &at.service } else { &at.unit }
}

fn emptied(at: &BookkeeperPlacement) -> String {
    let all = [&at.journal_dirs, &at.ledger_dirs, &at.index_dirs];
    let paths: Vec<String> = all.into_iter().flatten().map(|path| quoted(path)).collect();
    format!("find {} -mindepth 1 -delete", paths.join(" "))
}

fn config(at: &BookkeeperPlacement, write: &BookkeeperWriteConfig) -> Vec<String> {
    let own = [
        format!("bookieId={}", endpoint(&at.address, at.port)),
        format!("advertisedAddress={}", at.address),
        format!("bookiePort={}", at.port),
        format!("journalDirectories={}", at.journal_dirs.join(",")),
        format!("ledgerDirectories={}", at.ledger_dirs.join(",")),
        "httpServerEnabled=true".to_owned(),
        format!("httpServerHost={}", at.http_address),
        format!("httpServerPort={}", at.http_port),
        "persistBookieStatusEnabled=true".to_owned(),
    ];
    let taken = write.settings.iter().map(|one| format!("{}={}", one.key, one.value));
    let mut lines = vec![format!("# write {} with these lines:", quoted(&at.conf_file))];
    lines.extend(own.into_iter().chain(taken).map(|line| format!("#   {line}")));
    lines
}
