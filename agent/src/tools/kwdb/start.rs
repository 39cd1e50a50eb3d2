//! With what a node of ours is started: the drop-in of its unit, or a service of the agent in the process form.
//! Rendered and read back here, so that nothing else is needed to know it.

use bellows_proto::v1::{
    DirectoryState, Fault, FaultCode, KwdbRemoveStart, KwdbSecurity, KwdbStart, KwdbStartMode,
    KwdbWriteStart, ManagedFileReading, ManagedFileState,
};
use camino::Utf8PathBuf;

use super::{
    processes::Started,
    service,
    session::{made, required, tlcp},
    values::{self, Node, endpoint},
};
use crate::{
    facilities::{Local, Runner, claims, services},
    host::Access,
    tools::{
        JobContext, Note,
        kwbase::{Security, VARIABLES},
    },
};

/// In a store: the mode that it was made in.
pub(super) const STORE_MODE: &str = "kwbase.start_mode";
/// The file's name, in either form.
pub(super) const FILE: &str = "50-bellows.conf";
/// Where the administrator's drop-ins lie.
const UNITS: &str = "/etc/systemd/system";
const LIMIT: u64 = 64 * 1024;
/// So many members are enough to find the cluster.
const MOST_JOINED: usize = 100;

/// Where what starts the node is written.
pub(super) fn path(local: &Local, node: &Node) -> Utf8PathBuf {
    match local.form.has_units() {
        true => Utf8PathBuf::from(UNITS).join(format!("{}.d", node.unit)).join(FILE),
        false => node.conf_dir.file(FILE),
    }
}

/// What a node is started with, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checked {
    verb: &'static str,
    join: Vec<std::net::SocketAddr>,
}

fn check(node: &Node, start: &KwdbStart) -> Result<Checked, Fault> {
    let invalid = |text: String| Fault::new(FaultCode::Invalid, text);
    let verb = match start.mode() {
        mode @ (KwdbStartMode::MultiReplica | KwdbStartMode::SingleReplica) => values::verb(mode),
        KwdbStartMode::SingleNode | KwdbStartMode::Unspecified => None,
    };
    let verb = verb.ok_or_else(|| invalid("the start names no mode of a cluster".to_owned()))?;
    if start.security() == KwdbSecurity::Tlcp {
        return Err(tlcp());
    }
    if start.security() != node.security {
        return Err(Fault::new(
            FaultCode::Denied,
            "security under [systems.kwdb] of this host's agent.toml is not as the cluster's",
        )
        .remedy("set it as the cluster's, and restart the agent"));
    }
    if start.join.is_empty() || start.join.len() > MOST_JOINED {
        return Err(invalid(format!("a node joins 1 to {MOST_JOINED} members")));
    }
    let join = start.join.iter().map(|text| endpoint("member", text)).collect::<Result<_, _>>()?;
    Ok(Checked { verb, join })
}

