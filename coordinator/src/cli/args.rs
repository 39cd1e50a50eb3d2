//! Arguments that several commands share.

use std::path::{Path, PathBuf};

use bellows_proto::{
    names::{HostName, NodeName},
    remarks,
    v1::{AcceptedGuard, AdoptFrom, KeyValue, NodeAt},
};

use super::{
    connect::{DEFAULT_SOCKET, Target},
    exit::Failure,
    output::Format,
};
use crate::site::Site;

/// Where a site is unless something else is said.
pub const DEFAULT_SITE: &str = "/var/lib/bellows";

/// Where the global options stand in `--help`.
const HEADING: &str = "Global options";
/// The socket, where no option says otherwise.
const SOCKET_VARIABLE: &str = "BELLOWS_SOCKET";
/// The site's folder, where no option says otherwise.
const SITE_VARIABLE: &str = "BELLOWS_SITE";

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// A site's folder on this machine [env: BELLOWS_SITE] [default: /var/lib/bellows]
    #[arg(long, global = true, value_name = "DIR", help_heading = HEADING)]
    pub site: Option<PathBuf>,
    /// The coordinator's socket [env: BELLOWS_SOCKET] [default: /run/bellows/bellows.sock, or the
    /// site's]
    #[arg(long, global = true, value_name = "PATH", help_heading = HEADING)]
    pub socket: Option<PathBuf>,
    /// A coordinator elsewhere
    #[arg(long, global = true, value_name = "HOST:PORT", requires = "identity", help_heading = HEADING)]
    pub server: Option<String>,
    /// The folder with NAME.crt, NAME.key and authority.crt to show to --server
    #[arg(long, global = true, value_name = "DIR", requires = "server", help_heading = HEADING)]
    pub identity: Option<PathBuf>,
    /// Form of the data on standard output; json is the proto3 JSON of the API's messages
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Format::Text,
        value_name = "text|json",
        hide_possible_values = true,
        help_heading = HEADING
    )]
    pub output: Format,
}

impl Global {
    /// Where the coordinator is.
    ///
    /// # Errors
    /// If the site's configuration is needed and cannot be read.
    pub fn target(&self) -> Result<Target, Failure> {
        if let (Some(address), Some(identity)) = (&self.server, &self.identity) {
            return Ok(Target::Server { address: address.clone(), identity: identity.clone() });
        }
        // What was typed goes before what the environment says.
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        if let Some(socket) = self.socket.clone() {
            return Ok(Target::Socket(socket));
        }
        if let Some(site) = &self.site {
            return socket_of(site);
        }
        match (variable(SOCKET_VARIABLE), variable(SITE_VARIABLE)) {
            (Some(socket), _) => Ok(Target::Socket(socket)),
            (None, Some(site)) => socket_of(&site),
            (None, None) => Ok(Target::Socket(usual_socket())),
        }
    }

    /// The site's folder, for `init` and `serve`.
    pub fn site_folder(&self) -> PathBuf {
        let variable = || std::env::var_os(SITE_VARIABLE).map(PathBuf::from);
        self.site.clone().or_else(variable).unwrap_or_else(|| DEFAULT_SITE.into())
    }
}

/// The usual place, or that of the site in the usual folder where nothing is there.
fn usual_socket() -> PathBuf {
    let usual = PathBuf::from(DEFAULT_SOCKET);
    if usual.exists() {
        return usual;
    }
    Site::load_config(Path::new(DEFAULT_SITE)).map_or(usual, |config| config.listen.socket)
}

fn socket_of(site: &Path) -> Result<Target, Failure> {
    let config = Site::load_config(site).map_err(|e| Failure::site(&e))?;
    Ok(Target::Socket(config.listen.socket))
}

/// `NODE@HOST`.
///
/// # Errors
/// If it has no '@', or one of the names is not valid.
pub fn node_at(text: &str) -> Result<NodeAt, String> {
    let (node, host) = text.split_once('@').ok_or("use the form NODE@HOST, e.g. pg4@db4")?;
    let node: NodeName = node.parse().map_err(|e| format!("{e}"))?;
    let host: HostName = host.parse().map_err(|e| format!("{e}"))?;
    Ok(NodeAt { node: node.to_string(), host: host.to_string() })
}

/// `HOST` or `HOST:PORT`.
///
/// # Errors
/// If the host's name is not valid, or what follows it is no port.
pub fn host_port(text: &str) -> Result<AdoptFrom, String> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => {
            let number = port.parse::<u16>().ok().filter(|port| *port != 0);
            let number =
                number.ok_or_else(|| format!("{port:?} is no port: use the form HOST:PORT"))?;
            (host, u32::from(number))
        }
        None => (text, 0),
    };
    let host: HostName = host.parse().map_err(|e| format!("{e}"))?;
    Ok(AdoptFrom { host: host.to_string(), port })
}

/// `key=value`.
///
/// # Errors
/// If it has no '=', or the key is empty.
pub fn key_value(text: &str) -> Result<KeyValue, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            Ok(KeyValue { key: key.to_owned(), value: value.to_owned() })
        }
        Some(_) | None => Err("use the form key=value".to_owned()),
    }
}

/// `CODE=REASON`.
///
/// # Errors
/// If it has no '=', the code is none of a guard, or there is no reason.
pub fn accepted(text: &str) -> Result<AcceptedGuard, String> {
    let (code, reason) =
        text.split_once('=').ok_or("use the form CODE=REASON, e.g. PG-50=\"they move tonight\"")?;
    remarks::accepted(code, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_accepted_with_a_reason() {
        let accepted_one = accepted("PG-50=a=b").unwrap();
        assert_eq!((accepted_one.code.as_str(), accepted_one.reason.as_str()), ("PG-50", "a=b"));
        assert!(accepted("PG-50").is_err() && accepted("PG-50=").is_err());
    }

    #[test]
    fn nodes_and_options_are_checked_at_the_edge() {
        assert_eq!(node_at("pg4@h4"), Ok(NodeAt { node: "pg4".into(), host: "h4".into() }));
        for bad in ["pg4", "pg4@", "@h4", "pg4@h4@h5", "PG@h4", "pg 4@h4"] {
            assert!(node_at(bad).is_err(), "{bad}");
        }
        assert_eq!(host_port("h4"), Ok(AdoptFrom { host: "h4".into(), port: 0 }));
        assert_eq!(host_port("h4:5433"), Ok(AdoptFrom { host: "h4".into(), port: 5433 }));
        for bad in ["", "h4:", "h4:0", "h4:65536", "H4", ":5432"] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
        let pair = key_value("a=b=c");
        assert_eq!(pair, Ok(KeyValue { key: "a".into(), value: "b=c".into() }));
        assert!(key_value("=b").is_err() && key_value("a").is_err());
    }
}
