//! What a bookie of ours is started with: directories, its configuration, its service.

use std::collections::BTreeMap;

use bellows_proto::v1::{
    BookkeeperRemoveConfig, BookkeeperSetting, BookkeeperWriteConfig, DirectoryState, Fault,
    FaultCode,
};
use camino::Utf8Path;

use crate::{
    facilities::{Local, Runner as _, claims, services},
    host::Access,
    tools::{
        JobContext, Note,
        bookkeeper::{
            conf, service,
            session::{made, required},
            values::Node,
        },
    },
};

/// Of the HTTP server, where the member names none.
const HTTP_CLASS: &str = "org.apache.bookkeeper.http.vertx.VertxHttpServer";

/// Makes the directories, writes the configuration, and installs the service. Nothing is started.
pub(super) async fn write(
    action: &BookkeeperWriteConfig,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let text = render(&node, &action.settings)?;
    let path = node.conf_file.as_path();
    local.managed().check_write(path, text.as_bytes())?;
    let private = Access::owned(0o700, &node.os_user);
    for directory in node.directories() {
        // One with something in it is left as it is: it runs, or has run.
        if claims::directory_state(local, directory)? != DirectoryState::Occupied {
            local.host.create_directory(directory, &private)?;
        }
    }
    local.host.create_directory(node.log_dir.as_path(), &private)?;
    let public = |mode| Access { mode, owner: None };
    let folder = node.conf_dir();
    if local.host.metadata(&folder)?.is_none() {
        local.host.create_directory(&folder, &public(0o755))?;
    }
    services(context).install(&service::spec(context, &node)).await?;
    // The file last: by it the step is known to be done, and what was cut short before is done again.
    local.managed().write(path, text.as_bytes(), &public(0o644))?;
    Ok(format!("{path} says how the bookie is started"))
}

/// The configuration: what is taken over from a member, and what is the host's own.
fn render(node: &Node, settings: &[BookkeeperSetting]) -> Result<String, Fault> {
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for setting in settings {
        conf::check(&setting.key, &setting.value)?;
        if lines.insert(&setting.key, setting.value.clone()).is_some() {
            let message = format!("{} is given twice", setting.key);
            return Err(Fault::new(FaultCode::Invalid, message));
        }
    }
    if !lines.contains_key(conf::METADATA) {
        let message =
            format!("no {} is given: the bookie would not find its cluster", conf::METADATA);
        return Err(Fault::new(FaultCode::Invalid, message));
    }
    lines.entry("httpServerClass").or_insert_with(|| HTTP_CLASS.to_owned());
    let joined = |all: &[crate::tools::values::QuietPath]| {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let mut own = vec![
        ("advertisedAddress", node.address.to_string()),
        ("bookieId", node.id()),
        ("bookiePort", node.port.to_string()),
        ("httpServerEnabled", "true".to_owned()),
        ("httpServerHost", node.http.ip().to_string()),
        ("httpServerPort", node.http.port().to_string()),
        ("journalDirectories", joined(&node.journal_dirs)),
        ("ledgerDirectories", joined(&node.ledger_dirs)),
        // What it is told to be must survive a restart: a bookie that is drained would get new ledgers.
        ("persistBookieStatusEnabled", "true".to_owned()),
    ];
    if !node.index_dirs.is_empty() {
        own.push(("indexDirectories", joined(&node.index_dirs)));
    }
    lines.extend(own);
    let lines: Vec<String> = lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    Ok(format!(
        "# Written by Bellows for node {} of cluster {}; changes are refused.\n{}",
        node.name,
        node.cluster,
        lines.concat()
    ))
}

/// Takes back what [`write`] made. A bookie that runs is stopped; directories with something in them stay.
pub(super) async fn remove(
    action: &BookkeeperRemoveConfig,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let path = node.conf_file.as_path();
    local.managed().check_restore(path)?;
    services(context).remove(&node.service).await?;
    service::refuse_running(context, &node).await?;
    local.managed().restore(path)?;
    for directory in node.directories() {
        remove_empty(local, directory)?;
    }
    remove_empty(local, &node.conf_dir())?;
    Ok(format!("{path} is as it was"))
}

fn remove_empty(local: &Local, directory: &Utf8Path) -> Result<(), Fault> {
    if claims::directory_state(local, directory)? == DirectoryState::Empty {
        local.host.remove_empty_directory(directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tools::bookkeeper::{conf::Conf, values::tests::node};

    fn settings(all: &[(&str, &str)]) -> Vec<BookkeeperSetting> {
        all.iter()
            .map(|(key, value)| BookkeeperSetting { key: (*key).into(), value: (*value).into() })
            .collect()
    }

    #[test]
    fn what_is_the_host_s_own_is_added_to_what_is_taken_over() {
        let node = node();
        let taken = settings(&[
            ("metadataServiceUri", "zk+hierarchical://10.0.0.1:2181/ledgers"),
            ("persistBookieStatusEnabled", "false"),
            ("zkTimeout", "30000"),
        ]);
        let conf = Conf::read(render(&node, &taken).unwrap().as_bytes()).unwrap();
        for (key, value) in [
            ("bookieId", node.id()),
            ("advertisedAddress", node.address.to_string()),
            ("bookiePort", node.port.to_string()),
            ("httpServerPort", node.http.port().to_string()),
            ("httpServerHost", node.http.ip().to_string()),
            ("httpServerEnabled", "true".into()),
            ("httpServerClass", HTTP_CLASS.into()),
            ("persistBookieStatusEnabled", "true".into()),
            ("zkTimeout", "30000".into()),
            ("metadataServiceUri", "zk+hierarchical://10.0.0.1:2181/ledgers".into()),
        ] {
            assert_eq!(conf.get(key), Some(value.as_str()), "{key}");
        }
        let ledgers: Vec<String> = node.ledger_dirs.iter().map(ToString::to_string).collect();
        assert_eq!(conf.list("ledgerDirectories"), ledgers);
        assert_eq!(conf.troubles(), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_for_others_is_refused() {
        let uri = ("metadataServiceUri", "zk+hierarchical://10.0.0.1:2181/ledgers");
        for bad in [
            vec![],
            vec![uri, uri],
            vec![uri, ("bookieId", "10.0.0.9:3181")],
            vec![uri, ("zkTimeout", "1\nbookieId=10.0.0.9:3181")],
        ] {
            let refused = render(&node(), &settings(&bad)).unwrap_err();
            assert_eq!(refused.code(), FaultCode::Invalid, "{bad:?}");
        }
    }
}