/// The words after the program. Under systemd it listens on all addresses, as the installer's own does, so that
/// `kw-status` works; where several hosts are one machine, on its own.
fn arguments(local: &Local, node: &Node, start: &Checked) -> Vec<String> {
    let everywhere = match node.address {
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let at = if local.form.has_units() { everywhere } else { node.address };
    let listen = |port: std::num::NonZeroU16| std::net::SocketAddr::new(at, port.get());
    let security = match node.security {
        KwdbSecurity::Insecure => Security::Insecure,
        KwdbSecurity::Tls | KwdbSecurity::Tlcp | KwdbSecurity::Unspecified => {
            Security::Certificates(node.certs_dir.as_path())
        }
    };
    let join: Vec<String> = start.join.iter().map(ToString::to_string).collect();
    vec![
        start.verb.to_owned(),
        security.flag(),
        format!("--store={}", node.data_dir),
        format!("--listen-addr={}", listen(node.port)),
        format!("--advertise-addr={}", node.endpoint()),
        format!("--http-addr={}", listen(node.http_port)),
        format!("--brpc-addr={}", listen(node.brpc_port)),
        format!("--join={}", join.join(",")),
    ]
}

/// The drop-in. Every value is quiet: none needs quoting.
fn render(node: &Node, arguments: &[String]) -> String {
    format!(
        "# Written by Bellows for node {} of cluster {}; changes are refused.\n\
         [Service]\n\
         User={}\n\
         UnsetEnvironment={}\n\
         ExecStart=\n\
         ExecStart={} {}\n",
        node.name,
        node.cluster,
        node.os_user,
        VARIABLES.join(" "),
        node.program,
        arguments.join(" "),
    )
}

/// What a file of ours was rendered from.
fn read_back(text: &str) -> Option<KwdbStart> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("ExecStart="))?;
    let words: Vec<String> = line.split_ascii_whitespace().skip(1).map(str::to_owned).collect();
    let started = Started::of(&words)?;
    let security = match started.is_set("--insecure") {
        true => KwdbSecurity::Insecure,
        false => KwdbSecurity::Tls,
    };
    Some(KwdbStart {
        mode: started.mode.into(),
        security: security.into(),
        join: started.join().into_iter().map(str::to_owned).collect(),
    })
}

/// The file as it is, and what it says if it is as Bellows left it.
///
/// # Errors
/// If it cannot be read.
pub(super) fn reading(
    local: &Local,
    node: &Node,
) -> Result<(ManagedFileReading, Option<KwdbStart>), Fault> {
    let path = path(local, node);
    let file = local.managed().reading(FILE, &path)?;
    if file.state() != ManagedFileState::Ours {
        return Ok((file, None));
    }
    let text = local.host.read_guarded(&path, LIMIT)?;
    let text = text.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    // Of the node that was here before this one: it does not start this one.
    let own = format!("--store={} ", node.data_dir);
    Ok((file, text.filter(|text| text.contains(&own)).and_then(|text| read_back(&text))))
}

/// Writes with what the node is started.
pub(super) async fn write_start(
    action: &KwdbWriteStart,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let start = action
        .start
        .as_ref()
        .ok_or_else(|| Fault::new(FaultCode::Invalid, "the message has no start"))?;
    let start = check(&node, start)?;
    // A node of ours that runs already is started by what was written before.
    if service::reading(context, &node).await?.pid == 0
        && let Some(why) = service::no_room(context, &node).await?.into_iter().next()
    {
        return Err(Fault::new(FaultCode::Drift, why).remedy("mend it on the host, then retry"));
    }
    let arguments = arguments(local, &node, &start);
    let text = render(&node, &arguments);
    let path = path(local, &node);
    local.managed().check_write(&path, text.as_bytes())?;
    prepare(local, &node)?;
    let public = |mode| Access { mode, owner: None };
    if let Some(folder) = path.parent()
        && local.host.metadata(folder)?.is_none()
    {
        local.host.create_directory(folder, &public(0o755))?;
    }
    // The file last: by it the step is known to be done, and what was cut short before is done again.
    if local.form.has_units() {
        service::remember(context, &node)?;
    } else {
        let mut spec = service::spec(context, &node);
        spec.arguments = arguments;
        services(context).install(&spec).await?;
    }
    local.managed().write(&path, text.as_bytes(), &public(0o644))?;
    if local.form.has_units() {
        // And once more before each start.
        services(context).reload().await?;
    }
    Ok(format!("{path} says how the node is started"))
}

/// Folders of the node's own. The store is made where it is not there, and is left as it is where it is.
fn prepare(local: &Local, node: &Node) -> Result<(), Fault> {
    let private = Access::owned(0o700, &node.os_user);
    if claims::directory_state(local, node.data_dir.as_path())? != DirectoryState::Occupied {
        local.host.create_directory(node.data_dir.as_path(), &private)?;
    }
    if !local.form.has_units() {
        local.host.create_directory(node.log_dir.as_path(), &private)?;
    }
    Ok(())
}

