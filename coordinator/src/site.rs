//! A site's directory: made once by `bellows init`, read by `bellows serve`.
//!
//! ```text
//! SITE/site.toml                                   what `serve` listens on, where its data is
//! SITE/identity/authority.crt, authority.key       the certificate authority
//! SITE/identity/next-authority.*, rotation.json    another one, while the site goes over to it
//! SITE/identity/coordinator.crt, coordinator.key   what `serve` shows (its chain ends in the authority)
//! SITE/admin/admin.crt, admin.key, authority.crt   for a command line on another machine
//! SITE/data/                                       the store
//! ```
//!
//! All for their owner only. It knows no gRPC and no engine.

mod config;
mod files;
mod own;
mod reader;
mod rotation;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bellows_proto::{identity::Role, tls::Credentials};

pub use config::{Config, Listen};
pub use own::keep_own;
pub use reader::{Mistake, Mistakes};
pub use rotation::{begin_rotation, end_rotation, note_rotation};

use crate::{
    ca::{Authorities, Authority, CaError},
    store::{Store, StoreError},
};

/// The coordinator's name in its certificate.
pub const COORDINATOR: &str = "coordinator";
/// The name of the first administrator's set of files.
pub const FIRST_ADMIN: &str = "admin";
/// The configuration's file name.
pub const CONFIG_FILE: &str = "site.toml";

/// Why a site cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Never overwritten.
    #[error("there is a site in {} already: it is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A private key is never overwritten.
    #[error("{} is there already: it is not overwritten", .0.display())]
    KeyExists(PathBuf),
    /// Something of ours, but no `site.toml`.
    #[error(
        "{} is left from an init that was interrupted: remove it, then run init again",
        .0.display()
    )]
    Interrupted(PathBuf),
    /// No `site.toml`.
    #[error("there is no site in {}: `bellows init` makes one", .0.display())]
    Absent(PathBuf),
    /// All mistakes of `site.toml` at once.
    #[error("{} has mistakes:\n{mistakes}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// One line each.
        mistakes: Mistakes,
    },
    /// Others could read a key.
    #[error("{} can be read by others than its owner: chmod 600 it", .0.display())]
    Exposed(PathBuf),
    /// A file or directory.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// "read", "write", ...
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The authority.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SiteError {
    pub(crate) fn io(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// What `bellows init` is told.
#[derive(Debug, Clone)]
pub struct Init {
    /// The site's directory, made if it is missing. An absolute path.
    pub directory: PathBuf,
    /// The site's name, for the eyes: a-z, 0-9 and '-', beginning with a letter.
    pub name: String,
    /// Where the API listens for command lines on other machines; `None`: it does not.
    pub api: Option<SocketAddr>,
    /// Where agents enrol.
    pub enrolment: SocketAddr,
    /// HOST:PORT that agents reach the enrolment listener at; `None`: as it listens.
    pub enrolment_address: Option<String>,
    /// The socket of the local command line; `None`: `bellows.sock` in the directory.
    pub socket: Option<PathBuf>,
    /// Where the store lives; `None`: `data` in the directory.
    pub data_dir: Option<PathBuf>,
}

/// What `bellows init` made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// UUID of the site.
    pub site_id: String,
    /// SHA-256 of the authority's certificate, hexadecimal.
    pub fingerprint: String,
    /// The configuration of `bellows serve`.
    pub config: PathBuf,
    /// The administrator's set of files for a command line on another machine.
    pub admin: PathBuf,
}

/// Makes a site: authority, the coordinator's and the first administrator's certificates, an
/// empty store, and last of all `site.toml`.
///
/// # Errors
/// If there is one already, one was half made, an option is not valid (all at once), or a file
/// cannot be written.
pub fn init(init: &Init, now_ms: i64) -> Result<Made, SiteError> {
    let directory = init.directory.as_path();
    let path = directory.join(CONFIG_FILE);
    refuse_existing(directory, &path)?;
    let site_id = new_site_id()?;
    let config = Config::from_init(init, &site_id);
    let text = config.to_toml();
    // What serve would refuse is not written.
    let config = Config::parse(&text)
        .map_err(|mistakes| SiteError::Config { path: path.clone(), mistakes })?;

    files::make_dirs(directory)?;
    let fingerprint = make_identities(directory, &site_id, now_ms)?;
    files::make_dirs(&config.data_dir)?;
    drop(Store::create(&config.store_dir(), &site_id)?);
    files::write(&path, text.as_bytes())?;
    Ok(Made { site_id, fingerprint, config: path, admin: directory.join("admin") })
}

fn refuse_existing(directory: &Path, config: &Path) -> Result<(), SiteError> {
    if files::exists(config)? {
        return Err(SiteError::Exists(directory.to_owned()));
    }
    for left in ["identity", "admin"] {
        let left = directory.join(left);
        if files::exists(&left)? {
            return Err(SiteError::Interrupted(left));
        }
    }
    Ok(())
}

fn new_site_id() -> Result<String, SiteError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| CaError::System("random bytes"))?;
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Ok(id.to_string())
}

