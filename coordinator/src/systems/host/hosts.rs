//! What hosts said of themselves, by name, with what is not known as an error in words.

use bellows_proto::v1::{HostFacts, HostReading, SystemFacts, Vacancy, host_reading};

/// The readings of all hosts that were asked.
#[derive(Debug, Clone, Copy)]
pub struct Hosts<'a>(pub &'a [HostReading]);

impl<'a> Hosts<'a> {
    /// Those that answered, with what they said, in the order of names.
    pub fn known(self) -> impl Iterator<Item = (&'a HostReading, &'a HostFacts)> {
        self.0.iter().filter_map(|reading| Some((reading, facts(reading).ok()?)))
    }

    /// What was read of a host; `None`: it was not asked.
    pub fn reading(self, host: &str) -> Option<&'a HostReading> {
        self.0.iter().find(|reading| reading.host == host)
    }

    /// What a host says of itself.
    ///
    /// # Errors
    /// It was not asked, or did not answer.
    pub fn facts(self, host: &str) -> Result<&'a HostFacts, String> {
        facts(self.reading(host).ok_or_else(|| format!("{host} was not asked"))?)
    }

    /// What a host says of a system, by the name in `agent.toml`; `Ok(None)`: it has none.
    ///
    /// # Errors
    /// As [`Hosts::facts`].
    pub fn system(self, host: &str, system: &str) -> Result<Option<&'a SystemFacts>, String> {
        Ok(self.facts(host)?.systems.iter().find(|facts| facts.system == system))
    }

    /// Where a host would have a node live.
    ///
    /// # Errors
    /// It did not say.
    pub fn vacancy(self, host: &str, node: &str) -> Result<&'a Vacancy, String> {
        let silent = || format!("{host} did not say where {node} would live");
        let reading = self.reading(host).ok_or_else(silent)?;
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
}

fn facts(reading: &HostReading) -> Result<&HostFacts, String> {
    match &reading.outcome {
        Some(host_reading::Outcome::Facts(facts)) => Ok(facts),
        Some(host_reading::Outcome::Fault(fault)) => {
            Err(format!("{} did not answer: {}", reading.host, fault.message))
        }
        None => Err(format!("{} gave no answer", reading.host)),
    }
}
