//! An observation as planners and judges read it: by name, with what is not known as an error
//! in words. Reads only.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    BookkeeperCluster, BookkeeperClusterReading, BookkeeperFoundBookie, BookkeeperFoundReading,
    BookkeeperHeld, BookkeeperLedgers, BookkeeperLedgersReading, BookkeeperMember,
    BookkeeperPlacement, BookkeeperPlacesReading, BookkeeperReading, BookkeeperServer,
    BookkeeperShell, BookkeeperShellReading, BookkeeperSpecOptions, BookkeeperToldPlace, HostFacts,
    HostReading, Observation, ServiceReading, ServiceState, SystemFacts, Vacancy,
    bookkeeper_cluster_reading, bookkeeper_found_reading, bookkeeper_ledgers_reading,
    bookkeeper_member, bookkeeper_places_reading, bookkeeper_reading, bookkeeper_shell_reading,
    host_reading, observation, placement,
};

/// The name of this system in `agent.toml` and in [`SystemFacts`].
pub(super) const SYSTEM: &str = "bookkeeper";

/// So many witnesses are wanted where there are so many.
const WITNESSES: usize = 2;

/// An observation, by name.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) hosts: &'a [HostReading],
    pub(super) members: &'a [BookkeeperMember],
    clusters: &'a [BookkeeperClusterReading],
    ledgers: &'a [BookkeeperLedgersReading],
    shells: &'a [BookkeeperShellReading],
    found: &'a [BookkeeperFoundReading],
    places: &'a [BookkeeperPlacesReading],
    /// Of the spec; `None`: there is no cluster yet.
    pub(super) options: Option<&'a BookkeeperSpecOptions>,
}

/// Who was asked, and the cluster as it sees it.
#[derive(Clone, Copy)]
pub(super) struct Witness<'a> {
    pub(super) node: &'a str,
    pub(super) cluster: &'a BookkeeperCluster,
}

impl Witness<'_> {
    pub(super) fn is_writable(&self, id: &str) -> bool {
        self.cluster.writable.iter().any(|one| one == id)
    }

    pub(super) fn is_read_only(&self, id: &str) -> bool {
        self.cluster.read_only.iter().any(|one| one == id)
    }

    pub(super) fn is_registered(&self, id: &str) -> bool {
        self.is_writable(id) || self.is_read_only(id)
    }
}

impl<'a> View<'a> {
    pub(super) fn of(observation: &'a Observation) -> Self {
        let hosts = observation.hosts.as_slice();
        match &observation.system {
            Some(observation::System::Bookkeeper(seen)) => Self {
                hosts,
                members: &seen.members,
                clusters: &seen.clusters,
                ledgers: &seen.ledgers,
                shells: &seen.shells,
                found: &seen.found,
                places: &seen.places,
                options: seen.options.as_ref(),
            },
            _ => Self {
                hosts,
                members: &[],
                clusters: &[],
                ledgers: &[],
                shells: &[],
                found: &[],
                places: &[],
                options: None,
            },
        }
    }

