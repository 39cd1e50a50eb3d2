//! Finds the servers that are on this host, whoever made them: those that run, by `/proc`, and those of
//! Debian's `/etc/postgresql` that do not. Says of each where everything is, and what stands in the way of
//! its adoption. Reads only.

use bellows_proto::v1::{
    Fault, NodeRef, PostgresqlFound, PostgresqlFoundServer, PostgresqlPlacement, placement,
    postgresql_found_server::Server,
};
use camino::{Utf8Path, Utf8PathBuf};
use futures::future::join_all;

use super::{
    adopted,
    adopted::Units,
    data, place,
    render::REPMGR_CONF,
    service,
    values::{Node, PlainPath},
};
use crate::{
    config::PostgresqlConfig,
    facilities::{Local, Runner},
    host::Host,
};

pub mod parse;
pub mod processes;
mod said;

use parse::RepmgrConf;
use processes::Postmaster;
use said::{Said, asked};

/// Where Debian keeps configuration: `VERSION/NAME/postgresql.conf`.
const DEBIAN: &str = "/etc/postgresql";
/// Control files are of this size; only the beginning is read.
const CONTROL_LIMIT: u64 = 64 * 1024;
/// More servers than this are not looked at.
const MOST: usize = 100;

/// All servers of this host.
///
/// # Errors
/// If processes or claims cannot be read; one server's silence is part of the answer.
pub(super) async fn find(runner: &dyn Runner) -> Result<PostgresqlFound, Fault> {
    let local = runner.local();
    let section = place::section(local)?;
    let host = local.host.as_ref();
    let running = processes::postmasters(host)?;
    let mut files = repmgr_files(host, Utf8Path::new("/etc"))?;
    for server in &running {
        files.push(Utf8Path::new(&server.file.data_dir).join(REPMGR_CONF));
    }
    let confs = read_confs(host, &files);
    let asked = running.iter().take(MOST).map(|one| server(runner, section, one, &confs));
    let mut servers = join_all(asked).await.into_iter().collect::<Result<Vec<_>, Fault>>()?;
    for data_dir in stopped(host, Utf8Path::new(DEBIAN))? {
        if !running.iter().any(|one| one.file.data_dir == data_dir) {
            servers.push(silent(local, &data_dir)?);
        }
    }
    servers.sort_by(|a, b| data_dir(a).cmp(data_dir(b)));
    Ok(PostgresqlFound { servers })
}

fn data_dir(server: &PostgresqlFoundServer) -> &str {
    server.placement.as_ref().map_or("", |place| &place.data_dir)
}

/// Where `repmgr.conf` may be: where a repmgrd that runs has it, and the usual places.
fn repmgr_files(host: &dyn Host, etc: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Fault> {
    let daemons = processes::named(host, &["repmgrd"])?;
    let named = daemons.iter().filter_map(|daemon| parse::config_file(&daemon.command));
    let mut files: Vec<Utf8PathBuf> = named.map(Utf8PathBuf::from).collect();
    files.retain(|file| file.is_absolute());
    let folder = etc.join("repmgr");
    files.push(etc.join(REPMGR_CONF));
    for name in host.list(&folder)? {
        files.push(match name.ends_with(".conf") {
            true => folder.join(name),
            false => folder.join(name).join(REPMGR_CONF),
        });
    }
    files.dedup();
    Ok(files)
}

/// Those that can be read. One that cannot is not the one: that none was found is said.
fn read_confs(host: &dyn Host, files: &[Utf8PathBuf]) -> Vec<(Utf8PathBuf, RepmgrConf)> {
    let read = |file: &Utf8PathBuf| {
        let (bytes, _) = host.read_guarded(file, data::CONF_LIMIT).ok()??;
        let conf = parse::repmgr_conf(&String::from_utf8_lossy(&bytes))?;
        Some((file.clone(), conf))
    };
    files.iter().filter_map(read).collect()
}

/// Data directories of Debian's clusters, whose configuration is below this folder.
fn stopped(host: &dyn Host, root: &Utf8Path) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for version in host.list(root)? {
        let folder = root.join(version);
        if !host.metadata(&folder)?.is_some_and(|it| it.kind == crate::host::FileKind::Directory) {
            continue;
        }
        for name in host.list(&folder)? {
            let file = folder.join(name).join("postgresql.conf");
            let Ok(Some((bytes, _))) = host.read_guarded(&file, data::CONF_LIMIT) else { continue };
            found.extend(parse::setting(&String::from_utf8_lossy(&bytes), "data_directory"));
        }
    }
    Ok(found)
}

