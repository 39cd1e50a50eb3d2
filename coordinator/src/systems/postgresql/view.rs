//! An observation as planners and judges read it: by name, with what is not known as an error
//! in words. Reads only; decides nothing but roles.

use crate::systems::host::Hosts;
pub(super) use crate::systems::host::nodes::{runs, state_of, state_text};
use bellows_proto::v1::{
    Fault, FrontBackend, HostFacts, HostReading, Observation, PostgresqlBackupsReading,
    PostgresqlFoundReading, PostgresqlFoundServer, PostgresqlFront, PostgresqlFrontReading,
    PostgresqlLoginReading, PostgresqlMember, PostgresqlReading, PostgresqlServer, RepmgrNode,
    SystemFacts, Vacancy, observation, postgresql_found_reading, postgresql_front_reading,
    postgresql_login_reading, postgresql_member, postgresql_reading,
};

/// The name of this system in `agent.toml` and in [`SystemFacts`].
pub(super) const SYSTEM: &str = "postgresql";

/// Slot of the node with this id, as repmgr names it.
pub(super) fn slot_name(node_id: u32) -> String {
    format!("repmgr_slot_{node_id}")
}

/// What a member is, as far as its own host can say.
pub(super) enum Role<'a> {
    Primary(&'a PostgresqlServer),
    Standby(&'a PostgresqlServer),
    /// No server of it runs, or it only recovers: it cannot take writes. Why.
    Down(String),
    /// It cannot be said. Why.
    Unknown(String),
}

/// Why there is not one primary to speak of.
#[derive(Debug)]
pub(super) enum NoPrimary {
    /// All answered, none is primary.
    None,
    /// These all take writes.
    Several(Vec<String>),
    /// None of those who answered is primary, and these did not answer.
    Unknown(String),
}

impl NoPrimary {
    pub(super) fn text(&self) -> String {
        match self {
            Self::None => "no member is primary".to_owned(),
            Self::Several(names) => {
                format!("{} each say that they are primary", names.join(" and "))
            }
            Self::Unknown(why) => format!("no primary is known: {why}"),
        }
    }
}

/// The one primary.
#[derive(Clone, Copy)]
pub(super) struct Primary<'a> {
    pub(super) member: &'a PostgresqlMember,
    pub(super) server: &'a PostgresqlServer,
}

/// An observation, by name.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) hosts: Hosts<'a>,
    pub(super) members: &'a [PostgresqlMember],
    /// Only where they were asked for.
    pub(super) backups: &'a [PostgresqlBackupsReading],
    /// What stands in front of the cluster.
    pub(super) fronts: &'a [PostgresqlFrontReading],
    logins: &'a [PostgresqlLoginReading],
    found: &'a [PostgresqlFoundReading],
}

impl<'a> View<'a> {
    pub(super) fn of(observation: &'a Observation) -> Self {
        let hosts = Hosts(&observation.hosts);
        match &observation.system {
            Some(observation::System::Postgresql(seen)) => Self {
                hosts,
                members: &seen.members,
                backups: &seen.backups,
                fronts: &seen.fronts,
                logins: &seen.logins,
                found: &seen.found,
            },
            _ => Self { hosts, members: &[], backups: &[], fronts: &[], logins: &[], found: &[] },
        }
    }

