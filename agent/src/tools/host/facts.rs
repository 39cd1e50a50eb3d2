//! Facts of the host that guards read.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, HostFacts};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    exec::Invocation,
    facilities::{Runner, claims},
    host::{Host, net},
    tools::QueryContext,
};

/// Small files of `/proc` and `/etc`.
const LIMIT: u64 = 64 * 1024;

pub(super) async fn facts(context: &QueryContext) -> Result<HostFacts, Fault> {
    let local = context.local();
    let host = local.host.as_ref();
    let (kernel, architecture) = host.uname();
    let mut nodes = Vec::new();
    for remembered in local.claims().all()? {
        nodes.push(claims::to_record(&remembered));
    }
    let addresses = net::addresses(host)?;
    Ok(HostFacts {
        os: pretty_name(&text(host, "/etc/os-release")?),
        architecture,
        c_library: c_library(context).await?,
        kernel,
        clock_ms: local.clock.now_ms(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        machine_id: machine_id(host)?,
        boot_id: boot_id(host)?,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        launch_form: local.form.as_str().to_owned(),
        systems: crate::tools::facts(context).await,
        nodes,
        mode: local.config.agent.mode.as_str().to_owned(),
        page_size: u32::try_from(rustix::param::page_size()).unwrap_or_default(),
    })
}

/// As `uname -m`.
pub fn architecture(host: &dyn Host) -> String {
    host.uname().1
}

/// Of this boot; empty where the kernel tells none.
///
/// # Errors
/// If it cannot be read.
pub fn boot_id(host: &dyn Host) -> Result<String, Fault> {
    Ok(text(host, "/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// From `/etc/machine-id`; empty where there is none.
///
/// # Errors
/// If it cannot be read.
pub fn machine_id(host: &dyn Host) -> Result<String, Fault> {
    Ok(text(host, "/etc/machine-id")?.trim().to_owned())
}

fn text(host: &dyn Host, path: &str) -> Result<String, Fault> {
    let bytes = host.read(Utf8Path::new(path), LIMIT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn pretty_name(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|value| value.trim_matches(['"', '\'']).to_owned())
        .unwrap_or_default()
}

/// Part of the C library's package.
const GETCONF: &str = "/usr/bin/getconf";

/// "glibc 2.36". An upgrade does not restart the agent, and a collation version that changed under
/// a database matters: so it is remembered only while the library's file stays as it is.
async fn c_library(runner: &dyn Runner) -> Result<String, Fault> {
    let local = runner.local();
    let file = library_file(local.host.as_ref());
    if let Some(known) = local.versions.of(local, &file) {
        return Ok(known);
    }
    let invocation = Invocation::new(GETCONF, ["GNU_LIBC_VERSION"], Duration::from_secs(2));
    let command = invocation.command();
    let finished = runner.read(invocation).await?;
    let version = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
    if !finished.success() || !version.starts_with("glibc ") {
        return Err(Fault::new(
            FaultCode::Unreadable,
            "the version of the C library cannot be read",
        )
        .tool(&command, finished.status, &finished.stderr));
    }
    local.versions.put(local, &file, &version);
    Ok(version)
}

/// Where the distributions have it; else the program that prints its version: they come together.
fn library_file(host: &dyn Host) -> Utf8PathBuf {
    let triplet = format!("/lib/{}-linux-gnu/libc.so.6", architecture(host));
    [triplet.as_str(), "/lib64/libc.so.6"]
        .into_iter()
        .find(|path| matches!(host.metadata(Utf8Path::new(path)), Ok(Some(_))))
        .unwrap_or(GETCONF)
        .into()
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;
    use crate::{
        exec::Finished,
        facilities::Local,
        host::{HttpError, HttpReply, HttpRequest},
    };

    /// A `getconf` that prints what it is told.
    struct Getconf(Local, &'static str);

    impl Runner for Getconf {
        fn local(&self) -> &Local {
            &self.0
        }

        fn run(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
            self.read(invocation)
        }

        fn read(&self, _: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
            let stdout = self.1.as_bytes().to_vec();
            let (stderr, signal, stdout_cut) = (Vec::new(), None, false);
            let finished = Finished { status: Some(0), signal, stdout, stdout_cut, stderr };
            Box::pin(async move { Ok(finished) })
        }

        fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
            self.0.host.http(request)
        }
    }

    #[tokio::test]
    async fn an_upgrade_of_the_c_library_is_seen_without_a_restart() {
        let text = "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\n";
        let config = crate::config::parse(Utf8Path::new("agent.toml"), text).unwrap();
        let mut local = crate::run::local(config).unwrap();
        let ask = async |local: &Local, text| c_library(&Getconf(local.clone(), text)).await;
        assert_eq!(ask(&local, "glibc 2.36\n").await.unwrap(), "glibc 2.36");
        // Remembered.
        assert_eq!(ask(&local, "glibc 2.39\n").await.unwrap(), "glibc 2.36");
        // As after a minute, or with another file: what was remembered does not count.
        local.versions = std::sync::Arc::default();
        assert_eq!(ask(&local, "glibc 2.39\n").await.unwrap(), "glibc 2.39");
        local.versions = std::sync::Arc::default();
        assert!(ask(&local, "musl\n").await.is_err());
    }

    #[test]
    fn the_name_of_the_os_is_unquoted() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(text), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(pretty_name("rubbish"), "");
    }
}
