//! What can go wrong with the store, and what to do then.

use std::path::{Path, PathBuf};

/// Why the store cannot do what it was asked.
///
/// Three kinds: it cannot be opened, it refuses (nothing was changed), or it failed. After a
/// failure ([`StoreError::is_fatal`]) nothing that it says can be relied upon: the process
/// ends, and recovery runs at its restart.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store.
    #[error(
        "there is no store at {}: `bellows init` makes one; if it was lost, restore a copy there before you start",
        .0.display()
    )]
    Absent(PathBuf),
    /// There is one already.
    #[error("there is a store at {} already: it is not overwritten", .0.display())]
    Exists(PathBuf),
    /// Something is in it.
    #[error(
        "the store at {} has {content} already: only an empty one can be made anew from what the agents keep",
        path.display()
    )]
    Occupied {
        /// The store.
        path: PathBuf,
        /// What is in it.
        content: String,
    },
    /// Another process has it open.
    #[error(
        "another bellows serve holds the store at {}: stop it first, two must never run on one store",
        .0.display()
    )]
    InUse(PathBuf),
    /// sled cannot read its files, even without its snapshot.
    #[error(
        "the store at {} is corrupt and was left as it is: move the directory aside and restore a copy of it ({reason})",
        path.display()
    )]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// sled's words.
        reason: String,
    },
    /// sled opened, and what every store begins with is not there.
    #[error(
        "the store at {} has lost its beginning: restore a copy of it; if `bellows init` was interrupted, remove the directory and run it again",
        .0.display()
    )]
    Emptied(PathBuf),
    /// A value in a format that this version does not know.
    #[error(
        "{what} is stored in format {found}, this version reads format 1: start the newer bellows that wrote it, or restore a copy"
    )]
    Format {
        /// Which value.
        what: String,
        /// Its format byte.
        found: u8,
    },
    /// A value that is not what was written.
    #[error("{what} is damaged in the store: {reason}")]
    Damaged {
        /// Which value.
        what: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A value beyond [`super::MAX_VALUE_BYTES`].
    #[error("{what} is too large to be stored: {bytes} bytes, at most {}", super::MAX_VALUE_BYTES)]
    TooLarge {
        /// Which value.
        what: String,
        /// Its size.
        bytes: usize,
    },
    /// A file that is no whole backup, or not of this site.
    #[error("{} cannot be restored, and nothing was changed: {reason}", file.display())]
    Backup {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file or directory beside sled.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// "open", "sync", ...
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// sled itself.
    #[error("the store's database failed")]
    Sled(#[from] sled::Error),
    /// It has failed before, and does nothing any more.
    #[error("the store failed earlier and does nothing more until a restart: {0}")]
    Failed(String),
    /// Not a UUIDv7 in its usual form.
    #[error("{0:?} is no operation id (a UUIDv7)")]
    OperationId(String),
    /// No such operation.
    #[error("there is no operation {0}")]
    OperationUnknown(String),
    /// Begun twice, or its first event does not say what begins.
    #[error("operation {operation} cannot begin: {reason}")]
    Begin {
        /// Its id.
        operation: String,
        /// Why.
        reason: &'static str,
    },
    /// Not the next number.
    #[error("operation {operation}: event {found} does not follow event {last}")]
    Sequence {
        /// Its id.
        operation: String,
        /// The last one stored.
        last: u64,
        /// The one that was to be appended.
        found: u64,
    },
    /// A lock is held by another operation.
    #[error("{resource} is held by operation {operation}: wait for it, or end it first")]
    Locked {
        /// e.g. "cluster/orders"
        resource: String,
        /// Who holds it.
        operation: String,
        /// Since when, milliseconds since 1970.
        since_ms: i64,
    },
    /// The spec has moved on.
    #[error("the spec of {cluster} is at version {found}, not {planned}: plan anew")]
    SpecVersion {
        /// Whose.
        cluster: String,
        /// The version that the caller started from.
        planned: u64,
        /// The store's; 0: there is none.
        found: u64,
    },
}

impl StoreError {
    /// The disk or database failed: the process must end. All else is a refusal that changed
    /// nothing.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Sled(_) | Self::Failed(_) => true,
            Self::Absent(_)
            | Self::Exists(_)
            | Self::Occupied { .. }
            | Self::InUse(_)
            | Self::Corrupt { .. }
            | Self::Emptied(_)
            | Self::Format { .. }
            | Self::Damaged { .. }
            | Self::Backup { .. }
            | Self::TooLarge { .. }
            | Self::OperationId(_)
            | Self::OperationUnknown(_)
            | Self::Begin { .. }
            | Self::Sequence { .. }
            | Self::Locked { .. }
            | Self::SpecVersion { .. } => false,
        }
    }

    /// With the whole chain of causes, in one line.
    pub fn with_causes(&self) -> String {
        bellows_proto::fault::chain(self)
    }

    pub(super) fn io(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