/// One that does not run.
fn silent(local: &Local, data_dir: &str) -> Result<PostgresqlFoundServer, Fault> {
    let place = PostgresqlPlacement {
        data_dir: data_dir.to_owned(),
        adopted: true,
        ..PostgresqlPlacement::default()
    };
    Ok(PostgresqlFoundServer {
        claimed: claimed(local, data_dir)?,
        placement: Some(place),
        obstacles: vec!["its server does not run".to_owned()],
        ..PostgresqlFoundServer::default()
    })
}

/// The node that is recorded here with this data directory.
fn claimed(local: &Local, data_dir: &str) -> Result<Option<NodeRef>, Fault> {
    let all = local.claims().all()?;
    Ok(all.into_iter().find_map(|known| {
        let place = known.claim?.placement?.system?;
        let placement::System::Postgresql(place) = place else { return None };
        if place.data_dir == data_dir { known.node } else { None }
    }))
}

async fn server(
    runner: &dyn Runner,
    section: &PostgresqlConfig,
    found: &Postmaster,
    confs: &[(Utf8PathBuf, RepmgrConf)],
) -> Result<PostgresqlFoundServer, Fault> {
    let local = runner.local();
    let data_dir = &found.file.data_dir;
    let address = local.config.agent.address;
    let port = u16::try_from(found.file.port).unwrap_or_default();
    let (up, said) = asked(runner, data_dir, (address, port)).await?;
    let mut obstacles = own_obstacles(local.host.as_ref(), section, found)?;
    // Last, where its settings are.
    let beside =
        said.iter().map(|said| Utf8Path::new(&parent(&said.config_file)).join(REPMGR_CONF));
    let beside = read_confs(local.host.as_ref(), &beside.collect::<Vec<_>>());
    let mut all = confs.iter().chain(&beside);
    let conf = all.find(|(_, conf)| conf.data_directory == *data_dir);
    if conf.is_none() {
        obstacles.push(no_conf(data_dir, confs));
    }
    let (repmgr_conf, node, node_id) = match conf {
        Some((path, conf)) => (path.to_string(), conf.node_name.clone(), conf.node_id),
        None => Default::default(),
    };
    obstacles.extend(said.iter().flat_map(|said| said.obstacles.clone()));
    let units = units(runner, found.process.pid, &repmgr_conf).await?;
    let place = PostgresqlPlacement {
        os_user: section.os_user.clone(),
        bin_dir: section.bin_dir.to_string(),
        data_dir: data_dir.clone(),
        conf_dir: said.as_ref().map_or(String::new(), |said| parent(&said.config_file)),
        socket_dir: plain_or(&found.file.socket_dir, data_dir),
        log_dir: plain_or(&log_dir(data_dir, said.as_ref()), data_dir),
        address: address.to_string(),
        port: found.file.port,
        node_id,
        server_service: units.server.clone(),
        repmgrd_service: units.repmgrd.clone(),
        passfile: section.passfile.to_string(),
        adopted: true,
        repmgr_conf: repmgr_conf.clone(),
        config_file: said.as_ref().map_or(String::new(), |said| said.config_file.clone()),
        hba_file: said.as_ref().map_or(String::new(), |said| said.hba_file.clone()),
    };
    let mut left_alone = Vec::new();
    if !node.is_empty() && said.is_some() {
        // The cluster's name is not known here; it has a form of its own.
        let reference = NodeRef { cluster: "adopted".to_owned(), node: node.clone() };
        match Node::new(&reference, &place) {
            Ok(node) => left_alone = service::obstacles(runner, &node).await?,
            Err(error) => obstacles.push(error.to_string()),
        }
    }
    let named = adopted::wanted_units(local, &place);
    Ok(PostgresqlFoundServer {
        node,
        claimed: claimed(local, data_dir)?,
        declared: adopted::is_declared(local, data_dir, &repmgr_conf),
        declaration: adopted::declaration(local, data_dir, &repmgr_conf, &named),
        system_identifier: identifier(local.host.as_ref(), data_dir)?,
        obstacles,
        left_alone,
        running: true,
        addresses: said.map(|said| said.addresses).unwrap_or_default(),
        server: Some(match up {
            Ok(server) => Server::Up(server),
            Err(fault) => Server::Down(fault),
        }),
        placement: Some(place),
    })
}

fn no_conf(data_dir: &str, confs: &[(Utf8PathBuf, RepmgrConf)]) -> String {
    let others: Vec<&str> = confs.iter().map(|(path, _)| path.as_str()).collect();
    let others = if others.is_empty() { "none at all".to_owned() } else { others.join(", ") };
    format!(
        "no repmgr.conf names data_directory {data_dir}; found, by repmgrd's command line, in /etc and in \
         the folders of data and settings: {others}"
    )
}

