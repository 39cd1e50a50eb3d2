//! Backups that the real pgBackRest made of a real server, as a host tells of them.

use std::process::Command;

use bellows_proto::v1::FaultCode;

use crate::{
    bed::{Bed, Host, PASSWORD},
    primary,
};

/// Where Debian has it.
const PROGRAM: &str = "/usr/bin/pgbackrest";

/// Runs pgBackRest as the owner of the nodes, as an administrator's timer does.
#[allow(clippy::disallowed_methods)] // A test does what an administrator does.
fn run(host: &Host<'_>, config: &str, words: &[&str]) {
    let user = &host.local.config.systems.postgresql.as_ref().unwrap().os_user;
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--", PROGRAM]);
            command
        }
        false => Command::new(PROGRAM),
    };
    command.arg(format!("--config={config}")).arg("--stanza=orders").args(words);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder that the owner of the nodes may write to.
#[allow(clippy::disallowed_methods)] // A test does what an administrator does.
fn folder(host: &Host<'_>, path: &str) {
    let user = &host.local.config.systems.postgresql.as_ref().unwrap().os_user;
    std::fs::create_dir(path).unwrap();
    if rustix::process::geteuid().is_root() {
        assert!(Command::new("chown").args([user, path]).status().unwrap().success());
    }
}

#[tokio::test]
async fn backups_are_told_with_whose_they_are() {
    let bed = Bed::new();
    let config = bed.path().join("pgbackrest.conf").into_string();
    let declared = format!(
        "pgbackrest = \"{PROGRAM}\"\npgbackrest_config = \"{config}\"\npgbackrest_stanza = \"orders\"\n"
    );
    let h1 = bed.host_with(1, PASSWORD, &declared);
    let identifier = primary(&h1, &[&h1]).await;

    // What cannot be read is a fault, and no empty list.
    let fault = h1.backups().await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::ToolFailed, "{fault}");
    let place = h1.read("pg1").await.placement.unwrap();
    let at = |name: &str| bed.path().join(name).into_string();
    for name in ["repository", "log", "lock"] {
        folder(&h1, &at(name));
    }
    let text = format!(
        "[global]\nrepo1-path={}\nlog-path={}\nlock-path={}\nstart-fast=y\narchive-check=n\n\
         repo1-retention-full=2\n[orders]\npg1-path={}\npg1-port={}\npg1-socket-path={}\n\
         pg1-user=repmgr\n",
        at("repository"),
        at("log"),
        at("lock"),
        place.data_dir,
        place.port,
        place.socket_dir
    );
    std::fs::write(&config, text).unwrap();
    let none = h1.backups().await.unwrap();
    let stanza = &none.stanzas[0];
    assert!(none.declared && stanza.status_code == 1 && stanza.backups.is_empty(), "{none:?}");

    run(&h1, &config, &["stanza-create"]);
    let empty = h1.backups().await.unwrap();
    assert_eq!((empty.stanzas[0].status_code, empty.stanzas[0].backups.len()), (2, 0), "{empty:?}");
    run(&h1, &config, &["--type=full", "backup"]);
    let told = h1.backups().await.unwrap();
    assert_eq!((told.stanzas[0].status_code, told.stanzas[0].repositories[0].status_code), (0, 0));
    let [backup] = told.stanzas[0].backups.as_slice() else { panic!("{told:?}") };
    assert_eq!((backup.kind.as_str(), backup.damaged), ("full", Some(false)));
    assert_eq!(backup.system_identifier, identifier);
    assert!(backup.ended_at_ms > 0 && backup.ended_at_ms <= told.clock_ms, "{told:?}");

    // A host that names no source says so.
    let other = bed.host(2).backups().await.unwrap();
    assert!(!other.declared && other.stanzas.is_empty());
}
