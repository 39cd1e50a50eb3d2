//! The package that an administrator would have unpacked on a host: `deploy.sh` with what it installs (facts section 7).

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
    fs::copy(kwbase, dir.join("kwbase"))?;
    Ok(())
}
