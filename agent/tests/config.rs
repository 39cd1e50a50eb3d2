//! `agent.toml`: what is refused, and in which words.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use bellows_agent::config::{Launch, Mode, fronts::Kind, parse};
use camino::Utf8Path;

const GOOD: &str = r#"
[agent]
host = "db1"
address = "10.0.0.1"

[systems.postgresql]
os_user = "pg"
port = 5433

[profiles.java]
JAVA_HOME = "/usr/lib/jvm/default"
"#;

const BAD: &str = r#"
[agent]
hots = "db1"
host = "DB1"
adress = "10.0.0.1"
data_dir = "state/../x"
runtime_dir = "/run/bellows agent"
launch = "docker"
mode = "watch"
listen = "7401"

[systems.postgresql]
bindir = "/usr/bin"
os_user = "post gres"
port = 0

[systems.redis]

[profiles.java]
LD_PRELOAD = "/x.so"
"#;

const BAD_SAYS: &str = r#"agent.toml: agent.adress: unknown key; did you mean agent.address?
agent.toml: agent.hots: unknown key; did you mean agent.host?
agent.toml: systems.redis: unknown key; did you mean systems.kwdb?
agent.toml: systems.postgresql.bindir: unknown key; did you mean systems.postgresql.bin_dir?
agent.toml: agent.host: host name "DB1" is not valid: 1 to 63 characters of a-z, 0-9 and '-', beginning with a letter, not ending with '-'
agent.toml: agent.address: missing; the IP address that nodes of this host are reached at
agent.toml: agent.listen: "7401" is not of the form ADDRESS:PORT
agent.toml: agent.data_dir: "state/../x" must be an absolute path of A-Z a-z 0-9 . _ - + without ".." and without a slash at its end
agent.toml: agent.runtime_dir: "/run/bellows agent" must be an absolute path of A-Z a-z 0-9 . _ - + without ".." and without a slash at its end
agent.toml: agent.launch: "docker" is not auto, systemd, process or user
agent.toml: agent.mode: "watch" is not manage or observe
agent.toml: systems.postgresql.os_user: "post gres" is no name of a user
agent.toml: systems.postgresql.port must be 1 to 65535
agent.toml: profiles.java.LD_PRELOAD: not allowed in a profile"#;

#[test]
fn a_good_configuration_is_typed() {
    let config = parse(Utf8Path::new("agent.toml"), GOOD).unwrap();
    assert_eq!(config.agent.host.as_str(), "db1");
    assert_eq!(config.agent.launch, Launch::Auto);
    assert_eq!(config.agent.mode, Mode::Manage);
    let postgresql = config.systems.postgresql.as_ref().unwrap();
    assert_eq!((postgresql.os_user.as_str(), postgresql.port), ("pg", 5433));
    assert_eq!(postgresql.backups, None);
    assert_eq!(config.profile("java").len(), 1);
    assert_eq!(config.profile("none").len(), 0);
}

#[test]
fn a_source_of_backups_is_a_program_first_of_all() {
    let section = |lines: &str| {
        let text = format!(
            "[agent]\nhost = \"db1\"\naddress = \"10.0.0.1\"\n[systems.postgresql]\n{lines}\n"
        );
        parse(Utf8Path::new("agent.toml"), &text)
    };
    let lines = "pgbackrest = \"/usr/bin/pgbackrest\"\npgbackrest_stanza = \"main-1\"";
    let backups = section(lines).unwrap().systems.postgresql.unwrap().backups.unwrap();
    assert_eq!(backups.program, "/usr/bin/pgbackrest");
    assert_eq!((backups.stanza.as_deref(), backups.config), (Some("main-1"), None));
    for (lines, says) in [
        ("pgbackrest_stanza = \"main\"", "pgbackrest_stanza: without"),
        ("pgbackrest_config = \"/etc/p.conf\"", "pgbackrest_config: without"),
        ("pgbackrest = \"pgbackrest\"", "pgbackrest: \"pgbackrest\" must be an absolute path"),
        ("pgbackrest = \"/p\"\npgbackrest_stanza = \"--x\"", "\"--x\" is no stanza"),
    ] {
        let error = section(lines).unwrap_err().to_string();
        assert!(error.contains(says), "{lines}: {error}");
    }
}

#[test]
fn nothing_of_a_database_lies_in_the_folder_of_the_coordinator() {
    let with = |line: &str| GOOD.replace("port = 5433", line);
    let default = parse(Utf8Path::new("agent.toml"), GOOD).unwrap().systems.postgresql.unwrap();
    assert_eq!(default.data_root, "/var/lib/bellows-postgresql");
    for key in ["data_root", "conf_root", "log_root", "socket_root"] {
        for path in ["/var/lib/bellows", "/var/lib/bellows/postgresql"] {
            let text = with(&format!("{key} = {path:?}"));
            let error = parse(Utf8Path::new("agent.toml"), &text).unwrap_err().to_string();
            assert!(error.contains(&format!("systems.postgresql.{key}")), "{error}");
        }
    }
}

