use super::*;
use crate::bootstrap::survey::{Program, tests::good};
use bellows_proto::identity::{Identity, Role};

const SITE: &str = "0198c0de-0000-7000-8000-000000000001";

fn name() -> HostName {
    "db1".parse().unwrap()
}

fn ground(host: &HostName) -> Ground<'_> {
    Ground {
        host,
        address: None,
        site_id: SITE,
        known: None,
        agent: Some((8 << 20, "digest")),
        architectures: "x86_64",
        asked_ms: (1_795_302_111_900, 1_795_302_112_100),
        twin: None,
    }
}

fn codes(survey: &Survey, ground: &Ground<'_>) -> Vec<String> {
    judge(survey, ground).into_iter().map(|finding| finding.code).collect()
}

/// What is said of a good host after a change.
fn after(change: impl FnOnce(&mut Survey)) -> Vec<String> {
    let (mut survey, host) = (good(), name());
    survey.tmp_no_exec = false;
    change(&mut survey);
    codes(&survey, &ground(&host))
}

fn agent(site: &str, name: &str) -> Holder {
    Holder::Agent(Identity { site: site.into(), role: Role::Agent, name: name.into() })
}

fn known(state: &str, last_seen_at_ms: i64) -> HostSummary {
    HostSummary {
        host: "db1".into(),
        state: state.into(),
        last_seen_at_ms,
        ..HostSummary::default()
    }
}

#[test]
fn nothing_stands_against_a_good_host() {
    assert_eq!(after(|_| ()), Vec::<String>::new());
    let host = name();
    assert_eq!(course(&good(), &ground(&host)), Course::Place);
}

#[test]
fn each_rule_sees_what_it_is_for() {
    assert_eq!(after(|s| s.sudo = Sudo::Missing), ["HOST-01"]);
    assert_eq!(after(|s| s.sudo = Sudo::Refused("no".into())), ["HOST-01"]);
    assert_eq!(after(|s| s.kernel = "FreeBSD 14".into()), ["HOST-02"]);
    for libc in ["", "glibc 2.12", "glibc x", "musl 1.2"] {
        assert_eq!(after(|s| s.libc = libc.into()), ["HOST-03"], "{libc}");
    }
    assert_eq!(after(|s| s.libc = "glibc 2.17".into()), Vec::<String>::new());
    assert_eq!(after(|s| s.systemd_runs = false), ["HOST-04"]);
    assert_eq!(after(|s| s.systemd = 0), ["HOST-04"]);
    assert_eq!(after(|s| s.systemd = 238), ["HOST-22"]);
    assert_eq!(after(|s| s.systemd = 239), Vec::<String>::new());
    assert_eq!(after(|s| s.missing = vec!["sha256sum".into()]), ["HOST-05"]);
    assert_eq!(after(|s| s.usr_bin.free_bytes = 15 << 20), ["HOST-06"]);
    assert_eq!(after(|s| s.etc.read_only = true), ["HOST-06"]);
    assert_eq!(after(|s| s.var_lib.free_bytes = 0), ["HOST-06"]);
    assert_eq!(after(|s| s.usr_bin.no_exec = true), ["HOST-07"]);
    assert_eq!(after(|s| s.port_holder = "nginx pid 7".into()), ["HOST-10"]);
    assert_eq!(after(|s| s.firewall = Firewall::Closed("ufw".into())), ["HOST-11"]);
    assert_eq!(after(|s| s.firewall = Firewall::Open("ufw".into())), Vec::<String>::new());
    assert_eq!(after(|s| s.selinux = "Enforcing".into()), ["HOST-12"]);
    assert_eq!(after(|s| s.tmp_no_exec = true), ["HOST-13"]);
    assert_eq!(after(|s| s.enrolment = Reach::No(String::new())), ["HOST-14"]);
    assert_eq!(after(|s| s.enrolment = Reach::Unknown), Vec::<String>::new());
    assert_eq!(after(|s| s.page_size = 65536), ["HOST-20"]);
    assert_eq!(after(|s| s.unfinished = Some("db2".into())), ["HOST-21"]);
    assert_eq!(after(|s| s.unfinished = Some("db1".into())), Vec::<String>::new());
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let found = after(|s| {
        s.sudo = Sudo::Missing;
        s.systemd = 219;
        s.port_holder = "nginx".into();
        s.selinux = "Enforcing".into();
    });
    assert_eq!(found, ["HOST-01", "HOST-22", "HOST-10", "HOST-12"]);
}

