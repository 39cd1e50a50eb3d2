//! A bundle of which anything is not as it was signed is refused, and nothing is changed on the host.

use std::process::Command;

use anyhow::{Result, ensure};
use bellows_tests::testbed::{Host, Testbed};

use crate::{
    bundles::{Bundles, bundles},
    machine::{STATE, bring, bring_key, expect, install, there},
};

/// What is done in the unpacked folder, and what install.sh says then.
const DAMAGES: [(&str, &str); 13] = [
    ("printf x >>programs/bellows", "damaged: programs/bellows"),
    ("truncate -s -1 packages/bellows_*.deb", "damaged: packages/bellows_"),
    ("rm docs/cli.md", "docs/cli.md is missing"),
    ("cp /bin/true programs/more", "programs/more does not belong"),
    ("ln -s /etc/shadow docs/more", "neither file nor folder"),
    ("rm docs/cli.md; ln -s /etc/hostname docs/cli.md", "neither file nor folder"),
    ("rm -r docs; ln -s /root docs", "neither file nor folder"),
    ("mkfifo docs/more", "neither file nor folder"),
    ("sed -i s,programs/bellows$,../../bin/sh, SHA256SUMS", "signature is not of the key"),
    ("rm SHA256SUMS.sig", "no whole bundle"),
    ("sed -i s/^VERSION=.*/VERSION=9.9/ release", "damaged: release"),
    ("chmod o+w programs/bellows", "others than the owner may write"),
    // Signed again, with a key of somebody else's.
    (
        "printf x >>docs/cli.md; openssl genrsa -out k 3072; openssl rsa -in k -pubout -out signing-key.pub; \
         find . -type f ! -name k ! -name 'SHA256SUMS*' | cut -c 3- | xargs sha256sum >SHA256SUMS; \
         openssl dgst -sha256 -sign k -out SHA256SUMS.sig SHA256SUMS; rm k",
        "signature is not of the key",
    ),
];

#[test]
fn damaged_bundles_are_refused() {
    let testbed = Testbed::up(&["damaged"]).unwrap();
    let host = &testbed.hosts()[0];
    let bundles = bundles();
    bring_key(host, bundles).unwrap();
    let whole = bring(host, &bundles.now).unwrap();
    for verb in [&["--check"][..], &["--tarball"], &["--agents"], &["--remove"]] {
        host.succeed(&["cp", "-a", &whole, "/root/cut"]).unwrap();
        host.succeed(&["truncate", "-s", "-1", "/root/cut/SHA256SUMS"]).unwrap();
        expect(&install(host, "/root/cut", verb).unwrap(), 2, "signature is not of the key")
            .unwrap();
        host.succeed(&["rm", "-r", "/root/cut"]).unwrap();
    }
    for (damage, said) in DAMAGES {
        refused(host, &whole, damage, said).unwrap_or_else(|error| panic!("{damage}: {error:#}"));
    }
    without_a_key(host, bundles).unwrap();
    bad_usage(host, bundles).unwrap();
    before_it_is_unpacked(bundles).unwrap();
}

fn refused(host: &Host, whole: &str, damage: &str, said: &str) -> Result<()> {
    let copy = "/root/damaged";
    host.succeed(&["cp", "-a", whole, copy])?;
    host.succeed(&["sh", "-c", &format!("cd {copy} && {damage}")])?;
    expect(&install(host, copy, &[])?, 2, said)?;
    host.succeed(&["rm", "-r", copy])?;
    unchanged(host)
}

fn unchanged(host: &Host) -> Result<()> {
    for path in ["/usr/bin/bellows", "/usr/local/bin/bellows", "/var/lib/bellows", STATE] {
        ensure!(!there(host, path), "{path} is there");
    }
    Ok(())
}

/// The key in the bundle counts only when its fingerprint came another way.
fn without_a_key(host: &Host, bundles: &Bundles) -> Result<()> {
    let script = format!("/root/{}/install.sh", bundles.now.folder);
    let said = expect(&host.exec(&["sh", &script])?, 2, "no key was given")?;
    let fingerprint = said.split("fingerprint is ").nth(1).and_then(|rest| rest.get(..64));
    let fingerprint = fingerprint.expect("it tells the fingerprint").to_uppercase();
    let wrong = fingerprint.replace('A', "B");
    expect(
        &host.exec(&["sh", &script, "--check", "--fingerprint", &wrong])?,
        2,
        "signed by somebody else",
    )?;
    expect(
        &host.exec(&["sh", &script, "--check", "--fingerprint", &fingerprint])?,
        0,
        "signature: good",
    )?;
    unchanged(host)
}

fn bad_usage(host: &Host, bundles: &Bundles) -> Result<()> {
    let script = format!("/root/{}/install.sh", bundles.now.folder);
    for (words, said) in [
        (&["--nonsense"][..], "unknown argument"),
        (&["--key"], "--key needs a value"),
        (&["--key", "/nowhere"], "cannot be read"),
        (&["--deb", "--rpm"], "choose one"),
        (&["--check", "--remove"], "choose one"),
        (&["--prefix", "/opt"], "--prefix is of --tarball"),
        (&["--tarball", "--prefix", "/opt/../etc"], "no plain absolute path"),
        (&["--purge"], "--purge is of --remove"),
        (&["--wait", "soon"], "no number of seconds"),
    ] {
        expect(&host.exec(&[&["sh", &script], words].concat())?, 2, said)?;
    }
    unchanged(host)
}

/// The command of docs/install.md for the archive itself; install.sh is trusted only after it.
fn before_it_is_unpacked(bundles: &Bundles) -> Result<()> {
    let archive = &bundles.now.archive;
    let verify = |archive: &std::path::Path| {
        let signature = format!("{}.sig", bundles.now.archive.display());
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-verify"]).arg(&bundles.key);
        openssl.args(["-signature", &signature]).arg(archive).output()
    };
    expect(&verify(archive)?, 0, "Verified OK")?;
    let cut = archive.with_extension("cut");
    let bytes = bundles.now.bytes()?;
    std::fs::write(&cut, &bytes[..bytes.len() / 2])?;
    let seen = verify(&cut);
    std::fs::remove_file(&cut)?;
    expect(&seen?, 1, "Verification failure")?;
    Ok(())
}
