use super::*;

/// As the script prints it on a Debian host where nothing is wrong.
pub(crate) const GOOD: &str = "\
Welcome to db1: this comes from a login's own files
bellows-survey 1
user admin
sudo yes
kernel Linux 6.1.0-18-amd64
machine x86_64
os Debian GNU/Linux 12 (bookworm)
libc glibc 2.36
page_size 4096
machine_id 3d1219c7c4c5404aaa1f6d2a48adfda4
clock_ms 1795302111959
init systemd
systemd 252
missing
connected_to 10.0.0.1
addresses 10.0.0.1 fd00::1
disk /usr/bin 43722688 rw,relatime
disk /etc 43722680 rw,relatime
disk /var/lib 43722664 rw,relatime
tmp rw,nosuid,noexec
port_holder
firewall none
selinux
enrolment yes
program
config
certificate
agent inactive
unfinished
end
";

pub(crate) fn good() -> Survey {
    parse(GOOD.as_bytes()).unwrap()
}

#[test]
fn a_host_where_nothing_is_wrong() {
    let seen = good();
    assert_eq!((seen.user.as_str(), &seen.sudo), ("admin", &Sudo::Works));
    assert_eq!((seen.systemd_runs, seen.systemd, seen.page_size), (true, 252, 4096));
    assert_eq!(seen.connected_to, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(seen.addresses.len(), 2);
    assert_eq!(seen.usr_bin.free_bytes, 43_722_688 * 1024);
    assert!(seen.tmp_no_exec && !seen.usr_bin.no_exec && !seen.etc.read_only);
    assert_eq!((seen.program, seen.config, seen.holder), (None, None, Holder::Nobody));
    assert_eq!((seen.enrolment, seen.firewall), (Reach::Yes, Firewall::None));
    assert!(!seen.agent_runs && seen.unfinished.is_none());
}

/// The good one with one line in place of another.
fn with(key: &str, line: &str) -> Result<Survey, SurveyError> {
    let swap = |one: &str| {
        let is = one == key || one.starts_with(&format!("{key} "));
        if is { line.to_owned() } else { one.to_owned() }
    };
    let text: Vec<String> = GOOD.lines().map(swap).collect();
    parse(text.join("\n").as_bytes())
}

#[test]
fn what_can_be_otherwise() {
    let sudo = with("sudo", "sudo no sudo: a password is required").unwrap().sudo;
    assert_eq!(sudo, Sudo::Refused("sudo: a password is required".into()));
    assert_eq!(with("sudo", "sudo root").unwrap().sudo, Sudo::Root);
    assert_eq!(with("sudo", "sudo missing").unwrap().sudo, Sudo::Missing);
    let wall = with("firewall", "firewall closed firewalld").unwrap().firewall;
    assert_eq!(wall, Firewall::Closed("firewalld".into()));
    let reach = with("enrolment", "enrolment no Connection refused").unwrap().enrolment;
    assert_eq!(reach, Reach::No("Connection refused".into()));
    let program = with("program", "program abc bellows-agent").unwrap().program.unwrap();
    assert_eq!(program.package.as_deref(), Some("bellows-agent"));
    assert_eq!(with("program", "program abc -").unwrap().program.unwrap().package, None);
    assert_eq!(with("config", "config there db1").unwrap().config.as_deref(), Some("db1"));
    assert_eq!(with("config", "config there").unwrap().config.as_deref(), Some(""));
    assert_eq!(with("connected_to", "connected_to").unwrap().connected_to, None);
    assert!(matches!(with("certificate", "certificate !").unwrap().holder, Holder::Unreadable(_)));
    assert!(matches!(
        with("certificate", "certificate Zm9v").unwrap().holder,
        Holder::Unreadable(_)
    ));
    let read_only = with("disk /etc", "disk /etc 7 ro,noexec").unwrap().etc;
    assert_eq!(read_only, Room { free_bytes: 7168, read_only: true, no_exec: true });
}

#[test]
fn a_survey_is_never_half_believed() {
    for (key, line) in [
        ("sudo", "sudo perhaps"),
        ("page_size", "page_size big"),
        ("clock_ms", "clock_ms"),
        ("connected_to", "connected_to db1"),
        ("addresses", "addresses 10.0.0.1 x"),
        ("disk /etc", "disk /etc x rw"),
        ("firewall", "firewall closed"),
        ("enrolment", "enrolment maybe"),
        ("config", "config db1"),
    ] {
        assert!(matches!(with(key, line), Err(SurveyError::Value { .. })), "{line}");
    }
    let doubled = GOOD.replace("agent inactive", "agent inactive\nagent active");
    assert!(matches!(parse(doubled.as_bytes()), Err(SurveyError::Extra(_))));
    let unknown = GOOD.replace("agent inactive", "agents inactive");
    assert!(matches!(parse(unknown.as_bytes()), Err(SurveyError::Extra(_))));
    let after = format!("{GOOD}and more\n");
    assert!(matches!(parse(after.as_bytes()), Err(SurveyError::Extra(_))));
    let missing = GOOD.replace("agent inactive\n", "");
    assert_eq!(parse(missing.as_bytes()), Err(SurveyError::Missing("agent")));
    let other = GOOD.replace("bellows-survey 1", "bellows-survey 2");
    assert!(matches!(parse(other.as_bytes()), Err(SurveyError::Cut(_))));
    // Cut off anywhere.
    for line in 0..GOOD.lines().count() {
        let cut: Vec<&str> = GOOD.lines().take(line).collect();
        assert!(matches!(parse(cut.join("\n").as_bytes()), Err(SurveyError::Cut(_))), "{line}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_survey(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_line_in_it_too(at in 0_usize..40, line: String) {
        let mut lines: Vec<&str> = GOOD.lines().collect();
        lines.insert(at.min(lines.len()), &line);
        let _ = parse(lines.join("\n").as_bytes());
    }
}

/// The script itself, on this machine: what it prints is what is read.
#[tokio::test]
async fn the_script_prints_what_is_read() {
    #[allow(clippy::disallowed_methods, reason = "a test, and the script is what it tests")]
    let mut shell = tokio::process::Command::new("sh");
    let words = ["-c", SCRIPT, "survey", "7401", "127.0.0.1", "1"];
    let output = shell.args(words).env_remove("SSH_CONNECTION").output().await.unwrap();
    let seen = parse(&output.stdout);
    let seen = seen.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stdout)));
    assert!(seen.kernel.starts_with("Linux "), "{seen:?}");
    assert_eq!(seen.connected_to, None);
    assert!(seen.page_size >= 4096 && seen.clock_ms > 1_700_000_000_000, "{seen:?}");
}
