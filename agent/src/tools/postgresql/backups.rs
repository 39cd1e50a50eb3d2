//! Backups, as the tool tells of them that the host's `agent.toml` names. Whose they are is said
//! beside each: a repository may hold those of many clusters. Must not change anything.

use bellows_proto::v1::{Fault, FaultCode, PostgresqlBackups};

use super::session::{READ_DEADLINE, as_owner};
use crate::{
    facilities::{Runner, fault},
    tools::pgbackrest,
};

/// Asks pgBackRest. A host that names no source says so: that is an answer.
///
/// # Errors
/// If it cannot be run, fails, or prints what cannot be read.
pub(super) async fn read(runner: &dyn Runner) -> Result<PostgresqlBackups, Fault> {
    let local = runner.local();
    let section = super::place::section(local)?;
    let Some(source) = &section.backups else { return Ok(PostgresqlBackups::default()) };
    let invocation = pgbackrest::info(
        &source.program,
        source.config.as_deref(),
        source.stanza.as_deref(),
        READ_DEADLINE,
    );
    let invocation = as_owner(local, &section.os_user, invocation);
    let command = invocation.command();
    let finished = runner.read(invocation).await.map_err(|fault| {
        let slow = fault.code() == FaultCode::Deadline;
        match slow {
            true => fault.remedy(
                "pgbackrest info took too long on this host: name its stanza (pgbackrest_stanza), or the repository's own host",
            ),
            false => fault,
        }
    })?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "read the backups")
            .remedy("run it by hand as the owner of the nodes, and see pgbackrest in agent.toml"));
    }
    let stanzas = pgbackrest::parse_info(&finished.stdout)
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stdout))?;
    Ok(PostgresqlBackups { declared: true, clock_ms: local.clock.now_ms(), stanzas })
}
