//! The commands that add a host which has no ssh: to be carried there and pasted. Pure.

use std::net::IpAddr;

use bellows_proto::names::HostName;

use super::{
    add::config_text,
    bundle::Agent,
    place,
    rules::{AGENT_PORT, SYSTEMD_FLOOR},
};

/// What the commands need to know.
pub struct Manual<'a> {
    /// The host's name at the site.
    pub host: &'a HostName,
    /// Where the coordinator shall dial it.
    pub address: IpAddr,
    /// As `uname -m` says it there.
    pub architecture: &'a str,
    /// The agent for it.
    pub agent: &'a Agent,
    /// Lines for `agent.toml` after `[agent]`.
    pub systems: &'a str,
    /// Where agents enrol, HOST:PORT.
    pub enrolment: &'a str,
    /// Lets the host in, once.
    pub token: &'a str,
}

/// A script that stops at the first thing that is wrong, before anything is changed where it can. The
/// token and the unit stand in it; nothing of it is an argument of a program.
pub fn commands(manual: &Manual<'_>) -> String {
    let Manual { host, address, architecture, agent, systems, enrolment, token } = manual;
    let config = config_text(host, *address, "", systems);
    let unit = String::from_utf8_lossy(&agent.unit.bytes);
    let (program, digest) = (agent.program.path.display(), &agent.program.digest);
    let (to, toml, unit_path, data) = (place::PROGRAM, place::CONFIG, place::UNIT, place::DATA);
    let (old_path, old) = (place::OLD_UNIT_PATH, place::OLD_UNIT);
    format!(
        "# 1. Carry this file to {host}, into the folder where you go on: {program}\n\
         # 2. There, as root, paste the rest. It lets the host in once; keep it to yourself.\n\
         sh -eu -s <<'BELLOWS_ADD'\n\
         stop() {{ echo \"bellows: $*; nothing was changed\" >&2; exit 1; }}\n\
         umask 077\n\
         [ \"$(id -u)\" = 0 ] || stop 'root is needed'\n\
         [ \"$(uname -m)\" = {architecture} ] || stop \"this agent is for {architecture}, this machine is $(uname -m)\"\n\
         [ -d /run/systemd/system ] || stop 'process 1 is not systemd'\n\
         [ ! -e {data}/identity/agent.crt ] || stop 'an agent is enrolled here already: {data}/identity'\n\
         [ ! -e {toml} ] || grep -qx 'host = \"{host}\"' {toml} || stop '{toml} is that of another host'\n\
         echo '{digest}  bellows-agent' | sha256sum -c - >/dev/null || stop 'bellows-agent in this folder is not the one that was to be carried here'\n\
         install -m 0755 bellows-agent {to}\n\
         mkdir -p /etc/bellows /usr/lib/systemd/system\n\
         chmod 0755 /etc/bellows\n\
         [ -e {toml} ] || cat >{toml} <<'BELLOWS_CONFIG'\n{config}BELLOWS_CONFIG\n\
         cat >{unit_path} <<'BELLOWS_UNIT'\n{unit}BELLOWS_UNIT\n\
         chmod 0644 {unit_path}\n\
         if [ \"$(systemctl --version | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p')\" -lt {SYSTEMD_FLOOR} ]; then\n\
         mkdir -p -m 0755 \"$(dirname {old_path})\"\n\
         cat >{old_path} <<'BELLOWS_OLD'\n{old}BELLOWS_OLD\n\
         chmod 0644 {old_path}\n\
         fi\n\
         {to} check-config --config {toml}\n\
         {to} enrol --config {toml} --coordinator {enrolment} --token - <<'BELLOWS_TOKEN'\n{token}\nBELLOWS_TOKEN\n\
         systemctl daemon-reload\n\
         systemctl enable --now bellows-agent\n\
         echo 'bellows: the agent runs. Let TCP port {AGENT_PORT} in from the coordinator.'\n\
         BELLOWS_ADD\n"
    )
}
