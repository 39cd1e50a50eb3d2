//! What `bellows host add` needs of the outside: logins on the hosts of the testbed, an ssh configuration
//! of the test's own, and the folder with the agent that is copied.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::{process, site::Cli, testbed::Host};

/// Users that may log in: root, one with sudo without a password, one that sudo asks for a password.
pub const USERS: [&str; 3] = ["root", "admin", "plain"];
const KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// The administrator's side.
#[derive(Debug)]
pub struct Admin {
    folder: PathBuf,
    public: String,
}

impl Admin {
    /// A key, an empty file of known hosts and a configuration that uses these alone, in `folder`.
    ///
    /// # Errors
    /// A file cannot be made.
    pub async fn new(folder: &Path) -> Result<Self> {
        let key = folder.join("id");
        let mut make = process::command("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
        process::run(make, std::time::Duration::from_secs(30)).await?.expect_code(0)?;
        let admin = Self {
            folder: folder.to_owned(),
            public: std::fs::read_to_string(key.with_extension("pub")).context("the key")?,
        };
        let config = format!(
            "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nIdentityFile {}\n\
             IdentitiesOnly yes\nIdentityAgent none\n",
            admin.known_hosts().display(),
            key.display()
        );
        std::fs::write(admin.config(), config).context("the configuration of ssh")?;
        Ok(admin)
    }

    /// The configuration, for `--ssh-config`.
    pub fn config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// The known hosts.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Lets it in on a host as each of [`USERS`], and starts sshd there. Returns the fingerprint of the host's
    /// key, as its console shows it.
    ///
    /// # Errors
    /// The host refuses.
    pub fn let_in(&self, host: &Host) -> Result<String> {
        let script = "set -e; for user in admin plain; do useradd --create-home --shell /bin/sh $user; done; \
             echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin; chmod 0440 /etc/sudoers.d/admin; \
             ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl start ssh";
        host.succeed(&["sh", "-c", script])?;
        for user in USERS {
            let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
            let keys = format!("{home}/.ssh/authorized_keys");
            host.put(&keys, self.public.as_bytes(), 0o600)?;
            let owner = format!("{user}:{user}");
            host.succeed(&["chmod", "0700", &format!("{home}/.ssh")])?;
            host.succeed(&["chown", "-R", &owner, &format!("{home}/.ssh")])?;
        }
        let shown = host.succeed(&["ssh-keygen", "-lf", &format!("{KEY}.pub")])?;
        Ok(shown.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    /// Records the host's key, as its console shows it.
    ///
    /// # Errors
    /// The host or the file refuses.
    pub fn know(&self, host: &Host) -> Result<()> {
        use std::io::Write as _;
        let key = host.get(&format!("{KEY}.pub"))?;
        let key = String::from_utf8(key).context("the host's key")?;
        let kind_and_key: Vec<&str> = key.split_whitespace().take(2).collect();
        let mut file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.known_hosts())
            .context("the known hosts")?;
        writeln!(file, "{} {}", host.address(), kind_and_key.join(" ")).context("the known hosts")
    }

    /// `bellows host add` with these words, this side's ssh and this folder of agents. Its temporary files
    /// are below the test's folder.
    pub fn add(&self, cli: &Cli, bundle: &Path, words: &[&str]) -> tokio::process::Command {
        let (config, bundle) = (self.config(), bundle.to_string_lossy().into_owned());
        let config = config.to_string_lossy();
        let fixed = ["host", "add", "--ssh-config", &config, "--bundle", &bundle, "--yes"];
        let mut command = cli.command(&[&fixed[..], words].concat());
        command.env("TMPDIR", &self.folder);
        command
    }

    /// Folders of logins that are still there.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn logins(&self) -> Result<usize> {
        let entries = std::fs::read_dir(&self.folder).context("the test's folder")?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| name.starts_with("bellows-ssh-")).count())
    }
}

/// A folder of agents as the package has it, with the agent that was built, without what only a debugger
/// reads.
///
/// # Errors
/// The agent was not built, or a file cannot be made.
pub async fn bundle(folder: &Path) -> Result<PathBuf> {
    let top = folder.join("agents");
    let place = top.join(env!("CARGO_PKG_VERSION")).join(std::env::consts::ARCH);
    std::fs::create_dir_all(&place).context("the folder of agents")?;
    let program = place.join("bellows-agent");
    let mut strip = process::command("strip");
    strip.arg("-o").arg(&program).arg(process::built("bellows-agent")?);
    process::run(strip, std::time::Duration::from_secs(60)).await?.expect_code(0)?;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, mode).context("the agent's mode")?;
    sums(&place)?;
    Ok(top)
}

/// The unit beside a program, and the digests of both.
fn sums(place: &Path) -> Result<()> {
    let unit = include_bytes!("../../packaging/systemd/bellows-agent.service");
    std::fs::write(place.join("bellows-agent.service"), unit).context("the agent's unit")?;
    let mut sums = String::new();
    for name in ["bellows-agent", "bellows-agent.service"] {
        let bytes = std::fs::read(place.join(name)).context("the agent")?;
        let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        sums.push_str(&format!("{digest}  {name}\n"));
    }
    std::fs::write(place.join("SHA256SUMS"), sums).context("the digests")
}

/// Puts another program in the place of the one of [`bundle`].
///
/// # Errors
/// A file cannot be written.
pub fn replace(bundle: &Path, program: &[u8]) -> Result<()> {
    let place = bundle.join(env!("CARGO_PKG_VERSION")).join(std::env::consts::ARCH);
    std::fs::write(place.join("bellows-agent"), program).context("the agent")?;
    sums(&place)
}
