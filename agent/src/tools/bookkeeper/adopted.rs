//! A bookie that was there before Bellows: what its configuration makes of it, and why it cannot be adopted so. Pure but for
//! the host's own address.

use std::net::{IpAddr, Ipv4Addr};

use bellows_proto::v1::BookkeeperPlacement;
use camino::Utf8Path;

use super::{conf::Conf, place, values};
use crate::{config::BookkeeperConfig, facilities::Local, tools::values::QuietPath};

/// Of BookKeeper, where the configuration is silent.
const PORT: u16 = 3181;
const HTTP_PORT: u16 = 8080;
const DIRECTORY: &str = "/tmp/bk-txn";
const LEDGERS: &str = "/tmp/bk-data";
/// What the HTTP admin API needs.
const HTTP_ON: &str = "httpServerEnabled=true\nhttpServerHost=127.0.0.1\nhttpServerPort=8080";

/// A bookie as its configuration has it.
#[derive(Debug)]
pub(super) struct Adopted {
    /// Where it lives.
    pub placement: BookkeeperPlacement,
    /// Why it cannot be adopted as it is, a sentence each.
    pub obstacles: Vec<String>,
    /// Of these what is in the way of its HTTP admin API, which has lines of its own that mend it.
    pub http_obstacles: Vec<String>,
}

/// Reads it out of its configuration.
pub(super) fn placement(
    local: &Local,
    section: &BookkeeperConfig,
    conf_file: &Utf8Path,
    unit: &str,
    conf: &Conf,
) -> Adopted {
    let mut obstacles = conf.troubles();
    let mut http_obstacles = admin_api(conf);
    let mut port = |key: &str, default: u16| {
        let port = conf.port(key).unwrap_or_else(|why| {
            obstacles.push(why);
            None
        });
        u32::from(port.unwrap_or(default))
    };
    let (bookie_port, http_port) = (port("bookiePort", PORT), port("httpServerPort", HTTP_PORT));
    let journals = conf.list("journalDirectories");
    let journals = if journals.is_empty() { conf.list("journalDirectory") } else { journals };
    let or = |list: Vec<String>, default: &str| match list.is_empty() {
        true => vec![default.to_owned()],
        false => list,
    };
    let placement = BookkeeperPlacement {
        journal_dirs: or(journals, DIRECTORY),
        ledger_dirs: or(conf.list("ledgerDirectories"), LEDGERS),
        index_dirs: conf.list("indexDirectories"),
        conf_file: conf_file.to_string(),
        log_dir: section.log_root.to_string(),
        port: bookie_port,
        http_address: http_address(local, conf, &mut http_obstacles),
        http_port,
        unit: if local.form.has_units() { unit.to_owned() } else { String::new() },
        adopted: true,
        ..place::of_host(local, section)
    };
    obstacles.extend(identity(local, conf, bookie_port));
    for directory in [&placement.journal_dirs, &placement.ledger_dirs, &placement.index_dirs]
        .into_iter()
        .flatten()
    {
        if let Err(error) = QuietPath::new("its directory", directory) {
            obstacles.push(error.to_string());
        }
    }
    Adopted { placement, obstacles, http_obstacles }
}

/// Bellows knows a bookie by the host's address and its port.
fn identity(local: &Local, conf: &Conf, port: u32) -> Option<String> {
    let own = local.config.agent.address;
    let wanted =
        std::net::SocketAddr::new(own, u16::try_from(port).unwrap_or_default()).to_string();
    let told = match (conf.get("bookieId"), conf.get("advertisedAddress")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(address)) => format!("{address}:{port}"),
        (None, None) if conf.is_on("useHostNameAsBookieID") => {
            return Some(format!(
                "its id is its host name (useHostNameAsBookieID), and Bellows knows bookies by address and port: {wanted}"
            ));
        }
        // It takes an address of the host; its cookie says which.
        (None, None) => return None,
    };
    (told != wanted).then(|| other_id(&told, &wanted))
}

/// It is known under another id than Bellows would know it by.
pub(super) fn other_id(told: &str, wanted: &str) -> String {
    let told: String = told.chars().take(200).collect();
    let form = match values::bookie_id(&told) {
        Ok(_) => "[agent] address and bookiePort",
        Err(_) => "address and port, as Bellows knows bookies,",
    };
    format!("its id is {told:?}, and {form} make {wanted}")
}