#[test]
fn a_bookie_s_section_has_defaults_and_limits() {
    let text = |lines: &str| {
        format!("[agent]\nhost = \"h4\"\naddress = \"10.0.0.4\"\n[systems.bookkeeper]\n{lines}")
    };
    let read = |lines: &str| parse(Utf8Path::new("agent.toml"), &text(lines));
    let section = read("").unwrap().systems.bookkeeper.unwrap();
    assert_eq!((section.port, section.http_port), (3181, 8080));
    assert!(section.http_host.is_loopback() && section.adopted.is_none());
    let lines = "adopt_conf_file = \"/etc/bk.conf\"\nadopt_unit = \"bookkeeper.service\"\n";
    let adopted = read(lines).unwrap().systems.bookkeeper.unwrap().adopted.unwrap();
    assert_eq!(
        (adopted.conf_file.as_str(), adopted.unit.as_deref()),
        ("/etc/bk.conf", Some("bookkeeper.service"))
    );
    for (lines, key) in [
        ("http_host = \"here\"", "http_host"),
        ("http_port = 0", "http_port"),
        ("ledger_roots = []", "ledger_roots"),
        ("journal_roots = [\"/a\", \"b\"]", "journal_roots"),
        ("adopt_unit = \"bookkeeper.service\"", "adopt_unit"),
        ("adopt_conf_file = \"bk.conf\"", "adopt_conf_file"),
    ] {
        let error = read(lines).unwrap_err().to_string();
        assert!(error.contains(&format!("systems.bookkeeper.{key}")), "{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = parse(Utf8Path::new("agent.toml"), BAD).unwrap_err();
    assert_eq!(error.to_string(), BAD_SAYS);
}

#[test]
fn wrong_types_and_syntax_are_told_with_their_place() {
    for (text, part) in
        [("[agent]\nhost = 7\n", "line 2"), ("[agent\n", "line 1"), ("agent = 1\n", "line 1")]
    {
        let error = parse(Utf8Path::new("agent.toml"), text).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn the_program_says_so_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    let check = |text: &str| {
        std::fs::write(&path, text).unwrap();
        #[allow(clippy::disallowed_methods)] // A test starts the program as a user does.
        Command::new(env!("CARGO_BIN_EXE_bellows-agent"))
            .args(["check-config", "--config"])
            .arg(&path)
            .output()
            .unwrap()
    };
    let refused = check(BAD);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(refused.stdout, b"");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said.matches("did you mean").count(), 4, "{said}");
    let disk = GOOD.replace("[systems", "runtime_dir = \"/usr/bellows\"\n\n[systems");
    let refused = check(&disk);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let good = GOOD.replace("[systems", "runtime_dir = \"/dev/shm/bellows\"\n\n[systems");
    let checked = check(&good);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn a_token_comes_by_argument_by_input_or_by_file() {
    use std::{io::Write as _, os::unix::fs::PermissionsExt as _, process::Stdio};
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.toml");
    std::fs::write(&config, GOOD).unwrap();
    let file = folder.path().join("token");
    // Of another host: refused after it was read, before anything is made.
    let token = format!("bellows1.other.0123456789abcdef0123.{}", "ab".repeat(32));
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let enrol = |words: &[&str]| {
        #[allow(clippy::disallowed_methods)] // A test starts the program as a user does.
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellows-agent"))
            .args(["enrol", "--coordinator", "127.0.0.1:1", "--config"])
            .arg(&config)
            .args(words)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may not read it.
        let _ = child.stdin.take().unwrap().write_all(format!("{token}\n").as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file_name = file.to_str().unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    for words in [["--token", token.as_str()], ["--token", "-"], ["--token-file", file_name]] {
        let (status, said) = enrol(&words);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("the token is for host other"), "{said}");
        assert!(!said.contains("0123456789abcdef"), "{said}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, said) = enrol(&["--token-file", file_name]);
    assert!(said.contains("can be read by others"), "{said}");
    for words in [&[][..], &["--token", "-", "--token-file", file_name]] {
        assert_eq!(enrol(words).0, Some(2));
    }
}

#[test]
fn servers_that_may_be_adopted_are_named_whole_and_once() {
    let text = |entries: &str| {
        format!(
            "[agent]\nhost = \"h1\"\naddress = \"10.0.0.1\"\n[systems.postgresql]\nadopted = [{entries}]\n"
        )
    };
    let read = |entries: &str| parse(Utf8Path::new("agent.toml"), &text(entries));
    let good = r#"{ data_dir = "/srv/a", repmgr_conf = "/etc/a.conf" }"#;
    let config = read(good).unwrap().systems.postgresql.unwrap();
    assert_eq!(config.adopted.first().unwrap().repmgr_conf, "/etc/a.conf");
    assert_eq!(config.adopted.first().unwrap().server_unit, None);
    let units = good.replace(" }", r#", server_unit = "postgresql@15-main.service" }"#);
    let config = read(&units).unwrap().systems.postgresql.unwrap();
    let unit = config.adopted.first().unwrap().server_unit.as_deref();
    assert_eq!(unit, Some("postgresql@15-main.service"));
    for bad in ["postgresql@15-main", "postgresql@.service", "-x.service", "a b.service", "x.timer"]
    {
        let bad = good.replace(" }", &format!(r#", repmgrd_unit = "{bad}" }}"#));
        let error = read(&bad).unwrap_err().to_string();
        assert!(error.contains("repmgrd_unit") && error.contains("is no unit"), "{error}");
    }
    let bad = format!(r#"{good}, {good}, {{ data_dri = "/srv/b" }}, {{ data_dir = "srv" }}"#);
    let error = read(&bad).unwrap_err().to_string();
    for said in [
        "adopted 2, data_dir: /srv/a is listed twice",
        "adopted.data_dri: unknown key; did you mean systems.postgresql.adopted.data_dir?",
        "adopted 3, data_dir: missing",
        "adopted 4, data_dir: \"srv\" must be an absolute path",
        "adopted 4, repmgr_conf: missing",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn fronts_are_named_whole_and_once() {
    let text = |entries: &str| {
        format!("[agent]\nhost = \"h1\"\naddress = \"10.0.0.1\"\n[systems.postgresql]\n{entries}")
    };
    let read = |entries: &str| parse(Utf8Path::new("agent.toml"), &text(entries));
    let pool =
        "[[systems.postgresql.fronts]]\nname = \"pool\"\ncluster = \"orders\"\nkind = \"pgpool\"\n";
    let hook = "[[systems.postgresql.fronts]]\nname = \"web\"\ncluster = \"orders\"\nkind = \"hook\"\ncommand = [\"/etc/hook\", \"a b\"]\n";
    let fronts = read(&format!("{pool}{hook}")).unwrap().systems.postgresql.unwrap().fronts;
    let [pgpool, web] = fronts.as_slice() else { panic!("{fronts:?}") };
    let Kind::Pgpool(settings) = &pgpool.kind else { panic!("{pgpool:?}") };
    assert_eq!((pgpool.port, settings.pcp_port), (9999, 9898));
    assert_eq!(settings.config, "/etc/pgpool2/pgpool.conf");
    assert_eq!(settings.restart.last().map(String::as_str), Some("pgpool2.service"));
    assert!(matches!(&web.kind, Kind::Hook { command, .. } if command.len() == 2));
    let bad = format!(
        "{pool}{pool}restart = [\"systemctl\"]\n{pool}nam = \"x\"\n{}{}",
        hook.replace("command", "config = \"/x\"\nport = 0\n# "),
        "[[systems.postgresql.fronts]]\nkind = \"proxy\"\n"
    );
    let error = read(&bad).unwrap_err().to_string();
    for said in [
        "fronts.nam: unknown key; did you mean systems.postgresql.fronts.name?",
        "fronts 2, restart: \"systemctl\" must be an absolute path",
        "fronts 3: pool of cluster orders is listed twice",
        "fronts 4, config: only of pgpool",
        "fronts 4, port must be 1 to 65535",
        "fronts 4, command: a program is wanted",
        "fronts 5, kind: \"proxy\" is not pgpool or hook",
        "fronts 5, name: missing",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn an_agent_without_root_is_refused_what_needs_another_user() {
    let text = r#"
[agent]
host = "db1"
address = "10.0.0.1"
launch = "user"

[systems.postgresql]
os_user = "root"
adopted = [{ data_dir = "/d", repmgr_conf = "/r", server_unit = 'a\x2db.service' }]

[[systems.postgresql.fronts]]
name = "lb"
cluster = "orders"
kind = "hook"
port = 5000
command = ["/usr/local/bin/hook"]
"#;
    let said = parse(Utf8Path::new("agent.toml"), text).unwrap_err().to_string();
    for part in ["os_user: with launch", "fronts 1: lb cannot be turned", "has a backslash"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let without = "[agent]\nhost = \"db1\"\naddress = \"10.0.0.1\"\nlaunch = \"user\"\n";
    let said = parse(Utf8Path::new("agent.toml"), without).unwrap_err().to_string();
    assert!(said.contains("needs a section of [systems]"), "{said}");
}