    /// The bookie that is on a host, whoever made it; `Ok(None)`: there is none.
    pub(super) fn found(self, host: &str) -> Result<Option<&'a BookkeeperFoundBookie>, String> {
        let asked = self.found.iter().find(|found| found.host == host);
        match asked.and_then(|asked| asked.outcome.as_ref()) {
            Some(bookkeeper_found_reading::Outcome::Found(found)) => Ok(found.bookie.as_ref()),
            Some(bookkeeper_found_reading::Outcome::Fault(fault)) => {
                Err(format!("{host} could not look for its bookie: {}", fault.message))
            }
            None => Err(format!("{host} did not say which bookie it has")),
        }
    }

    /// Members of the spec.
    pub(super) fn in_spec(self) -> impl Iterator<Item = &'a BookkeeperMember> {
        self.members.iter().filter(|member| member.in_spec)
    }

    pub(super) fn member(self, node: &str) -> Option<&'a BookkeeperMember> {
        self.members.iter().find(|member| member.node == node)
    }

    pub(super) fn reading(self, node: &str) -> Result<&'a BookkeeperReading, String> {
        reading(self.member(node).ok_or_else(|| format!("{node} was not asked"))?)
    }

    pub(super) fn server(self, node: &str) -> Result<&'a BookkeeperServer, String> {
        server(node, self.reading(node)?)
    }

    /// Where a node lives: as the spec has it, as its host says, or as its host would have it.
    pub(super) fn place(self, node: &str) -> Result<&'a BookkeeperPlacement, String> {
        let member = self.member(node).ok_or_else(|| format!("{node} was not asked"))?;
        if let Some(place) = &member.placement {
            return Ok(place);
        }
        let own = reading(member).ok().and_then(|reading| reading.placement.as_ref());
        let proposed = || proposed(self.vacancy(&member.host, node).ok()?);
        own.or_else(proposed)
            .ok_or_else(|| format!("{} does not say where {node} lives", member.host))
    }

    /// The id of a node's bookie: ADDRESS:PORT.
    pub(super) fn id(self, node: &str) -> Result<String, String> {
        self.place(node).map(id)
    }

    /// The node of the spec whose bookie has this id.
    pub(super) fn node_of(self, bookie: &str) -> Option<&'a BookkeeperMember> {
        self.in_spec().find(|member| self.id(&member.node).is_ok_and(|id| id == bookie))
    }

    pub(super) fn host_reading(self, host: &str) -> Option<&'a HostReading> {
        self.hosts.iter().find(|reading| reading.host == host)
    }

    pub(super) fn host(self, host: &str) -> Result<&'a HostFacts, String> {
        let reading = self.host_reading(host).ok_or_else(|| format!("{host} was not asked"))?;
        match &reading.outcome {
            Some(host_reading::Outcome::Facts(facts)) => Ok(facts),
            Some(host_reading::Outcome::Fault(fault)) => {
                Err(format!("{host} did not answer: {}", fault.message))
            }
            None => Err(format!("{host} gave no answer")),
        }
    }

    pub(super) fn system_facts(self, host: &str) -> Result<Option<&'a SystemFacts>, String> {
        Ok(self.host(host)?.systems.iter().find(|facts| facts.system == SYSTEM))
    }

    pub(super) fn vacancy(self, host: &str, node: &str) -> Result<&'a Vacancy, String> {
        let silent = || format!("{host} did not say where {node} would live");
        let reading = self.host_reading(host).ok_or_else(silent)?;
        let named =
            |vacancy: &&Vacancy| vacancy.node.as_ref().is_some_and(|named| named.node == node);
        if let Some(vacancy) = reading.vacancies.iter().find(named) {
            return Ok(vacancy);
        }
        let fault = reading.vacancy_faults.iter().find(|fault| fault.node == node);
        Err(match fault.and_then(|fault| fault.fault.as_ref()) {
            Some(fault) => format!("{}: {}", silent(), fault.message),
            None => silent(),
        })
    }

    /// The cluster as all see it who were asked and answered: two where two were asked.
    pub(super) fn witnesses(self) -> Result<Vec<Witness<'a>>, String> {
        let mut found = Vec::new();
        let mut silent = Vec::new();
        for asked in self.clusters {
            match cluster(asked) {
                Ok(cluster) => found.push(Witness { node: &asked.node, cluster }),
                Err(why) => silent.push(why),
            }
        }
        if found.is_empty() || found.len() < WITNESSES.min(self.clusters.len()) {
            silent.insert(0, "too few members tell how they see the cluster".to_owned());
            return Err(silent.join("; "));
        }
        Ok(found)
    }

    /// What the metadata of all ledgers say, by the first who could tell.
    pub(super) fn ledgers(self) -> Result<&'a BookkeeperLedgers, String> {
        use bookkeeper_ledgers_reading::Outcome;
        let mut why = Vec::new();
        for asked in self.ledgers {
            match &asked.outcome {
                Some(Outcome::Ledgers(ledgers)) => return Ok(ledgers),
                Some(Outcome::Fault(fault)) => why.push(format!(
                    "{} could not read the ledgers' metadata: {}",
                    asked.node, fault.message
                )),
                None => why.push(format!("{} did not tell of the ledgers' metadata", asked.node)),
            }
        }
        if why.is_empty() {
            why.push("the ledgers' metadata were not read".to_owned());
        }
        Err(why.join("; "))
    }

    /// What a bookie holds by the metadata.
    pub(super) fn held(self, bookie: &str) -> Result<&'a BookkeeperHeld, String> {
        let held = self.ledgers()?.held.iter().find(|held| held.bookie == bookie);
        held.ok_or_else(|| format!("what {bookie} holds was not read"))
    }

    /// What the shell says of a bookie, by all who were asked: one at least, and all must have answered.
    pub(super) fn shells(self, bookie: &str) -> Result<Vec<&'a BookkeeperShell>, String> {
        use bookkeeper_shell_reading::Outcome;
        let mut found = Vec::new();
        for asked in self.shells.iter().filter(|asked| asked.bookie == bookie) {
            match &asked.outcome {
                Some(Outcome::Shell(shell)) => found.push(shell),
                Some(Outcome::Fault(fault)) => {
                    return Err(format!(
                        "the shell at {} tells nothing of {bookie}: {}",
                        asked.node, fault.message
                    ));
                }
                None => return Err(format!("the shell at {} was not asked", asked.node)),
            }
        }
        if found.is_empty() {
            return Err(format!("the shell was not asked about {bookie}"));
        }
        Ok(found)
    }

    /// A bookie's cookie in the metadata; `Ok(None)`: there is none.
    pub(super) fn cookie(self, bookie: &str) -> Result<Option<&'a str>, String> {
        let shells = self.shells(bookie)?;
        Ok(shells.into_iter().find_map(|shell| shell.cookie.as_deref()))
    }

    /// What clients are told of where a bookie stands; `Ok(None)`: nothing.
    pub(super) fn told(self, bookie: &str) -> Result<Option<&'a BookkeeperToldPlace>, String> {
        use bookkeeper_places_reading::Outcome;
        let Some(asked) = self.places.first() else {
            return Err("what clients are told of racks was not read".to_owned());
        };
        match &asked.outcome {
            Some(Outcome::Places(places)) => {
                Ok(places.places.iter().find(|place| place.bookie == bookie))
            }
            Some(Outcome::Fault(fault)) => Err(format!(
                "{} could not read what clients are told of racks: {}",
                asked.node, fault.message
            )),
            None => Err(format!("{} did not tell what clients are told of racks", asked.node)),
        }
    }

    /// All ids that somebody sees registered.
    pub(super) fn registered(self) -> Result<BTreeSet<&'a str>, String> {
        let witnesses = self.witnesses()?.into_iter();
        let all =
            witnesses.flat_map(|one| one.cluster.writable.iter().chain(&one.cluster.read_only));
        Ok(all.map(String::as_str).collect())
    }
}

