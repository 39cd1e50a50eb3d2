//! An observation as planners and judges read it: by name, with what is not known as an error
//! in words. Reads only.

pub(super) use crate::systems::host::nodes::{state_of, state_text};
use crate::systems::host::{Hosts, nodes};
use bellows_proto::v1::{
    HostFacts, HostReading, KwdbCluster, KwdbClusterReading, KwdbFoundNode, KwdbFoundReading,
    KwdbMember, KwdbPlacement, KwdbReading, KwdbServer, KwdbSpecOptions, KwdbStatus, Observation,
    SystemFacts, Vacancy, kwdb_cluster_reading, kwdb_found_reading, kwdb_member, kwdb_reading,
    observation,
};

/// The name of this system in `agent.toml` and in [`SystemFacts`].
pub(super) const SYSTEM: &str = "kwdb";

/// An observation, by name.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) hosts: Hosts<'a>,
    pub(super) members: &'a [KwdbMember],
    clusters: &'a [KwdbClusterReading],
    found: &'a [KwdbFoundReading],
    /// Of the spec; `None`: there is no cluster yet.
    pub(super) options: Option<&'a KwdbSpecOptions>,
}

/// A member of the spec whose node answers, and what it says out of its memory.
#[derive(Clone, Copy)]
pub(super) struct Witness<'a> {
    pub(super) node: &'a str,
    pub(super) server: &'a KwdbServer,
}

impl<'a> View<'a> {
    pub(super) fn of(observation: &'a Observation) -> Self {
        let hosts = Hosts(&observation.hosts);
        match &observation.system {
            Some(observation::System::Kwdb(seen)) => Self {
                hosts,
                members: &seen.members,
                clusters: &seen.clusters,
                found: &seen.found,
                options: seen.options.as_ref(),
            },
            _ => Self { hosts, members: &[], clusters: &[], found: &[], options: None },
        }
    }

    /// The node that is on a host, whoever made it; `Ok(None)`: there is none.
    pub(super) fn found(self, host: &str) -> Result<Option<&'a KwdbFoundNode>, String> {
        let asked = self.found.iter().find(|found| found.host == host);
        match asked.and_then(|asked| asked.outcome.as_ref()) {
            Some(kwdb_found_reading::Outcome::Found(found)) => Ok(found.node.as_ref()),
            Some(kwdb_found_reading::Outcome::Fault(fault)) => {
                Err(format!("{host} could not look for its node: {}", fault.message))
            }
            None => Err(format!("{host} did not say which node it has")),
        }
    }

    /// Members of the spec.
    pub(super) fn in_spec(self) -> impl Iterator<Item = &'a KwdbMember> {
        self.members.iter().filter(|member| member.in_spec)
    }

    pub(super) fn member(self, node: &str) -> Option<&'a KwdbMember> {
        self.members.iter().find(|member| member.node == node)
    }

    pub(super) fn reading(self, node: &str) -> Result<&'a KwdbReading, String> {
        reading(self.member(node).ok_or_else(|| format!("{node} was not asked"))?)
    }

    pub(super) fn server(self, node: &str) -> Result<&'a KwdbServer, String> {
        server(node, self.reading(node)?)
    }

    /// Where a node lives: as the spec has it, else as its host says.
    pub(super) fn place(self, node: &str) -> Result<&'a KwdbPlacement, String> {
        let member = self.member(node).ok_or_else(|| format!("{node} was not asked"))?;
        if let Some(place) = &member.placement {
            return Ok(place);
        }
        let place = reading(member)?.placement.as_ref();
        place.ok_or_else(|| format!("{} does not say where {node} lives", member.host))
    }

    /// ADDRESS:PORT of a node.
    pub(super) fn endpoint(self, node: &str) -> Result<String, String> {
        self.place(node).map(endpoint)
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

    /// Members of the spec that answer, but these. One that its host says is down is none; one whose
    /// host is silent is an error.
    pub(super) fn witnesses(self, without: &[String]) -> Result<Vec<Witness<'a>>, String> {
        let mut found = Vec::new();
        let mut down = Vec::new();
        for member in self.in_spec().filter(|member| !without.contains(&member.node)) {
            let reading = reading(member)?;
            match server(&member.node, reading) {
                Ok(server) => found.push(Witness { node: &member.node, server }),
                Err(why) if runs(reading) => return Err(why),
                Err(why) => down.push(why),
            }
        }
        if found.is_empty() {
            down.insert(0, "no member answers".to_owned());
            return Err(down.join("; "));
        }
        Ok(found)
    }

    /// Whoever of the members of the spec answers, but these: may be nobody.
    pub(super) fn answering(self, without: &[String]) -> Vec<Witness<'a>> {
        self.in_spec()
            .filter(|member| !without.contains(&member.node))
            .filter_map(|member| {
                let server = server(&member.node, reading(member).ok()?).ok()?;
                Some(Witness { node: &member.node, server })
            })
            .collect()
    }

    /// What the key-value store says, by the first member that could be asked.
    pub(super) fn cluster(self) -> Result<&'a KwdbCluster, String> {
        let mut why = Vec::new();
        for asked in self.clusters {
            match cluster(asked) {
                Ok(read) => return Ok(read),
                Err(fault) => why.push(fault),
            }
        }
        if why.is_empty() {
            why.push("no member could be asked for the state of the cluster".to_owned());
        }
        Err(why.join("; "))
    }

    /// The same by all who were asked: two where there are two. Each of them must have answered.
    pub(super) fn clusters(self) -> Result<Vec<(&'a str, &'a KwdbCluster)>, String> {
        if self.clusters.is_empty() {
            return Err("no member could be asked for the state of the cluster".to_owned());
        }
        self.clusters.iter().map(|asked| Ok((asked.node.as_str(), cluster(asked)?))).collect()
    }
}