fn admin_api(conf: &Conf) -> Vec<String> {
    let mut found = Vec::new();
    if !conf.is_on("httpServerEnabled") {
        found.push(format!(
            "its HTTP admin API is off; have these lines in its configuration and restart it: {}",
            HTTP_ON.replace('\n', ", ")
        ));
    }
    let tls = conf.is_on("httpServerTlsEnable") || conf.is_on("httpServerTlsEnabled");
    if tls {
        found.push("its HTTP admin API speaks TLS, which is not known here".to_owned());
    }
    found
}

/// Where its HTTP admin API is asked.
fn http_address(local: &Local, conf: &Conf, obstacles: &mut Vec<String>) -> String {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let told = conf.get("httpServerHost").unwrap_or("0.0.0.0");
    let own = local.config.agent.address;
    let address = match told.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => loopback,
        Ok(address) if address.is_loopback() || address == own => address,
        Err(_) if told == "localhost" => loopback,
        Ok(_) | Err(_) => {
            let told: String = told.chars().take(100).collect();
            obstacles.push(format!(
                "its httpServerHost is {told:?}, which is neither of loopback nor {own}"
            ));
            loopback
        }
    };
    address.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::place::tests::local, *};

    fn read(text: &str) -> Adopted {
        let local = local("adopt_conf_file = \"/etc/bk.conf\"");
        let section = place::section(&local).unwrap();
        let conf = Conf::read(text.as_bytes()).unwrap();
        placement(&local, section, Utf8Path::new("/etc/bk.conf"), "bookkeeper.service", &conf)
    }

    const PLAIN: &str = "advertisedAddress=10.0.0.4\nhttpServerEnabled=true\n\
        journalDirectories=/d/j\nledgerDirectories=/d/l1,/d/l2\nindexDirectories=/d/l1,/d/l2\n";

    #[test]
    fn a_plain_one_is_where_it_says() {
        let found = read(PLAIN);
        assert_eq!((found.obstacles, found.http_obstacles), (Vec::new(), Vec::new()));
        let place = found.placement;
        assert_eq!((place.port, place.http_port), (3181, 8080));
        assert_eq!(place.http_address, "127.0.0.1");
        assert_eq!(place.ledger_dirs, ["/d/l1", "/d/l2"]);
        assert_eq!(place.journal_dirs, ["/d/j"]);
        // There are no units in the process form.
        assert_eq!(place.unit, "");
        assert!(place.adopted);
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let with = |more: &str| read(&format!("{PLAIN}{more}")).obstacles.join("; ");
        let of_http = |text: &str| {
            let found = read(text);
            assert_eq!(found.obstacles, Vec::<String>::new());
            found.http_obstacles.join("; ")
        };
        let http_with = |more: &str| of_http(&format!("{PLAIN}{more}"));
        let off = of_http(&PLAIN.replace("httpServerEnabled=true", ""));
        assert!(off.contains("httpServerPort=8080"));
        assert!(with("bookieId=bookie-7\n").contains("\"bookie-7\""));
        assert!(with("bookieId=10.0.0.4:3182\n").contains("make 10.0.0.4:3181"));
        assert_eq!(with("bookieId=10.0.0.4:3181\n"), "");
        assert!(with("bookiePort=0\n").contains("no port"));
        assert!(http_with("httpServerHost=10.9.9.9\n").contains("neither of loopback"));
        assert_eq!(http_with("httpServerHost=10.0.0.4\n"), "");
        assert!(http_with("httpServerTlsEnable=true\n").contains("TLS"));
        let relative =
            read("advertisedAddress=10.0.0.4\nhttpServerEnabled=true\nledgerDirectories=data\n");
        assert!(relative.obstacles.iter().any(|why| why.contains("\"data\"")), "{relative:?}");
        let by_name = read("useHostNameAsBookieID=true\nhttpServerEnabled=true\n");
        assert!(by_name.obstacles.iter().any(|why| why.contains("host name")), "{by_name:?}");
    }
}