/// Takes back what [`write_start`] made. The unit stays stopped, and does not start at boot.
pub(super) async fn remove_start(
    action: &KwdbRemoveStart,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let path = path(local, &node);
    local.managed().check_restore(&path)?;
    if local.form.has_units() {
        service::stop(context, &node).await?;
        services(context).forget(&node.service()).await?;
    } else {
        services(context).remove(&node.service()).await?;
    }
    local.managed().restore(&path)?;
    if local.form.has_units() {
        if let Some(folder) = path.parent() {
            local.host.remove_empty_directory(folder)?;
        }
        services(context).reload().await?;
    }
    Ok(format!("{path} is as it was"))
}

/// The mode of a store; unspecified: there is none.
///
/// # Errors
/// If the file is there and cannot be read.
pub(super) fn store_mode(local: &Local, node: &Node) -> Result<KwdbStartMode, Fault> {
    let found = local.host.read_guarded(&node.data_dir.file(STORE_MODE), 4096)?;
    Ok(found.map_or(KwdbStartMode::Unspecified, |(bytes, _)| {
        values::mode(String::from_utf8_lossy(&bytes).trim())
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tools::kwdb::{place::tests::local, values::tests::node};

    fn wanted() -> KwdbStart {
        KwdbStart {
            mode: KwdbStartMode::MultiReplica.into(),
            security: KwdbSecurity::Tls.into(),
            join: vec!["10.0.0.1:26257".into(), "10.0.0.2:26257".into()],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut local = local("");
        let node = node();
        for mode in [KwdbStartMode::MultiReplica, KwdbStartMode::SingleReplica] {
            let start = KwdbStart { mode: mode.into(), ..wanted() };
            let text = render(&node, &arguments(&local, &node, &check(&node, &start).unwrap()));
            assert_eq!(read_back(&text), Some(start));
        }
        local.form = crate::config::LaunchForm::Systemd;
        let text = render(&node, &arguments(&local, &node, &check(&node, &wanted()).unwrap()));
        assert_eq!(
            text,
            "# Written by Bellows for node n4 of cluster meters; changes are refused.\n\
             [Service]\n\
             User=kaiwudb\n\
             UnsetEnvironment=KWBASE_BACKGROUND_RESTART KWBASE_CERTS_DIR KWBASE_CHANNEL KWBASE_CLUSTER_NAME \
             KWBASE_CONNECT_TIMEOUT KWBASE_DATABASE KWBASE_HOST KWBASE_INSECURE KWBASE_PORT KWBASE_REDACT \
             KWBASE_SKIP_ENABLING_DIAGNOSTIC_REPORTING KWBASE_URL KWBASE_USER\n\
             ExecStart=\n\
             ExecStart=/usr/local/kaiwudb/bin/kwbase start --certs-dir=/etc/kaiwudb/certs \
             --store=/var/lib/kaiwudb/meters/n4 --listen-addr=0.0.0.0:26257 --advertise-addr=10.0.0.4:26257 \
             --http-addr=0.0.0.0:8080 --brpc-addr=0.0.0.0:27257 --join=10.0.0.1:26257,10.0.0.2:26257\n"
        );
    }

    #[test]
    fn what_starts_no_member_is_refused() {
        for (bad, code) in [
            (KwdbStart { mode: KwdbStartMode::SingleNode.into(), ..wanted() }, FaultCode::Invalid),
            (KwdbStart { join: Vec::new(), ..wanted() }, FaultCode::Invalid),
            (KwdbStart { join: vec!["h1:26257".into()], ..wanted() }, FaultCode::Invalid),
            (KwdbStart { join: vec!["10.0.0.1:26257 --x".into()], ..wanted() }, FaultCode::Invalid),
            (KwdbStart { security: KwdbSecurity::Insecure.into(), ..wanted() }, FaultCode::Denied),
            (KwdbStart { security: KwdbSecurity::Tlcp.into(), ..wanted() }, FaultCode::Denied),
        ] {
            assert_eq!(check(&node(), &bad).unwrap_err().code(), code, "{bad:?}");
        }
    }
}
