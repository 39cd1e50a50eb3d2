//! The coordinator's unix socket: for root and the coordinator's own user only. Who is at the
//! other end is asked of the kernel (`SO_PEERCRED`) and judged by the access table.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
};

use tokio::net::UnixListener;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers there.
    #[error("another coordinator listens at {0}: stop it first, or give this site its own socket")]
    InUse(String),
    /// There is a file of another kind.
    #[error("{0} is there and is no socket: it is left as it is, use another path")]
    NotASocket(String),
    /// The path cannot be used.
    #[error("the socket {path} cannot be made")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Listens at `path`, mode 0600. A socket that a killed coordinator left is replaced.
///
/// # Errors
/// If somebody listens there already, or the path cannot be used.
pub fn listen(path: &Path) -> Result<UnixListener, SocketError> {
    let shown = path.display().to_string();
    let failed = |source| SocketError::Io { path: shown.clone(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(shown)),
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(SocketError::InUse(shown));
        }
        Ok(_) => fs::remove_file(path).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
        }
        Err(error) => return Err(failed(error)),
    }
    // Nobody else gets in between `bind` and `chmod`: the kernel makes it with this mode.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener.map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_left_over_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/bellows.sock");
        drop(listen(&path).unwrap());
        assert!(path.exists());
        let _live = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(listen(&path), Err(SocketError::InUse(_))));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(listen(&file), Err(SocketError::NotASocket(_))));
    }
}