fn cluster(asked: &KwdbClusterReading) -> Result<&KwdbCluster, String> {
    match &asked.outcome {
        Some(kwdb_cluster_reading::Outcome::Cluster(cluster)) => Ok(cluster),
        Some(kwdb_cluster_reading::Outcome::Fault(fault)) => Err(format!(
            "{} could not tell the state of the cluster: {}",
            asked.node, fault.message
        )),
        None => Err(format!("{} did not tell the state of the cluster", asked.node)),
    }
}

/// ADDRESS:PORT, as `node status` prints it.
pub(super) fn endpoint(place: &KwdbPlacement) -> String {
    match place.address.contains(':') {
        true => format!("[{}]:{}", place.address, place.port),
        false => format!("{}:{}", place.address, place.port),
    }
}

/// What a member's host says of it.
pub(super) fn reading(member: &KwdbMember) -> Result<&KwdbReading, String> {
    let (node, host) = (&member.node, &member.host);
    match &member.outcome {
        Some(kwdb_member::Outcome::Reading(reading)) => Ok(reading),
        Some(kwdb_member::Outcome::Fault(fault)) => {
            Err(format!("{host} did not answer for {node}: {}", fault.message))
        }
        None => Err(format!("{host} gave no answer for {node}")),
    }
}

/// What a node itself says.
pub(super) fn server<'a>(node: &str, reading: &'a KwdbReading) -> Result<&'a KwdbServer, String> {
    match &reading.server {
        Some(kwdb_reading::Server::Up(server)) => Ok(server),
        Some(kwdb_reading::Server::Down(fault)) => {
            Err(format!("{node} does not answer: {}", fault.message))
        }
        None => Err(format!("{node} was not asked")),
    }
}

/// Its service runs, or nobody can say that it does not.
pub(super) fn runs(reading: &KwdbReading) -> bool {
    nodes::runs(reading.service.as_ref()) != Some(false)
}

/// The row of an id among the present members, as one node sees them.
pub(super) fn active(server: &KwdbServer, id: u32) -> Option<&KwdbStatus> {
    server.active.iter().find(|row| row.id == id)
}

/// The row of an id among all that ever were, with its flags.
pub(super) fn known(server: &KwdbServer, id: u32) -> Option<&KwdbStatus> {
    server.known.iter().find(|row| row.id == id)
}
