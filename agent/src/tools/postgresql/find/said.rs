//! What a server that was found says of itself, besides what every reading asks. Reads only.

use std::net::IpAddr;

use bellows_proto::v1::{Fault, FaultCode, PostgresqlServer, RepmgrAddress};

use crate::{
    facilities::{Runner, fault},
    host::net,
    tools::{
        postgresql::{reading, session::Client},
        psql::{self, Sections},
    },
};

const FOUND: &str = include_str!("../found.sql");

/// What the server's own words add.
pub(super) struct Said {
    pub(super) data_directory: String,
    pub(super) config_file: String,
    pub(super) hba_file: String,
    pub(super) log_directory: String,
    pub(super) addresses: Vec<RepmgrAddress>,
    pub(super) obstacles: Vec<String>,
}

/// What the server of this data directory says of itself, where all members are to reach it.
pub(super) async fn asked(
    runner: &dyn Runner,
    data_dir: &str,
    endpoint: (IpAddr, u16),
) -> Result<(Result<PostgresqlServer, Fault>, Option<Said>), Fault> {
    let (address, port) = endpoint;
    let local = runner.local();
    let there = net::listeners(local.host.as_ref(), port)?;
    if !there.iter().any(|found| found.is_unspecified() || *found == address) {
        let message = format!("it does not listen on {address} port {port}");
        let remedy = "set listen_addresses so that all members reach it there";
        return Ok((Err(Fault::new(FaultCode::Unreachable, message).remedy(remedy)), None));
    }
    let client = Client::of_host(local)?;
    let (up, said) = futures::join!(
        reading::ask_at(runner, &client, endpoint),
        said(runner, &client, endpoint),
    );
    Ok(match (up, said) {
        (Ok(_), Ok(said)) if said.data_directory != data_dir => {
            let message = format!(
                "another server, that of {}, answers at {address} port {port}",
                said.data_directory
            );
            (Err(Fault::new(FaultCode::Unreachable, message)), None)
        }
        (Ok(up), Ok(said)) => (Ok(up), Some(said)),
        (Err(fault), _) | (Ok(_), Err(fault)) => (Err(fault), None),
    })
}

/// Asks what only an adoption wants to know.
async fn said(
    runner: &dyn Runner,
    client: &Client,
    endpoint: (IpAddr, u16),
) -> Result<Said, Fault> {
    let (command, finished) = client.read(runner, endpoint, &[], FOUND).await?;
    psql::parse_sections(&finished.stdout)
        .and_then(|sections| parse_said(&sections))
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stdout))
}

fn parse_said(sections: &Sections) -> Result<Said, psql::ParseError> {
    let files = sections.get("files")?.one()?;
    let mut said = Said {
        data_directory: files.text("data_directory")?.to_owned(),
        config_file: files.text("config_file")?.to_owned(),
        hba_file: files.text("hba_file")?.to_owned(),
        log_directory: files.text("log_directory")?.to_owned(),
        addresses: Vec::new(),
        obstacles: Vec::new(),
    };
    if !files.boolean("superuser")? {
        said.obstacles
            .push("the role repmgr is no superuser: readings and clones need it".to_owned());
    }
    // Not there for who is no superuser.
    let password = sections.find("password").and_then(|table| table.rows().next());
    if let Some(row) = password
        && !row.boolean("scram")?
    {
        said.obstacles.push(
            "the role repmgr has no scram-sha-256 password, which the rules of new members ask for: set \
             password_encryption, then its password anew"
                .to_owned(),
        );
    }
    let addresses = sections.find("addresses");
    for row in addresses.into_iter().flat_map(psql::Table::rows) {
        let host = row.text("host")?.to_owned();
        said.addresses.push(RepmgrAddress { node_id: row.number("node_id")?, host });
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Said, psql::ParseError> {
        parse_said(&psql::parse_sections(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_a_server_says_of_its_files_and_role_is_read() {
        let files = "#files\ndata_directory,config_file,hba_file,log_directory,superuser\n/d,/e/p.conf,/e/hba,log,t\n";
        let said = read(&format!(
            "{files}#password\nscram\nf\n#addresses\nnode_id,host\n1,10.0.0.1\n2,\n#end\n"
        ))
        .unwrap();
        assert_eq!(said.hba_file, "/e/hba");
        assert_eq!(said.obstacles.len(), 1, "{:?}", said.obstacles);
        assert_eq!(said.addresses.len(), 2);
        assert_eq!(said.log_directory, "log");
        let weak = read(&files.replace(",t\n", ",f\n")).unwrap();
        assert!(weak.obstacles.first().unwrap().contains("superuser"));
        assert!(read("#files\n").is_err());
    }
}