/// Writes all keys and certificates; returns the authority's fingerprint.
fn make_identities(directory: &Path, site_id: &str, now_ms: i64) -> Result<String, SiteError> {
    let made = Authority::create(site_id, now_ms)?;
    let authority = Authority::load(site_id, &made.certificate, &made.private_key)?;
    let coordinator = authority.issue(Role::Coordinator, COORDINATOR, now_ms)?;
    let admin = authority.issue(Role::Admin, FIRST_ADMIN, now_ms)?;

    let identity = directory.join("identity");
    files::make_dir(&identity)?;
    let write = |dir: &Path, name: &str, text: &str| files::write(&dir.join(name), text.as_bytes());
    write(&identity, "authority.key", &made.private_key)?;
    write(&identity, "authority.crt", &made.certificate)?;
    write(&identity, "coordinator.key", &coordinator.private_key)?;
    let chain = format!("{}{}", coordinator.certificate, made.certificate);
    write(&identity, "coordinator.crt", &chain)?;

    let dir = directory.join("admin");
    files::make_dir(&dir)?;
    write(&dir, "admin.key", &admin.private_key)?;
    write(&dir, "admin.crt", &admin.certificate)?;
    write(&dir, "authority.crt", &made.certificate)?;
    Ok(authority.fingerprint().to_owned())
}

/// A site as `bellows serve` uses it. The store is opened apart: [`Store::open`] at
/// [`Config::store_dir`].
#[derive(Debug)]
pub struct Site {
    /// Of `site.toml`.
    pub config: Config,
    /// Who signs what is issued here, and who is trusted.
    pub authorities: Authorities,
    /// What `serve` shows to agents and command lines, and whom it trusts.
    pub credentials: Credentials,
}

impl Site {
    /// Reads a site's directory.
    ///
    /// # Errors
    /// If there is none, its configuration has mistakes, or its keys cannot be used.
    pub fn load(directory: &Path) -> Result<Self, SiteError> {
        let config = Self::load_config(directory)?;
        let identity = directory.join("identity");
        own::finish(&identity)?;
        let authorities = rotation::load(&identity, &config.site_id)?;
        let credentials = Credentials {
            certificate: files::read(&identity.join("coordinator.crt"))?,
            private_key: files::read_key(&identity.join("coordinator.key"))?.to_string(),
            authority: authorities.bundle(),
        };
        Ok(Self { config, authorities, credentials })
    }

    /// Reads `site.toml` only: for `check-config` and for finding the socket.
    ///
    /// # Errors
    /// If there is none or it has mistakes: all of them.
    pub fn load_config(directory: &Path) -> Result<Config, SiteError> {
        let path = directory.join(CONFIG_FILE);
        if !files::exists(&path)? {
            return Err(SiteError::Absent(directory.to_owned()));
        }
        let text = files::read(&path)?;
        Config::parse(&text).map_err(|mistakes| SiteError::Config { path, mistakes })
    }
}

/// The set of files of a command line: `NAME.crt`, `NAME.key` and `authority.crt` in a directory.
///
/// # Errors
/// If a file is missing, or the key can be read by others.
pub fn load_user(directory: &Path, name: &str) -> Result<Credentials, SiteError> {
    Ok(Credentials {
        certificate: files::read(&directory.join(format!("{name}.crt")))?,
        private_key: files::read_key(&directory.join(format!("{name}.key")))?.to_string(),
        authority: files::read(&directory.join("authority.crt"))?,
    })
}

/// The certificates in a site's `admin` folder, PEM: made by `bellows init`. One that cannot be read is none.
pub fn first_users(directory: &Path) -> Vec<String> {
    let certificate = directory.join("admin").join(format!("{FIRST_ADMIN}.crt"));
    files::read(&certificate).into_iter().collect()
}

/// Makes the folder for a user's set of files; one that is there must not have a NAME.key.
///
/// # Errors
/// If it cannot be made, or is taken.
pub fn make_user_folder(directory: &Path, name: &str) -> Result<(), SiteError> {
    files::make_dirs(directory)?;
    let key = directory.join(format!("{name}.key"));
    if files::exists(&key)? { Err(SiteError::KeyExists(key)) } else { Ok(()) }
}

/// Writes the set of files that [`load_user`] reads.
///
/// # Errors
/// If a file cannot be written.
pub fn keep_user(directory: &Path, name: &str, user: &Credentials) -> Result<(), SiteError> {
    let write = |file: &str, text: &str| files::write(&directory.join(file), text.as_bytes());
    write(&format!("{name}.key"), &user.private_key)?;
    write(&format!("{name}.crt"), &user.certificate)?;
    write("authority.crt", &user.authority)
}

#[cfg(test)]
mod tests;
