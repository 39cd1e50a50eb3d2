//! The hosts that are to be added, as they are typed or stand in a file. Pure.

use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

use bellows_proto::names::HostName;

/// More at once are a mistake: a site is smaller.
const MOST: usize = 1000;

/// Where ssh goes: `user@address`, as the ssh program takes it.
///
/// It never begins with a dash, so that it is no option, and has no character that means something in
/// a pattern of ssh's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination(String);

impl Destination {
    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host in it: what `Host` lines of ssh's configuration are compared with.
    pub fn host(&self) -> &str {
        let text = self.0.strip_prefix("ssh://");
        let rest = text.unwrap_or(&self.0);
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        match (text, host.rsplit_once(':')) {
            (Some(_), Some((host, port))) if port.parse::<u16>().is_ok() => host,
            _ => host,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-@:%/+[]".contains(c);
        let found = Self(text.to_owned());
        let host = found.host();
        let good = text.chars().all(plain) && !text.starts_with('-');
        if !good || host.is_empty() || host.starts_with('-') || text.len() > 255 {
            return Err(format!("{text:?} is no destination: use the form user@address"));
        }
        Ok(found)
    }
}

/// One host that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name at this site.
    pub host: HostName,
    /// How it is reached by ssh.
    pub destination: Destination,
    /// Where the coordinator shall dial it; else the address that the login comes to.
    pub address: Option<IpAddr>,
}

/// Reads lines `NAME user@address [ADDRESS]`; empty ones and what follows `#` do not count.
///
/// # Errors
/// All lines that are wrong, with their numbers.
pub fn read(text: &str) -> Result<Vec<Wanted>, Vec<String>> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(line, _)| line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let read = match words.as_slice() {
            [] => continue,
            [host, destination] => one(host, destination, None),
            [host, destination, address] => one(host, destination, Some(address)),
            _ => Err("use the form NAME user@address [ADDRESS]".to_owned()),
        };
        match read {
            Ok(wanted) => found.push(wanted),
            Err(why) => wrong.push(format!("line {}: {why}", number + 1)),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn one(host: &str, destination: &str, address: Option<&str>) -> Result<Wanted, String> {
    let no_address = |text| format!("{text:?} is no IP address");
    let address = address.map(|text| text.parse().map_err(|_| no_address(text))).transpose()?;
    let host = host.parse().map_err(|error| format!("{error}"))?;
    Ok(Wanted { host, destination: destination.parse()?, address })
}

/// What is wrong with them together: none, too many, a name or a destination twice.
///
/// # Errors
/// Each of it in words.
pub fn check(wanted: &[Wanted]) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    if wanted.is_empty() {
        wrong.push("no host is named".to_owned());
    }
    if wanted.len() > MOST {
        wrong.push(format!("{} hosts are more than {MOST}", wanted.len()));
    }
    let (mut names, mut destinations) = (BTreeSet::new(), BTreeSet::new());
    for one in wanted {
        if !names.insert(one.host.as_str()) {
            wrong.push(format!("host {} is named twice", one.host));
        }
        if !destinations.insert(one.destination.as_str()) {
            wrong.push(format!("{} is named twice", one.destination));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_with_all_its_mistakes() {
        let good = "# ours\ndb1 root@10.0.0.1\n\n  db2  admin@db2.example 10.0.0.2 # new\n";
        let found = read(good).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].destination.as_str(), "admin@db2.example");
        assert_eq!(found[1].address, Some("10.0.0.2".parse().unwrap()));
        assert!(check(&found).is_ok());
        let wrong =
            read("db1\nDB2 root@a\ndb3 -oProxyCommand=x\ndb4 root@a b\ndb5 a b c d").unwrap_err();
        assert_eq!(wrong.len(), 5);
        assert!(wrong[2].starts_with("line 3: "), "{wrong:?}");
    }

    #[test]
    fn a_destination_is_no_option_and_no_pattern() {
        for (text, host) in [
            ("root@10.0.0.1", "10.0.0.1"),
            ("db1", "db1"),
            ("ssh://root@db1:2222", "db1"),
            ("root@fd00::1", "fd00::1"),
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().host(), host);
        }
        for bad in [
            "",
            "-oProxyCommand=x",
            "root@",
            "root@-x",
            "a b",
            "a*",
            "a?",
            "!a",
            "a,b",
            "a;b",
            "$a",
        ] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_named_twice() {
        let twice = read("db1 root@a\ndb1 root@b\ndb2 root@a").unwrap();
        assert_eq!(check(&twice).unwrap_err().len(), 2);
        assert!(check(&[]).is_err());
    }
}