#[test]
fn the_time_that_the_look_took_is_no_difference_of_clocks() {
    let at = |ms: i64| after(|s| s.clock_ms = 1_795_302_112_000 + ms);
    assert_eq!(at(-100), Vec::<String>::new());
    assert_eq!(at(1900), Vec::<String>::new());
    assert_eq!(at(-2200), ["HOST-09"]);
    assert_eq!(at(299_000), ["HOST-09"]);
    assert_eq!(at(301_000), ["HOST-08"]);
    assert_eq!(at(-3_600_000), ["HOST-08"]);
    assert_eq!(after(|s| s.clock_ms = i64::MIN), ["HOST-08"]);
}

#[test]
fn an_agent_of_somebody_else_is_left_alone() {
    assert_eq!(after(|s| s.holder = agent("other", "db1")), ["HOST-15"]);
    assert_eq!(after(|s| s.holder = agent(SITE, "db2")), ["HOST-15"]);
    assert_eq!(after(|s| s.holder = Holder::Unreadable("x".into())), ["HOST-15"]);
    let program = |digest: &str, package: Option<&str>| {
        Some(Program { digest: digest.into(), package: package.map(str::to_owned) })
    };
    assert_eq!(after(|s| s.program = program("other", None)), ["HOST-16"]);
    assert_eq!(after(|s| s.program = program("digest", None)), Vec::<String>::new());
    assert_eq!(after(|s| s.program = program("other", Some("p"))), Vec::<String>::new());
    assert_eq!(after(|s| s.config = Some("db2".into())), ["HOST-16"]);
    assert_eq!(after(|s| s.config = Some("db1".into())), Vec::<String>::new());
}

#[test]
fn the_address_is_one_of_the_hosts_own() {
    assert_eq!(after(|s| s.connected_to = None), ["HOST-17"]);
    assert_eq!(after(|s| s.connected_to = Some("192.0.2.1".parse().unwrap())), ["HOST-17"]);
    let (survey, host) = (good(), name());
    let given = Some("fd00::1".parse().unwrap());
    assert_eq!(codes(&survey, &Ground { address: given, ..ground(&host) }), ["HOST-13"]);
    assert_eq!(address_of(&survey, given), given);
}

#[test]
fn a_name_is_one_machines() {
    let (mut survey, host) = (good(), name());
    survey.tmp_no_exec = false;
    let seen = known("unreachable", 7);
    let taken = Ground { known: Some(&seen), ..ground(&host) };
    assert_eq!(codes(&survey, &taken), ["HOST-18"]);
    let twin = Ground { twin: Some("db2"), ..ground(&host) };
    assert_eq!(codes(&survey, &twin), ["HOST-19"]);
    // Enrolled by a run that was cut off before the host had its certificate: nobody is locked out.
    let never = known("never seen", 0);
    let cut = Ground { known: Some(&never), ..ground(&host) };
    assert_eq!(codes(&survey, &cut), Vec::<String>::new());
    assert_eq!(course(&survey, &cut), Course::Place);
}

#[test]
fn what_is_there_is_not_done_again() {
    let (mut survey, host) = (good(), name());
    survey.holder = agent(SITE, "db1");
    survey.agent_runs = true;
    survey.port_holder = "bellows-agent pid 7".into();
    let (connected, away) = (known("connected", 7), known("unreachable", 7));
    let here = Ground { known: Some(&connected), ..ground(&host) };
    assert_eq!(codes(&survey, &here), ["HOST-13"]);
    assert_eq!(course(&survey, &here), Course::ThereAlready);
    assert_eq!(course(&survey, &Ground { known: Some(&away), ..here }), Course::Start);
    let cut = Survey { unfinished: Some("db1".into()), ..survey.clone() };
    assert_eq!(course(&cut, &here), Course::Start);
    let stopped = Survey { agent_runs: false, ..survey.clone() };
    assert_eq!(course(&stopped, &here), Course::Start);
    // Removed from the site meanwhile: it enrols anew.
    assert_eq!(course(&survey, &ground(&host)), Course::Place);
}

#[test]
fn numbers_are_unique_and_explained() {
    let mut seen: Vec<&str> = ALL.iter().map(|rule| rule.code).collect();
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
    assert!(ALL.iter().all(|rule| !rule.why.is_empty() && !rule.remedy.is_empty()));
}
