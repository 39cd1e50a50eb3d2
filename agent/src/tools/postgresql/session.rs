//! A node and a way to run its tools: what readings and actions share.
//! Must not know what any of the runs is for.

use std::{net::IpAddr, time::Duration};

use bellows_proto::v1::{Fault, FaultCode, NodeRef, placement};
use camino::Utf8PathBuf;

use super::values::{Node, PlainPath};
use crate::{
    exec::{Finished, Invocation},
    facilities::{Local, Runner, claims::NodeClaim, fault},
    tools::{
        psql::{self, Login, Mode},
        repmgr::{self, Repmgr, Server},
    },
};

/// Database that is always there.
pub(super) const ALWAYS_THERE: &str = "postgres";
/// A reading must be back before the query's own deadline, also when the server hangs.
pub(super) const READ_DEADLINE: Duration = Duration::from_millis(3500);
const READ_STATEMENT_MS: u32 = 2000;
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
const CHANGE_STATEMENT_MS: u32 = 30_000;

/// libpq's words when the password is wrong or missing.
const LOGIN_REFUSED: &[&str] = &["password authentication failed", "no password supplied"];

/// The node that is claimed here under this name.
///
/// # Errors
/// `NOT_CLAIMED` if there is none; `INVALID` if its placement is none of PostgreSQL.
pub(super) fn claimed(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let claim = local.claims().node(reference)?;
    let Some(placement::System::Postgresql(placement)) =
        claim.placement.as_ref().and_then(|placement| placement.system.as_ref())
    else {
        return Err(Fault::new(
            FaultCode::Invalid,
            format!("{}/{} has no placement of postgresql", reference.cluster, reference.node),
        ));
    };
    let node = Node::new(reference, placement)?;
    Ok((node, claim))
}

/// The node that is claimed here under this name and was made by Bellows: what writes a node's files or
/// removes its data asks for it.
///
/// # Errors
/// As [`claimed`]; `NOT_CLAIMED` if the node was adopted.
pub(super) fn made(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let (node, claim) = claimed(local, reference)?;
    if node.adopted {
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!(
                "node {}/{} was adopted: its files and data are not Bellows' own",
                reference.cluster, reference.node
            ),
        )
        .remedy("do it by hand, as it was done before Bellows"));
    }
    Ok((node, claim))
}

/// The node that is claimed here under this name, one that was adopted too, if `agent.toml` still lists it:
/// for what stops, starts and leads servers.
///
/// # Errors
/// As [`claimed`]; `DENIED` if `agent.toml` does not list the adopted node any more.
pub(super) fn led(local: &Local, reference: &NodeRef) -> Result<(Node, NodeClaim), Fault> {
    let (node, claim) = claimed(local, reference)?;
    if node.adopted {
        super::adopted::still_listed(local, &node)?;
    }
    Ok((node, claim))
}

/// For actions that name a node of this host besides another.
pub(super) fn at(reference: Option<&NodeRef>, local: &Local) -> Result<Node, Fault> {
    claimed(local, required(reference)?).map(|(node, _)| node)
}

/// The environment profile of `agent.toml` that all tools of PostgreSQL get.
pub(super) const PROFILE: &str = "postgresql";

/// As the owner of the node, with the host's profile; what the invocation sets itself wins.
pub(super) fn as_owner(local: &Local, os_user: &str, invocation: Invocation) -> Invocation {
    let mut invocation = invocation.user(os_user);
    for (key, value) in local.config.profile(PROFILE) {
        invocation.environment.entry(key).or_insert(value);
    }
    invocation
}

/// The reference that a message must carry.
pub(super) fn required(reference: Option<&NodeRef>) -> Result<&NodeRef, Fault> {
    reference.ok_or_else(|| Fault::new(FaultCode::Invalid, "the message names no node"))
}

/// Who logs in where, on behalf of a host.
#[derive(Debug, Clone)]
pub(super) struct Client {
    program: Utf8PathBuf,
    passfile: PlainPath,
    os_user: String,
}

impl Client {
    /// The client of a node.
    pub(super) fn of_node(node: &Node) -> Self {
        Self {
            program: node.bin_dir.file("psql").as_path().to_owned(),
            passfile: node.passfile.clone(),
            os_user: node.os_user.clone(),
        }
    }

    /// The client of a host, before it has a node.
    ///
    /// # Errors
    /// `DENIED` if postgresql is not allowed here.
    pub(super) fn of_host(local: &Local) -> Result<Self, Fault> {
        let section = super::place::section(local)?;
        Ok(Self {
            program: section.bin_dir.join("psql"),
            passfile: PlainPath::new("passfile", section.passfile.as_str())?,
            os_user: section.os_user.clone(),
        })
    }

