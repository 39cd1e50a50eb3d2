//! Copies of the authority's key, and tarballs with one, that lie about: whoever has one is every node and every user of the cluster.
//! The manual's way to add a node leaves them. They are named, never removed.

use camino::{Utf8Path, Utf8PathBuf};

use super::AUTHORITY_KEY;
use crate::{
    exec::launch,
    facilities::Local,
    tools::kwdb::{installation, place, values::Node},
};

/// Where the manual and the installer put them.
const USUAL: &[&str] = &["/tmp", "/root"];
/// Below each of these places.
const FOLDERS: &[&str] = &["", "kaiwudb_certs", "certs"];
/// What the tarball's name has in it.
const TARBALL: &str = "kaiwudb_certs";

/// Their paths. A folder that cannot be read is left out: this is a hint, and nothing hangs on it.
pub(super) fn find(local: &Local, node: &Node) -> Vec<String> {
    let mut roots: Vec<Utf8PathBuf> = USUAL.iter().map(Into::into).collect();
    if let Ok(section) = place::section(local) {
        roots.extend(section.deploy_sh.as_deref().and_then(Utf8Path::parent).map(Into::into));
        if let Ok(Some(installation)) = installation::read(local, section) {
            let from = Utf8PathBuf::from(installation.from);
            roots.extend(Some(from).filter(|from| from.is_absolute()));
        }
    }
    if let Ok(Some(user)) = launch::user(&node.os_user) {
        roots.push(user.home.into());
    }
    let mut found: Vec<String> = roots
        .iter()
        .flat_map(|root| {
            FOLDERS
                .iter()
                .map(move |folder| if folder.is_empty() { root.clone() } else { root.join(folder) })
        })
        .filter(|folder| folder != node.certs_dir.as_path())
        .flat_map(|folder| in_folder(local, &folder, true))
        .chain(in_folder(local, node.certs_dir.as_path(), false))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn in_folder(local: &Local, folder: &Utf8Path, keys: bool) -> Vec<String> {
    let names = local.host.list(folder).unwrap_or_default();
    let telling = |name: &String| {
        let packed = [".tar.gz", ".tgz", ".tar"].iter().any(|end| name.ends_with(end));
        keys && name == AUTHORITY_KEY || packed && name.contains(TARBALL)
    };
    names.into_iter().filter(telling).map(|name| folder.join(name).into_string()).collect()
}
