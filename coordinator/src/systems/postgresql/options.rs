//! Options of the verbs: typed from `--option key=value`, with their defaults.

use bellows_proto::{
    names::natural,
    v1::{
        Intent, IntentOptions, KeyValue, PostgresqlIntentOptions, PostgresqlNetworks,
        PostgresqlReconfigure, PostgresqlSpecOptions, Spec, SpecOptions, intent_options,
        spec_options,
    },
};

use super::view::SYSTEM;
use crate::plan::{self, options::number};

/// A cluster that may lose a member has at least two.
pub(super) const LEAST_MEMBERS: usize = 2;
const LEAST_MEMBERS_OPTION: u32 = 2;
const MOST_MEMBERS: u32 = 100;
const MAX_CONNECTIONS: u32 = 100;
/// What pg_basebackup's --max-rate takes, KiB/s.
const LEAST_RATE_KIB: u32 = 32;
const MOST_RATE_KIB: u32 = 1 << 20;

const CREATE: &[&str] = &[
    "client_networks",
    "clone_rate_kib",
    "max_connections",
    "min_members",
    "port",
    "shared_buffers_mib",
];
const ADOPT: &[&str] = &["client_networks", "clone_rate_kib", "min_members"];
const EXPAND: &[&str] = &["clone_rate_kib", "port"];
const SHRINK: &[&str] = &["data"];
const REPLACE: &[&str] = &["clone_rate_kib", "data", "port"];
const RECONFIGURE: &[&str] = &["client_networks", "clone_rate_kib", "min_members"];

/// Types the options of a verb. All mistakes at once.
pub fn options(verb: &str, options: &[KeyValue]) -> Result<IntentOptions, Vec<String>> {
    let known = match verb {
        "create" => CREATE,
        "adopt" => ADOPT,
        "expand" => EXPAND,
        "shrink" => SHRINK,
        "replace" => REPLACE,
        "reconfigure" => RECONFIGURE,
        _ => &[],
    };
    let mut typed = PostgresqlIntentOptions::default();
    let mut spec = defaulted(PostgresqlSpecOptions::default());
    plan::options::typed((SYSTEM, verb), known, options, |key, value| match verb {
        "reconfigure" => change(typed.reconfigure.get_or_insert_default(), key, value),
        _ => set(&mut typed, &mut spec, key, value),
    })?;
    if verb == "adopt" && options.iter().all(|option| option.key != "min_members") {
        // As many as there are.
        spec.min_members = 0;
    }
    if matches!(verb, "create" | "adopt") {
        typed.create = Some(spec);
    }
    Ok(IntentOptions { system: Some(intent_options::System::Postgresql(typed)) })
}

fn set(
    typed: &mut PostgresqlIntentOptions,
    spec: &mut PostgresqlSpecOptions,
    key: &str,
    value: &str,
) -> Result<(), String> {
    match key {
        "client_networks" => spec.client_networks = networks(value)?,
        // Kept with the cluster at its making, else for one expand.
        "clone_rate_kib" => {
            typed.clone_rate_kib = number(key, value, LEAST_RATE_KIB, MOST_RATE_KIB)?;
            spec.clone_rate_kib = typed.clone_rate_kib;
        }
        "max_connections" => spec.max_connections = number(key, value, 10, 10_000)?,
        "min_members" => spec.min_members = number(key, value, LEAST_MEMBERS_OPTION, MOST_MEMBERS)?,
        "port" => typed.port = number(key, value, 1024, 65_535)?,
        "shared_buffers_mib" => spec.shared_buffers_mib = number(key, value, 1, 1 << 20)?,
        "data" => {
            typed.wipe_data = match value {
                "keep" => false,
                "wipe" => true,
                _ => return Err(format!("data={value}: known are keep and wipe")),
            }
        }
        _ => return Err(format!("{key} is not known")),
    }
    Ok(())
}

/// One option of a cluster that is there.
fn change(change: &mut PostgresqlReconfigure, key: &str, value: &str) -> Result<(), String> {
    match key {
        "client_networks" => {
            let networks = if value.is_empty() { Vec::new() } else { networks(value)? };
            change.client_networks = Some(PostgresqlNetworks { networks });
        }
        "clone_rate_kib" => {
            change.clone_rate_kib = Some(match value {
                "0" => 0,
                rate => number(key, rate, LEAST_RATE_KIB, MOST_RATE_KIB)?,
            })
        }
        "min_members" => {
            change.min_members = Some(number(key, value, LEAST_MEMBERS_OPTION, MOST_MEMBERS)?);
        }
        _ => return Err(format!("{key} is not known")),
    }
    Ok(())
}

fn networks(value: &str) -> Result<Vec<String>, String> {
    let mut networks = Vec::new();
    for text in value.split(',').map(str::trim) {
        let (address, bits) = text.split_once('/').ok_or_else(|| not_a_network(text))?;
        let address: std::net::IpAddr = address.parse().map_err(|_| not_a_network(text))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.parse().map_err(|_| not_a_network(text))?;
        if bits > most {
            return Err(not_a_network(text));
        }
        networks.push(format!("{address}/{bits}"));
    }
    networks.sort_by(|a, b| natural(a, b));
    networks.dedup();
    Ok(networks)
}