fn cluster(asked: &BookkeeperClusterReading) -> Result<&BookkeeperCluster, String> {
    match &asked.outcome {
        Some(bookkeeper_cluster_reading::Outcome::Cluster(cluster)) => Ok(cluster),
        Some(bookkeeper_cluster_reading::Outcome::Fault(fault)) => {
            Err(format!("{} could not tell how it sees the cluster: {}", asked.node, fault.message))
        }
        None => Err(format!("{} did not tell how it sees the cluster", asked.node)),
    }
}

/// The place that a host proposes.
pub(super) fn proposed(vacancy: &Vacancy) -> Option<&BookkeeperPlacement> {
    let placement::System::Bookkeeper(place) = vacancy.placement.as_ref()?.system.as_ref()? else {
        return None;
    };
    Some(place)
}

/// ADDRESS:PORT, the id of the bookie that lives there.
pub(super) fn id(place: &BookkeeperPlacement) -> String {
    endpoint(&place.address, place.port)
}

/// ADDRESS:PORT.
pub(super) fn endpoint(address: &str, port: u32) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}

/// A key's value in what is known of a bookie's configuration.
pub(super) fn setting<'a>(reading: &'a BookkeeperReading, key: &str) -> Option<&'a str> {
    reading.settings.iter().find(|one| one.key == key).map(|one| one.value.as_str())
}

/// What a member's host says of it.
pub(super) fn reading(member: &BookkeeperMember) -> Result<&BookkeeperReading, String> {
    let (node, host) = (&member.node, &member.host);
    match &member.outcome {
        Some(bookkeeper_member::Outcome::Reading(reading)) => Ok(reading),
        Some(bookkeeper_member::Outcome::Fault(fault)) => {
            Err(format!("{host} did not answer for {node}: {}", fault.message))
        }
        None => Err(format!("{host} gave no answer for {node}")),
    }
}

/// What a bookie itself says.
pub(super) fn server<'a>(
    node: &str,
    reading: &'a BookkeeperReading,
) -> Result<&'a BookkeeperServer, String> {
    match &reading.server {
        Some(bookkeeper_reading::Server::Up(server)) => Ok(server),
        Some(bookkeeper_reading::Server::Down(fault)) => {
            Err(format!("{node} does not answer: {}", fault.message))
        }
        None => Err(format!("{node} was not asked")),
    }
}

/// The state of a service; unspecified where it was not read.
pub(super) fn state_of(service: Option<&ServiceReading>) -> ServiceState {
    service.map_or(ServiceState::Unspecified, ServiceReading::state)
}

/// A service's state in words.
pub(super) fn state_text(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Unspecified => "not known",
        ServiceState::Absent => "absent",
        ServiceState::Stopped => "stopped",
        ServiceState::Running => "running",
        ServiceState::Failed => "failed",
        ServiceState::Masked => "masked",
    }
}