    fn script(
        &self,
        (address, port): (IpAddr, u16),
        mode: Mode,
        variables: &[(&'static str, &str)],
        script: &'static str,
    ) -> Invocation {
        let login = Login {
            program: &self.program,
            address,
            port,
            role: repmgr::ROLE,
            database: ALWAYS_THERE,
            passfile: self.passfile.as_path(),
        };
        let (statement_ms, deadline) = match mode {
            Mode::Read => (READ_STATEMENT_MS, READ_DEADLINE),
            Mode::Change => (CHANGE_STATEMENT_MS, CHANGE_DEADLINE),
        };
        psql::script(&login, mode, variables, script, statement_ms, deadline)
    }

    /// Runs a read-only script. It may have stopped anywhere: its marks tell.
    ///
    /// # Errors
    /// Why there is no connection: `SECRET` for a login that was refused, `DEADLINE` for a
    /// server that hangs, else `TOOL_FAILED`.
    pub(super) async fn read(
        &self,
        runner: &dyn Runner,
        server: (IpAddr, u16),
        variables: &[(&'static str, &str)],
        script: &'static str,
    ) -> Result<(Vec<String>, Finished), Fault> {
        let invocation = self.script(server, Mode::Read, variables, script);
        let invocation = as_owner(runner.local(), &self.os_user, invocation);
        let command = invocation.command();
        let finished = runner.read(invocation).await?;
        // Without one line of output there was no connection.
        if finished.stdout.is_empty() && !finished.success() {
            return Err(no_connection(&command, &finished, server));
        }
        Ok((command, finished))
    }

    /// Runs a changing script to its end, or to its first failed statement.
    ///
    /// # Errors
    /// As [`Client::read`]. A failed statement is no error here: ask [`psql::sqlstate`].
    pub(super) async fn change(
        &self,
        runner: &dyn Runner,
        server: (IpAddr, u16),
        variables: &[(&'static str, &str)],
        script: &'static str,
    ) -> Result<(Vec<String>, Finished), Fault> {
        let invocation = self.script(server, Mode::Change, variables, script);
        let invocation = as_owner(runner.local(), &self.os_user, invocation);
        let command = invocation.command();
        let finished = runner.run(invocation).await?;
        if finished.status == Some(psql::NOT_CONNECTED) {
            return Err(no_connection(&command, &finished, server));
        }
        Ok((command, finished))
    }
}

fn no_connection(command: &[String], finished: &Finished, (address, port): (IpAddr, u16)) -> Fault {
    let text = String::from_utf8_lossy(&finished.stderr);
    let refused = LOGIN_REFUSED.iter().any(|words| text.contains(words));
    let fault = if refused {
        Fault::new(
            FaultCode::Secret,
            format!("the server at {address} port {port} refuses the repmgr role's login"),
        )
        .remedy("put the repmgr role's password into the passfile of this host")
    } else {
        Fault::new(
            FaultCode::ToolFailed,
            format!("the server at {address} port {port} cannot be asked"),
        )
        .remedy("see whether it runs, and read its log")
    };
    fault.tool(command, finished.status, &finished.stderr)
}

impl Node {
    /// Where its server listens.
    pub(super) fn endpoint(&self) -> (IpAddr, u16) {
        (self.address, self.port.get())
    }

    /// Runs repmgr with the node's own configuration and tells what came of it.
    ///
    /// # Errors
    /// A typed fault with repmgr's words, unless it is done or was done before.
    pub(super) async fn repmgr(
        &self,
        runner: &dyn Runner,
        what: &str,
        command: impl FnOnce(&Repmgr<'_>) -> Invocation,
    ) -> Result<repmgr::Done, Fault> {
        let config = self.repmgr_conf.as_path();
        let invocation = command(&Repmgr { bin_dir: self.bin_dir.as_path(), config });
        let invocation = as_owner(runner.local(), &self.os_user, invocation);
        let command = invocation.command();
        let finished = runner.run(invocation).await?;
        repmgr::outcome(finished.status, &finished.stderr).map_err(|cause| {
            let mut fault = fault::tool_failed(&command, &finished, what).remedy(cause.remedy());
            if let Some(code) = code(cause) {
                fault.set_code(code);
            }
            fault
        })
    }

    /// Another server, logged in to from this node.
    pub(super) fn peer<'a>(&'a self, address: IpAddr, port: u16) -> Server<'a> {
        Server { address, port, passfile: self.passfile.as_path(), application: None }
    }
}

/// Causes that have a code of their own.
fn code(cause: repmgr::Cause) -> Option<FaultCode> {
    use repmgr::Cause;
    match cause {
        Cause::Occupied | Cause::RunningThere => Some(FaultCode::Drift),
        Cause::Login => Some(FaultCode::Secret),
        Cause::NotAStandby
        | Cause::NoHbaEntry
        | Cause::Connection
        | Cause::BaseBackup
        | Cause::RegistrationSync
        | Cause::Refused => None,
    }
}