fn not_a_network(text: &str) -> String {
    format!("client_networks: {text:?} is no network like 10.1.0.0/16")
}

fn of_intent(intent: &Intent) -> Option<&PostgresqlIntentOptions> {
    let intent_options::System::Postgresql(options) = intent.options.as_ref()?.system.as_ref()?
    else {
        return None;
    };
    Some(options)
}

fn defaulted(mut options: PostgresqlSpecOptions) -> PostgresqlSpecOptions {
    options.min_members = options.min_members.max(LEAST_MEMBERS_OPTION);
    if options.max_connections == 0 {
        options.max_connections = MAX_CONNECTIONS;
    }
    options
}

/// The options of the cluster that is to be made.
pub(super) fn for_create(intent: &Intent) -> PostgresqlSpecOptions {
    defaulted(of_intent(intent).and_then(|options| options.create.clone()).unwrap_or_default())
}

/// The options of a cluster that is adopted with so many members.
pub(super) fn for_adopt(intent: &Intent, members: usize) -> PostgresqlSpecOptions {
    let mut options =
        of_intent(intent).and_then(|options| options.create.clone()).unwrap_or_default();
    if options.min_members == 0 {
        options.min_members = u32::try_from(members).unwrap_or(u32::MAX);
    }
    defaulted(options)
}

/// The options of a cluster.
pub(super) fn of_spec(spec: &Spec) -> PostgresqlSpecOptions {
    let stored = spec.options.as_ref().and_then(|options| {
        let spec_options::System::Postgresql(options) = options.system.as_ref()? else {
            return None;
        };
        Some(options.clone())
    });
    defaulted(stored.unwrap_or_default())
}

/// The options of a cluster as they are to be.
pub(super) fn reconfigured(spec: &Spec, intent: &Intent) -> PostgresqlSpecOptions {
    let mut options = of_spec(spec);
    let Some(change) = of_intent(intent).and_then(|options| options.reconfigure.as_ref()) else {
        return options;
    };
    options.min_members = change.min_members.unwrap_or(options.min_members);
    options.clone_rate_kib = change.clone_rate_kib.unwrap_or(options.clone_rate_kib);
    if let Some(wanted) = &change.client_networks {
        options.client_networks.clone_from(&wanted.networks);
    }
    options
}

/// As the spec keeps them.
pub(super) fn in_spec(options: PostgresqlSpecOptions) -> SpecOptions {
    SpecOptions { system: Some(spec_options::System::Postgresql(options)) }
}

/// The wanted port of new nodes; 0: each host's default.
pub(super) fn port(intent: &Intent) -> u32 {
    of_intent(intent).map_or(0, |options| options.port)
}

/// Whether the data go too.
pub(super) fn wipe_data(intent: &Intent) -> bool {
    of_intent(intent).is_some_and(|options| options.wipe_data)
}

/// KiB/s for base backups; 0: no limit. The intent's word counts before the cluster's.
pub(super) fn clone_rate(intent: &Intent, cluster: Option<&PostgresqlSpecOptions>) -> u32 {
    match of_intent(intent).map_or(0, |options| options.clone_rate_kib) {
        0 => cluster.map_or(0, |options| options.clone_rate_kib),
        own => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(verb: &str, pairs: &[(&str, &str)]) -> Result<PostgresqlIntentOptions, Vec<String>> {
        let pairs: Vec<KeyValue> = pairs
            .iter()
            .map(|(key, value)| KeyValue { key: (*key).into(), value: (*value).into() })
            .collect();
        options(verb, &pairs).map(|options| match options.system {
            Some(intent_options::System::Postgresql(options)) => options,
            _ => panic!("no options"),
        })
    }

    #[test]
    fn options_are_typed() {
        let create = given(
            "create",
            &[("min_members", "3"), ("client_networks", "10.0.0.0/8, 192.168.1.0/24")],
        );
        let create = create.unwrap().create.unwrap();
        assert_eq!((create.min_members, create.max_connections), (3, 100));
        assert_eq!(create.client_networks, ["10.0.0.0/8", "192.168.1.0/24"]);
        assert_eq!(given("expand", &[("port", "5433")]).unwrap().port, 5433);
        assert!(given("shrink", &[("data", "wipe")]).unwrap().wipe_data);
        assert!(!given("shrink", &[]).unwrap().wipe_data);
        assert!(given("expand", &[]).unwrap().create.is_none());
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let mistakes = given(
            "create",
            &[
                ("min_members", "1"),
                ("colour", "red"),
                ("client_networks", "ten"),
                ("port", "5432"),
                ("port", "5433"),
            ],
        );
        let mistakes = mistakes.unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(
            mistakes
                .iter()
                .any(|mistake| mistake.contains("known: client_networks, clone_rate_kib"))
        );
        assert_eq!(given("shrink", &[("data", "maybe")]).unwrap_err().len(), 1);
        assert_eq!(given("dance", &[("data", "keep")]).unwrap_err().len(), 1);
    }
}