/// User and programs are this host's, as `agent.toml` has them.
fn own_obstacles(
    host: &dyn Host,
    section: &PostgresqlConfig,
    found: &Postmaster,
) -> Result<Vec<String>, Fault> {
    let mut obstacles = Vec::new();
    let owner = host.metadata(Utf8Path::new(&found.file.data_dir))?.map(|it| it.uid);
    let passwd = host.read(Utf8Path::new("/etc/passwd"), CONTROL_LIMIT * 16)?.unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let owner = owner.and_then(|uid| parse::user_name(&passwd, uid));
    if owner.as_ref() != Some(&section.os_user) {
        let owner = owner.unwrap_or_else(|| "nobody that /etc/passwd knows".to_owned());
        obstacles.push(format!(
            "its data belong to {owner}, and [systems.postgresql] os_user is {:?}",
            section.os_user
        ));
    }
    let program = found.process.program();
    if let Some(folder) = program.parent().filter(|folder| folder.is_absolute())
        && *folder != section.bin_dir
    {
        obstacles.push(format!(
            "its program is {program}, and [systems.postgresql] bin_dir is {:?}",
            section.bin_dir
        ));
    }
    Ok(obstacles)
}

/// The folder of a file that the server names.
fn parent(file: &str) -> String {
    Utf8Path::new(file).parent().map(ToString::to_string).unwrap_or_default()
}

/// Paths that are only shown need not be plain.
fn plain_or(path: &str, otherwise: &str) -> String {
    match PlainPath::new("path", path) {
        Ok(_) => path.to_owned(),
        Err(_) => otherwise.to_owned(),
    }
}

fn log_dir(data_dir: &str, said: Option<&Said>) -> String {
    let folder = said.map_or("", |said| said.log_directory.as_str());
    // An absolute one replaces what it is joined to.
    Utf8Path::new(data_dir).join(folder).to_string().trim_end_matches('/').to_owned()
}

/// The units that server and repmgrd were started by.
async fn units(runner: &dyn Runner, server: u32, repmgr_conf: &str) -> Result<Units, Fault> {
    let mut units =
        Units { server: service::unit_of(runner, server).await?, repmgrd: String::new() };
    if let Ok(conf) = PlainPath::new("repmgr.conf", repmgr_conf)
        && let Some(pid) = adopted::repmgrd(runner.local(), &conf, "")?
    {
        units.repmgrd = service::unit_of(runner, pid).await?;
    }
    Ok(units)
}

fn identifier(host: &dyn Host, data_dir: &str) -> Result<String, Fault> {
    let file = Utf8Path::new(data_dir).join("global/pg_control");
    let control = host.read_guarded(&file, CONTROL_LIMIT)?;
    Ok(control.and_then(|(bytes, _)| parse::system_identifier(&bytes)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::RealHost;

    /// A folder as `/etc` of a host.
    fn etc(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        for (name, text) in files {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn debians_clusters_are_found_though_they_do_not_run() {
        let (_folder, root) = etc(&[
            ("15/main/postgresql.conf", "data_directory = '/var/lib/postgresql/15/main' # it\n"),
            ("15/other/postgresql.conf", "# data_directory = '/nowhere'\n"),
            ("15/other/pg_hba.conf", ""),
            ("README", "no version"),
        ]);
        let host = RealHost::new("/bin/false");
        assert_eq!(stopped(&host, &root).unwrap(), ["/var/lib/postgresql/15/main"]);
        assert_eq!(stopped(&host, &root.join("absent")).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn repmgr_conf_is_found_in_the_usual_places() {
        let conf = |id: u32, data: &str| {
            format!("node_id={id}\nnode_name=pg{id}\ndata_directory='{data}'\n")
        };
        let (_folder, root) = etc(&[
            ("repmgr.conf", &conf(1, "/a")),
            ("repmgr/15/repmgr.conf", &conf(2, "/b")),
            ("repmgr/c.conf", &conf(3, "/c")),
            ("repmgr/broken.conf", "node_id=x\n"),
        ]);
        // A link may lead anywhere: it is not followed.
        std::os::unix::fs::symlink("/etc/passwd", root.join("repmgr/link.conf")).unwrap();
        let host = RealHost::new("/bin/false");
        let mut files = repmgr_files(&host, &root).unwrap();
        // Those of repmgrds that happen to run on this machine.
        files.retain(|file| file.starts_with(&root));
        assert_eq!(files.len(), 5, "{files:?}");
        let found = read_confs(&host, &files);
        let mut ids: Vec<u32> = found.iter().map(|(_, conf)| conf.node_id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3]);
        assert!(no_conf("/x", &found).contains("repmgr/c.conf"));
    }
}