    /// The servers that are on a host, whoever made them.
    pub(super) fn found(self, host: &str) -> Result<&'a [PostgresqlFoundServer], String> {
        let asked = self.found.iter().find(|found| found.host == host);
        match asked.and_then(|asked| asked.outcome.as_ref()) {
            Some(postgresql_found_reading::Outcome::Found(found)) => Ok(&found.servers),
            Some(postgresql_found_reading::Outcome::Fault(fault)) => {
                Err(format!("{host} could not look for its servers: {}", fault.message))
            }
            None => Err(format!("{host} did not say which servers it has")),
        }
    }

    /// What a front says of itself.
    pub(super) fn front(self, host: &str, name: &str) -> Result<&'a PostgresqlFront, String> {
        let asked = self.fronts.iter().find(|front| front.host == host && front.front == name);
        front(asked.ok_or_else(|| format!("{name} on {host} was not asked: is it in site.toml?"))?)
    }

    /// Members of the spec.
    pub(super) fn in_spec(self) -> impl Iterator<Item = &'a PostgresqlMember> {
        self.members.iter().filter(|member| member.in_spec)
    }

    pub(super) fn member(self, node: &str) -> Option<&'a PostgresqlMember> {
        self.members.iter().find(|member| member.node == node)
    }

    pub(super) fn reading(self, node: &str) -> Result<&'a PostgresqlReading, String> {
        reading(self.member(node).ok_or_else(|| format!("{node} was not asked"))?)
    }

    pub(super) fn server(self, node: &str) -> Result<&'a PostgresqlServer, String> {
        server(node, self.reading(node)?)
    }

    pub(super) fn host_reading(self, host: &str) -> Option<&'a HostReading> {
        self.hosts.reading(host)
    }

    pub(super) fn host(self, host: &str) -> Result<&'a HostFacts, String> {
        self.hosts.facts(host)
    }

    pub(super) fn system_facts(self, host: &str) -> Result<Option<&'a SystemFacts>, String> {
        self.hosts.system(host, SYSTEM)
    }

    pub(super) fn vacancy(self, host: &str, node: &str) -> Result<&'a Vacancy, String> {
        self.hosts.vacancy(host, node)
    }

    pub(super) fn login(
        self,
        host: &str,
        address: &str,
        port: u32,
    ) -> Result<Result<(), &'a str>, String> {
        let asked = self
            .logins
            .iter()
            .find(|login| login.host == host && login.address == address && login.port == port)
            .ok_or_else(|| format!("no login from {host} to {address} port {port} was tried"))?;
        match &asked.outcome {
            Some(postgresql_login_reading::Outcome::Login(login)) if login.ok => Ok(Ok(())),
            Some(postgresql_login_reading::Outcome::Login(login)) => Ok(Err(&login.reason)),
            Some(postgresql_login_reading::Outcome::Fault(fault)) => {
                Err(format!("{host} could not try the login: {}", fault.message))
            }
            None => Err(format!("{host} did not say whether the login works")),
        }
    }

    /// The one primary among those who answered. Others may not have answered: see
    /// [`View::unknown_members`].
    pub(super) fn primary(self) -> Result<Primary<'a>, NoPrimary> {
        self.primary_besides("")
    }

    /// The same, whatever this one is.
    pub(super) fn primary_besides(self, node: &str) -> Result<Primary<'a>, NoPrimary> {
        let mut found = Vec::new();
        let mut unknown = Vec::new();
        for member in self.members.iter().filter(|member| member.node != node) {
            match role(member) {
                Role::Primary(server) => found.push(Primary { member, server }),
                Role::Unknown(why) if member.in_spec => unknown.push(why),
                Role::Standby(_) | Role::Down(_) | Role::Unknown(_) => {}
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] if unknown.is_empty() => Err(NoPrimary::None),
            [] => Err(NoPrimary::Unknown(unknown.join("; "))),
            several => {
                Err(NoPrimary::Several(several.iter().map(|one| one.member.node.clone()).collect()))
            }
        }
    }

    /// Members of the spec of which nobody can say whether they are primary.
    pub(super) fn unknown_members(self) -> Vec<String> {
        self.unknown_members_but(&[])
    }

    /// The same, without asking for these.
    pub(super) fn unknown_members_but(self, without: &[String]) -> Vec<String> {
        self.in_spec()
            .filter(|member| !without.contains(&member.node))
            .filter_map(|member| match role(member) {
                Role::Unknown(why) => Some(why),
                Role::Primary(_) | Role::Standby(_) | Role::Down(_) => None,
            })
            .collect()
    }
}

/// What a front says of itself.
pub(super) fn front(reading: &PostgresqlFrontReading) -> Result<&PostgresqlFront, String> {
    let PostgresqlFrontReading { host, front, outcome } = reading;
    match outcome {
        Some(postgresql_front_reading::Outcome::Reading(reading)) => Ok(reading),
        Some(postgresql_front_reading::Outcome::Fault(fault)) => {
            Err(format!("{host} did not answer for {front}: {}", fault.message))
        }
        None => Err(format!("{host} gave no answer for {front}")),
    }
}

