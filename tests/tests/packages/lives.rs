//! The life of a coordinator in each form, from the bundle alone: installed on a fresh host, upgraded while it runs,
//! gone back from a version that does not start, removed, purged.

use std::process::Command;

use anyhow::{Result, ensure};
use bellows_tests::testbed::{Host, Testbed, wait_until};

use crate::{
    bundles::{Bundles, bundles},
    machine::{
        STATE, bring, bring_key, digest, expect, install, processes, running, start_site, there,
    },
};

/// How a coordinator is installed.
struct Form {
    /// Words for install.sh.
    words: &'static [&'static str],
    prefix: &'static str,
}

#[test]
fn deb() {
    let form = Form { words: &[], prefix: "/usr" };
    let testbed = Testbed::up(&["deb"]).unwrap();
    life(&testbed.hosts()[0], &form, bundles()).unwrap();
}

#[test]
fn rpm() {
    let form = Form { words: &["--rpm"], prefix: "/usr" };
    let testbed = Testbed::up(&["rpm"]).unwrap();
    let host = &testbed.hosts()[0];
    give_rpm(host).unwrap();
    life(host, &form, bundles()).unwrap();
}

#[test]
fn tarball() {
    let form = Form { words: &["--tarball", "--prefix", "/opt/bellows"], prefix: "/opt/bellows" };
    let testbed = Testbed::up(&["tarball"]).unwrap();
    life(&testbed.hosts()[0], &form, bundles()).unwrap();
}

fn life(host: &Host, form: &Form, bundles: &Bundles) -> Result<()> {
    bring_key(host, bundles)?;
    fresh(host, form, bundles)?;
    let site = digest(host, "/var/lib/bellows/site.toml")?;
    cut_in_the_middle(host, form, bundles)?;
    broken(host, form, bundles)?;
    older(host, form, bundles)?;
    ensure!(digest(host, "/var/lib/bellows/site.toml")? == site, "site.toml was changed");
    removed(host, form, bundles)
}

fn fresh(host: &Host, form: &Form, bundles: &Bundles) -> Result<()> {
    let program = format!("{}/bin/bellows", form.prefix);
    let folder = bring(host, &bundles.now)?;
    expect(
        &install(host, &folder, form.words)?,
        0,
        "The coordinator is installed, and not started",
    )?;
    ensure!(host.succeed(&[&program, "--version"])?.contains(env!("CARGO_PKG_VERSION")));
    let enabled = host.exec(&["systemctl", "is-enabled", "bellows"])?;
    expect(&enabled, 1, "disabled")?;
    let owner = host.succeed(&["stat", "-c", "%U %a", "/var/lib/bellows"])?;
    ensure!(owner == "bellows 700\n", "{owner}");

    let agents = format!("{}/share/bellows/agent/{}/x86_64", form.prefix, bundles.now.version);
    let sums = ["sh", "-c", "cd \"$1\" && sha256sum --check SHA256SUMS", "sh", &agents];
    host.succeed(&sums)?;
    expect(&install(host, &folder, &[form.words, &["--agents"]].concat())?, 0, "is there already")?;
    host.succeed(&["rm", "-r", &agents])?;
    expect(&install(host, &folder, &[form.words, &["--agents"]].concat())?, 0, &agents)?;
    host.succeed(&sums)?;

    start_site(host, &program)?;
    expect(&install(host, &folder, form.words)?, 0, "installed already: nothing was changed")?;
    ensure!(running(host, "bellows")? == digest(host, &program)?);
    Ok(())
}

