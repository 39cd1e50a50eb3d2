//! Users of the host, from `/etc/passwd` and `/etc/group`. Directory services are not asked:
//! the users of systems are local ones.

use std::io;

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Primary and supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

/// Looks a user up; `None`: there is no such user.
///
/// # Errors
/// If `/etc/passwd` or `/etc/group` cannot be read.
pub fn user(name: &str) -> io::Result<Option<User>> {
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let group = std::fs::read_to_string("/etc/group")?;
    Ok(parse(&passwd, &group, name))
}

fn parse(passwd: &str, group: &str, name: &str) -> Option<User> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let entry = passwd
        .lines()
        .map(fields)
        .find(|entry| entry.first().is_some_and(|first| first == name))?;
    let uid = entry.get(2)?.parse().ok()?;
    let gid = entry.get(3)?.parse().ok()?;
    let home = entry.get(5)?.clone();
    let mut groups = vec![gid];
    for entry in group.lines().map(fields) {
        let member =
            entry.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
        if let (true, Some(Ok(id))) = (member, entry.get(2).map(|id| id.parse()))
            && !groups.contains(&id)
        {
            groups.push(id);
        }
    }
    Some(User { uid, gid, groups, home })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\npostgres:x:105:113:PostgreSQL:/var/lib/postgresql:/bin/bash\nbad\n";
    const GROUP: &str =
        "root:x:0:\nssl-cert:x:112:postgres,www\npostgres:x:113:\nadm:x:4:xpostgres\n";

    #[test]
    fn users_come_with_their_groups() {
        assert_eq!(
            parse(PASSWD, GROUP, "postgres"),
            Some(User {
                uid: 105,
                gid: 113,
                groups: vec![113, 112],
                home: "/var/lib/postgresql".into(),
            })
        );
        assert_eq!(parse(PASSWD, GROUP, "bad"), None);
        assert_eq!(parse(PASSWD, GROUP, "post"), None);
    }
}
