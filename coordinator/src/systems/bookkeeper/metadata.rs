//! Where bookies keep their metadata, and that all keep them in one place: the service, and the instance that
//! a cookie names.

use super::view::{View, setting};
use bellows_proto::v1::BookkeeperReading;

/// The metadata service of a configuration, in one form: the servers in order, and the path.
///
/// # Errors
/// If it names none.
pub(super) fn service(reading: &BookkeeperReading) -> Result<String, String> {
    service_of(
        setting(reading, "metadataServiceUri"),
        setting(reading, "zkServers"),
        setting(reading, "zkLedgersRootPath"),
    )
}

/// The same of settings.
pub(super) fn service_of(
    uri: Option<&str>,
    servers: Option<&str>,
    root: Option<&str>,
) -> Result<String, String> {
    if let Some(uri) = uri.filter(|uri| !uri.is_empty()) {
        let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Ok(in_order(servers, path));
    }
    let servers = servers.filter(|servers| !servers.is_empty());
    let servers = servers.ok_or_else(|| "it names no metadata service".to_owned())?;
    Ok(in_order(servers, root.unwrap_or("/ledgers").trim_start_matches('/')))
}

fn in_order(servers: &str, path: &str) -> String {
    let mut servers: Vec<&str> =
        servers.split([';', ',']).map(str::trim).filter(|one| !one.is_empty()).collect();
    servers.sort_unstable();
    servers.dedup();
    format!("{}/{}", servers.join(";"), path.trim_end_matches('/'))
}

/// The one service and instance of these members: in words. Inner error: a difference; outer error:
/// something was not read.
pub(super) fn one_cluster(
    view: View<'_>,
    members: &[&str],
) -> Result<Result<String, String>, String> {
    let mut one: Option<(&str, String, &str)> = None;
    for node in members {
        let reading = view.reading(node)?;
        let service = service(reading).map_err(|why| format!("{node}: {why}"))?;
        let cookie = reading.cookie.as_ref().filter(|cookie| !cookie.instance.is_empty());
        let cookie = cookie.ok_or_else(|| format!("the cookie of {node} was not read"))?;
        match &one {
            None => one = Some((node, service, &cookie.instance)),
            Some((first, known, _)) if *known != service => {
                return Ok(Err(format!("{node} uses {service}, {first} uses {known}")));
            }
            Some((first, _, known)) if *known != cookie.instance => {
                return Ok(Err(format!(
                    "{node} is of the instance {}, {first} of {known}",
                    cookie.instance
                )));
            }
            Some(_) => {}
        }
    }
    let (_, service, instance) = one.ok_or_else(|| "no member is named".to_owned())?;
    Ok(Ok(format!("{service}, instance {instance}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_is_written_in_many_ways() {
        let is = |uri: &str| service_of(Some(uri), None, None);
        let wanted = Ok("zk1:2181;zk2:2181/ledgers".to_owned());
        assert_eq!(is("zk+hierarchical://zk1:2181;zk2:2181/ledgers"), wanted);
        assert_eq!(is("zk://zk2:2181;zk1:2181/ledgers/"), wanted);
        assert_eq!(service_of(None, Some("zk1:2181,zk2:2181"), None), wanted);
        assert_eq!(service_of(Some(""), Some("zk2:2181,zk1:2181"), Some("/ledgers")), wanted);
        assert_ne!(is("zk://zk1:2181;zk2:2181/other"), wanted);
        assert!(service_of(None, None, Some("/ledgers")).is_err());
    }
}