/// The power fails during an upgrade; after the boot install.sh is run again.
fn cut_in_the_middle(host: &Host, form: &Form, bundles: &Bundles) -> Result<()> {
    let folder = bring(host, &bundles.next)?;
    let script = format!("{folder}/install.sh");
    let words = ["systemd-run", "--unit=installing", "sh", &script, "--key", "/root/release.pub"];
    host.succeed(&[&words[..], form.words].concat())?;
    wait_until("the upgrade has begun", std::time::Duration::from_secs(60), || {
        Ok(there(host, &format!("{STATE}/unfinished")))
    })?;
    host.power_cut()?;
    host.boot()?;
    let said = expect(&install(host, &folder, form.words)?, 0, "upgraded from")?;
    ensure!(said.contains("was interrupted: it goes on"), "{said}");
    let wanted = digest(host, &format!("{folder}/programs/bellows"))?;
    ensure!(running(host, "bellows")? == wanted, "another program runs");
    ensure!(!there(host, &format!("{STATE}/unfinished")));
    Ok(())
}

fn broken(host: &Host, form: &Form, bundles: &Bundles) -> Result<()> {
    let before = running(host, "bellows")?;
    let folder = bring(host, &bundles.broken)?;
    let said = expect(
        &install(host, &folder, &[form.words, &["--wait", "15"]].concat())?,
        1,
        &format!("{} is back, and runs", bundles.next.version),
    )?;
    ensure!(said.contains("store: backed up to"), "{said}");
    ensure!(running(host, "bellows")? == before, "another program runs");
    host.succeed(&[&format!("{}/bin/bellows", form.prefix), "host", "list"])?;
    Ok(())
}

fn older(host: &Host, form: &Form, bundles: &Bundles) -> Result<()> {
    let before = running(host, "bellows")?;
    let folder = format!("/root/{}", bundles.now.folder);
    expect(&install(host, &folder, form.words)?, 2, "which is newer")?;
    ensure!(running(host, "bellows")? == before, "another program runs");
    Ok(())
}

fn removed(host: &Host, form: &Form, bundles: &Bundles) -> Result<()> {
    let folder = format!("/root/{}", bundles.next.folder);
    let program = format!("{}/bin/bellows", form.prefix);
    expect(&install(host, &folder, &[form.words, &["--remove"]].concat())?, 0, "its data stay")?;
    ensure!(processes(host, &program)? == "", "a process runs");
    ensure!(!there(host, &program));
    ensure!(!there(host, &format!("{}/share/bellows", form.prefix)));
    ensure!(!host.exec(&["systemctl", "cat", "bellows"])?.status.success(), "the unit stays");
    ensure!(there(host, "/var/lib/bellows/site.toml"));
    // Installed again, it is the same site.
    expect(&install(host, &folder, form.words)?, 0, "is installed")?;
    host.succeed(&["systemctl", "enable", "--now", "bellows"])?;
    let purge = [form.words, &["--remove", "--purge"]].concat();
    expect(&install(host, &folder, &purge)?, 0, "its data are gone")?;
    ensure!(processes(host, &program)? == "", "a process runs");
    for path in ["/var/lib/bellows", STATE] {
        ensure!(!there(host, path), "{path} stays");
    }
    ensure!(!host.exec(&["id", "bellows"])?.status.success(), "the user stays");
    Ok(())
}

/// Debian's own rpm, from this machine (the same release), and without what it asks on a Debian: the packages of
/// its distribution, and whether this is really meant.
fn give_rpm(host: &Host) -> Result<()> {
    let collect = r#"set -e
        { echo /usr/bin/rpm; echo /usr/lib/rpm; ldd /usr/bin/rpm | awk '$3 ~ "^/" { print $3 }'; } |
          tar --create --dereference --absolute-names --files-from -"#;
    let output = Command::new("sh").args(["-c", collect]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    host.put("/root/rpm.tar", &output.stdout, 0o644)?;
    host.succeed(&["tar", "-C", "/", "-xPf", "/root/rpm.tar", "--skip-old-files"])?;
    host.succeed(&["mv", "/usr/bin/rpm", "/usr/lib/rpm/rpm"])?;
    let wrapper = "#!/bin/sh\ncase \"$1\" in\n--upgrade | --erase) exec /usr/lib/rpm/rpm \"$@\" --nodeps --force-debian ;;\n\
                   *) exec /usr/lib/rpm/rpm \"$@\" ;;\nesac\n";
    host.put("/usr/bin/rpm", wrapper.as_bytes(), 0o755)?;
    Ok(())
}
