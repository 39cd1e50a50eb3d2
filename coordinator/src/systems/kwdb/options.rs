//! Options of the verbs: typed from `--option key=value`, with their defaults.

use bellows_proto::v1::{
    Intent, IntentOptions, KeyValue, KwdbFrontEnd, KwdbIntentOptions, KwdbRebalance,
    KwdbReconfigure, KwdbSecurity, KwdbSpecOptions, KwdbStartMode, Spec, SpecOptions,
    intent_options, spec_options,
};

use super::view::SYSTEM;
use crate::plan::{self, options::number};

/// With three replicas of everything, fewer members than this keep nothing whole.
pub(super) const LEAST_MEMBERS: u32 = 3;
const MOST_MEMBERS: u32 = 100;
const POLL_S: u32 = 30;
const MOST_POLL_S: u32 = 3600;

const ADOPT: &[&str] = &["ca_host", "front_end", "min_members", "poll_s"];
const EXPAND: &[&str] = &["balance", "rebalance"];
const SHRINK: &[&str] = &["data"];
const REPLACE: &[&str] = &["data", "node_id", "rebalance"];
const REJOIN: &[&str] = &["node_id"];

/// Types the options of a verb. All mistakes at once.
pub fn options(verb: &str, options: &[KeyValue]) -> Result<IntentOptions, Vec<String>> {
    let known = match verb {
        "adopt" | "reconfigure" => ADOPT,
        "expand" => EXPAND,
        "shrink" => SHRINK,
        "replace" => REPLACE,
        "rejoin" => REJOIN,
        _ => &[],
    };
    let mut typed = KwdbIntentOptions::default();
    let mut change = KwdbReconfigure::default();
    plan::options::typed((SYSTEM, verb), known, options, |key, value| {
        match ADOPT.contains(&key) {
            true => of_cluster(&mut change, key, value),
            false => of_verb(&mut typed, key, value),
        }
    })?;
    match verb {
        "adopt" => typed.adopt = Some(changed(defaulted(KwdbSpecOptions::default()), &change)),
        "reconfigure" if !options.is_empty() => typed.reconfigure = Some(change),
        _ => {}
    }
    Ok(IntentOptions { system: Some(intent_options::System::Kwdb(typed)) })
}

fn of_verb(typed: &mut KwdbIntentOptions, key: &str, value: &str) -> Result<(), String> {
    match (key, value) {
        ("data", "keep") => typed.wipe_data = false,
        ("data", "wipe") => typed.wipe_data = true,
        ("data", _) => return Err(format!("data={value}: known are keep and wipe")),
        ("balance", "wait") => typed.skip_balance = false,
        ("balance", "skip") => typed.skip_balance = true,
        ("balance", _) => return Err(format!("balance={value}: known are wait and skip")),
        ("rebalance", "keep") => typed.set_rebalance(KwdbRebalance::Keep),
        ("rebalance", "on") => typed.set_rebalance(KwdbRebalance::On),
        ("rebalance", "off") => typed.set_rebalance(KwdbRebalance::Off),
        ("rebalance", _) => {
            return Err(format!("rebalance={value}: known are keep, on and off"));
        }
        ("node_id", _) => typed.node_id = number(key, value, 1, u32::MAX)?,
        _ => return Err(format!("{key} is not known")),
    }
    Ok(())
}

fn of_cluster(change: &mut KwdbReconfigure, key: &str, value: &str) -> Result<(), String> {
    match (key, value) {
        ("front_end", "kwbase") => change.set_front_end(KwdbFrontEnd::Kwbase),
        ("front_end", "deploy.sh") => change.set_front_end(KwdbFrontEnd::DeploySh),
        ("front_end", _) => {
            return Err(format!("front_end={value}: known are kwbase and deploy.sh"));
        }
        ("min_members", _) => {
            change.min_members = Some(number(key, value, LEAST_MEMBERS, MOST_MEMBERS)?);
        }
        ("poll_s", _) => change.poll_s = Some(number(key, value, 1, MOST_POLL_S)?),
        // Empty: whoever has the key.
        ("ca_host", "") => change.ca_host = Some(String::new()),
        ("ca_host", host) => {
            host.parse::<bellows_proto::names::HostName>().map_err(|why| why.to_string())?;
            change.ca_host = Some(host.to_owned());
        }
        _ => return Err(format!("{key} is not known")),
    }
    Ok(())
}