/// Whether two backends of fronts are one.
pub(super) fn same_endpoint(one: &FrontBackend, other: &FrontBackend) -> bool {
    (&one.address, one.port) == (&other.address, other.port)
}

/// Whether two lists of backends are of the same members, in whatever order.
pub(super) fn same_endpoints(one: &[FrontBackend], other: &[FrontBackend]) -> bool {
    let has = |list: &[FrontBackend], backend: &FrontBackend| {
        list.iter().any(|there| same_endpoint(there, backend))
    };
    one.len() == other.len()
        && one.iter().all(|backend| has(other, backend))
        && other.iter().all(|backend| has(one, backend))
}

/// What a member's host says of it.
pub(super) fn reading(member: &PostgresqlMember) -> Result<&PostgresqlReading, String> {
    match &member.outcome {
        Some(postgresql_member::Outcome::Reading(reading)) => Ok(reading),
        Some(postgresql_member::Outcome::Fault(fault)) => {
            Err(fault_text(&member.node, &member.host, fault))
        }
        None => Err(format!("{} gave no answer for {}", member.host, member.node)),
    }
}

/// What a member's server says.
pub(super) fn server<'a>(
    node: &str,
    reading: &'a PostgresqlReading,
) -> Result<&'a PostgresqlServer, String> {
    match &reading.server {
        Some(postgresql_reading::Server::Up(server)) => Ok(server),
        Some(postgresql_reading::Server::Down(fault)) => {
            Err(format!("the server of {node} does not answer: {}", fault.message))
        }
        None => Err(format!("the server of {node} was not asked")),
    }
}

fn fault_text(node: &str, host: &str, fault: &Fault) -> String {
    format!("{host} did not answer for {node}: {}", fault.message)
}

/// What a member is. A server that does not answer while its service runs may be anything,
/// unless its control data say that it only recovers.
pub(super) fn role(member: &PostgresqlMember) -> Role<'_> {
    let reading = match reading(member) {
        Ok(reading) => reading,
        Err(why) => return Role::Unknown(why),
    };
    if reading.claimed == Some(false) {
        return Role::Down(format!("{} has no node {}", member.host, member.node));
    }
    let why = match server(&member.node, reading) {
        Ok(server) => {
            return match server.in_recovery {
                Some(false) => Role::Primary(server),
                Some(true) => Role::Standby(server),
                None => Role::Unknown(format!(
                    "the server of {} does not say whether it recovers",
                    member.node
                )),
            };
        }
        Err(why) => why,
    };
    let recovers =
        matches!(reading.control_state.as_str(), "in archive recovery" | "shut down in recovery");
    if recovers || runs(reading.server_service.as_ref()) == Some(false) {
        Role::Down(why)
    } else {
        Role::Unknown(why)
    }
}

/// A witness takes part in failovers and holds no data of the cluster: it is no member.
pub(super) fn is_witness(row: &RepmgrNode) -> bool {
    row.kind == "witness"
}

/// The row of a node in a server's repmgr.nodes.
pub(super) fn row<'a>(server: &'a PostgresqlServer, node: &str) -> Option<&'a RepmgrNode> {
    server.registered.iter().find(|row| row.name == node)
}

/// A setting as `pg_settings` prints it.
pub(super) fn setting<'a>(server: &'a PostgresqlServer, name: &str) -> Option<&'a str> {
    server.settings.iter().find(|setting| setting.key == name).map(|setting| setting.value.as_str())
}

/// A setting that is a number.
pub(super) fn number(server: &PostgresqlServer, name: &str) -> Result<u32, String> {
    setting(server, name)
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| format!("the setting {name} could not be read"))
}

/// WAL senders or slots that are still free.
pub(super) fn free(server: &PostgresqlServer, setting: &str, used: usize) -> Result<u32, String> {
    Ok(number(server, setting)?.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX)))
}
