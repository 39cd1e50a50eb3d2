//! The package that an administrator would have unpacked on a host: `deploy.sh` with what it installs (facts section 7), and the marks of a container installation.
//!
//! Unconfirmed: all of a container installation but its paths and the first line of MODE; nothing runs there.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The scripts and the configuration of the package, by name.
pub const FILES: [(&str, &str); 4] = [
    ("deploy.sh", include_str!("../scripts/deploy.sh")),
    ("kw-status.sh", include_str!("../scripts/kw-status.sh")),
    ("kw-sql.sh", include_str!("../scripts/kw-sql.sh")),
    ("deploy.cfg", include_str!("../scripts/deploy.cfg")),
];

/// Lays the package out in a directory: the scripts, `deploy.cfg` to be edited, and the double's `kwbase` from that path. A `double.toml` put there is
/// installed beside the program.
///
/// # Errors
/// Whatever the file system says.
pub fn lay_out(dir: &Path, kwbase: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, text) in FILES {
        let path = dir.join(name);
        fs::write(&path, text)?;
        let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    put(kwbase, &dir.join("kwbase"))
}

/// A link where that can be: a program that is being written cannot be run by a thread that is as quick.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

/// What a host shows where KWDB was installed as a container: MODE with `container` in its first line, and the paths `/kaiwudb/bin` and `/kaiwudb/certs`, below `root`.
///
/// # Errors
/// Whatever the file system says.
pub fn lay_out_container(root: &Path, kwbase: &Path, address: &str) -> io::Result<()> {
    let (bin, info) = (root.join("kaiwudb/bin"), root.join("etc/kaiwudb/info"));
    for dir in [&bin, &root.join("kaiwudb/certs"), &info] {
        fs::create_dir_all(dir)?;
    }
    put(kwbase, &bin.join("kwbase"))?;
    let lines = [
        "container",
        "multi-replication",
        "kaiwudb-container",
        "/var/lib/kaiwudb",
        "26257",
        "8080",
        "kaiwudb",
        "insecure",
        "false",
        address,
    ];
    fs::write(info.join("MODE"), format!("{}\n", lines.join("\n")))
}