/// What an intent says besides its verb; nothing said is the default.
pub(super) fn of_intent(intent: &Intent) -> KwdbIntentOptions {
    match intent.options.as_ref().and_then(|options| options.system.as_ref()) {
        Some(intent_options::System::Kwdb(options)) => options.clone(),
        _ => KwdbIntentOptions::default(),
    }
}

fn defaulted(mut options: KwdbSpecOptions) -> KwdbSpecOptions {
    options.min_members = options.min_members.max(LEAST_MEMBERS);
    if options.poll_s == 0 {
        options.poll_s = POLL_S;
    }
    if options.front_end() == KwdbFrontEnd::Unspecified {
        options.set_front_end(KwdbFrontEnd::Kwbase);
    }
    options
}

fn changed(mut options: KwdbSpecOptions, change: &KwdbReconfigure) -> KwdbSpecOptions {
    if change.front_end() != KwdbFrontEnd::Unspecified {
        options.set_front_end(change.front_end());
    }
    options.min_members = change.min_members.unwrap_or(options.min_members);
    options.poll_s = change.poll_s.unwrap_or(options.poll_s);
    if let Some(host) = &change.ca_host {
        options.ca_host.clone_from(host);
    }
    options
}

/// The options of a cluster that is adopted as it was found.
pub(super) fn for_adopt(
    intent: &Intent,
    mode: KwdbStartMode,
    security: KwdbSecurity,
) -> KwdbSpecOptions {
    let mut options = defaulted(of_intent(intent).adopt.unwrap_or_default());
    options.set_start_mode(mode);
    options.set_security(security);
    options
}

/// The options of a cluster.
pub(super) fn of_spec(spec: &Spec) -> KwdbSpecOptions {
    let stored = spec.options.as_ref().and_then(|options| {
        let spec_options::System::Kwdb(options) = options.system.as_ref()? else { return None };
        Some(options.clone())
    });
    defaulted(stored.unwrap_or_default())
}

/// The options of a cluster as they are to be.
pub(super) fn reconfigured(spec: &Spec, intent: &Intent) -> KwdbSpecOptions {
    let options = of_spec(spec);
    match of_intent(intent).reconfigure {
        Some(change) => changed(options, &change),
        None => options,
    }
}

/// As the spec keeps them.
pub(super) fn in_spec(options: KwdbSpecOptions) -> SpecOptions {
    SpecOptions { system: Some(spec_options::System::Kwdb(options)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(verb: &str, pairs: &[(&str, &str)]) -> Result<KwdbIntentOptions, Vec<String>> {
        let pairs: Vec<KeyValue> = pairs
            .iter()
            .map(|(key, value)| KeyValue { key: (*key).into(), value: (*value).into() })
            .collect();
        options(verb, &pairs).map(|options| match options.system {
            Some(intent_options::System::Kwdb(options)) => options,
            _ => panic!("no options"),
        })
    }

    #[test]
    fn options_are_typed() {
        let adopt = given("adopt", &[("min_members", "5"), ("front_end", "deploy.sh")]).unwrap();
        let adopt = adopt.adopt.unwrap();
        let front_end = KwdbFrontEnd::DeploySh;
        assert_eq!((adopt.min_members, adopt.poll_s, adopt.front_end()), (5, 30, front_end));
        let expand = given("expand", &[("rebalance", "off"), ("balance", "skip")]).unwrap();
        assert!(expand.skip_balance && expand.rebalance() == KwdbRebalance::Off);
        assert!(given("shrink", &[("data", "wipe")]).unwrap().wipe_data);
        assert_eq!(given("rejoin", &[("node_id", "7")]).unwrap().node_id, 7);
        let change = given("reconfigure", &[("ca_host", "")]).unwrap().reconfigure.unwrap();
        assert_eq!((change.ca_host.as_deref(), change.poll_s), (Some(""), None));
        assert!(given("reconfigure", &[]).unwrap().reconfigure.is_none());
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let wrong = [("min_members", "2"), ("colour", "red"), ("poll_s", "0"), ("ca_host", "H 1")];
        let mistakes = given("adopt", &wrong).unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes.iter().any(|one| one.contains("known: ca_host, front_end")));
        assert_eq!(given("shrink", &[("data", "maybe"), ("data", "x")]).unwrap_err().len(), 3);
        assert_eq!(given("restart", &[("data", "keep")]).unwrap_err().len(), 1);
    }
}
