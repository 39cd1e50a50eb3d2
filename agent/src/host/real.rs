//! The real machine.

use camino::{Utf8Path, Utf8PathBuf};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    Access, Host, HostError, HttpError, HttpReply, HttpRequest, Mark, Metadata, ProcessId, Signal,
    Space, exchange,
    files::{self, failed},
    http, processes,
};
use crate::exec::{self, Finished, Invocation, Sink};

/// The machine that we run on.
#[derive(Debug, Clone)]
pub struct RealHost {
    own_program: Utf8PathBuf,
}

impl RealHost {
    /// `own_program` is the path of `bellows-agent`, which starts other programs.
    pub fn new(own_program: impl Into<Utf8PathBuf>) -> Self {
        Self { own_program: own_program.into() }
    }
}

impl Host for RealHost {
    fn read(&self, path: &Utf8Path, limit: u64) -> Result<Option<Vec<u8>>, HostError> {
        files::read(path, limit).map_err(failed("read", path))
    }

    fn read_guarded(
        &self,
        path: &Utf8Path,
        limit: u64,
    ) -> Result<Option<(Vec<u8>, Metadata)>, HostError> {
        files::read_guarded(path, limit).map_err(failed("read", path))
    }

    fn read_at(
        &self,
        path: &Utf8Path,
        offset: u64,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, HostError> {
        files::read_at(path, offset, limit).map_err(failed("read", path))
    }

    fn write(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Result<(), HostError> {
        files::write(path, bytes, access).map_err(failed("write", path))
    }

    fn create(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Result<bool, HostError> {
        files::create(path, bytes, access).map_err(failed("make", path))
    }

    fn append(&self, path: &Utf8Path, bytes: &[u8]) -> Result<(), HostError> {
        files::append(path, bytes).map_err(failed("append to", path))
    }

    fn sync(&self, path: &Utf8Path) -> Result<(), HostError> {
        files::sync(path).map_err(failed("sync", path))
    }

    fn create_directory(&self, path: &Utf8Path, access: &Access) -> Result<(), HostError> {
        files::create_directory(path, access).map_err(failed("make directory", path))
    }

    fn remove_file(&self, path: &Utf8Path) -> Result<(), HostError> {
        files::remove_file(path).map_err(failed("remove", path))
    }

    fn remove_directory(&self, path: &Utf8Path) -> Result<(), HostError> {
        files::remove_directory(path).map_err(failed("remove directory", path))
    }

    fn remove_empty_directory(&self, path: &Utf8Path) -> Result<bool, HostError> {
        files::remove_empty_directory(path).map_err(failed("remove directory", path))
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<String>, HostError> {
        files::list(directory).map_err(failed("list", directory))
    }

    fn metadata(&self, path: &Utf8Path) -> Result<Option<Metadata>, HostError> {
        files::metadata(path).map_err(failed("look at", path))
    }

    fn space(&self, path: &Utf8Path) -> Result<Space, HostError> {
        files::space(path).map_err(failed("measure the file system of", path))
    }

    fn is_tmpfs(&self, path: &Utf8Path) -> Result<bool, HostError> {
        files::is_tmpfs(path).map_err(failed("look at the file system of", path))
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        cancel: &'a CancellationToken,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Finished, exec::Error>> {
        Box::pin(exec::run(&self.own_program, invocation, cancel, sink))
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
        Box::pin(async move {
            http::refuse_foreign(self, &request)?;
            exchange::exchange(request).await
        })
    }

    fn detach(&self, invocation: &Invocation) -> Result<ProcessId, exec::Error> {
        let pid = exec::detach(&self.own_program, invocation)?;
        // One that has ended already was started all the same; no process has the start time 0.
        Ok(processes::process(pid).unwrap_or(ProcessId { pid, started: 0 }))
    }

    fn signal(&self, process: ProcessId, signal: Signal) -> Result<bool, HostError> {
        let path = Utf8PathBuf::from(format!("/proc/{}", process.pid));
        processes::signal(process, signal).map_err(failed("signal", &path))
    }

    fn is_alive(&self, process: ProcessId) -> bool {
        processes::process(process.pid) == Some(process)
    }

    fn process(&self, pid: u32) -> Option<ProcessId> {
        processes::process(pid)
    }

    fn own_process(&self) -> Option<ProcessId> {
        processes::process(std::process::id())
    }

    fn marked(&self, mark: &Mark) -> Result<Vec<ProcessId>, HostError> {
        processes::marked(mark).map_err(failed("read", Utf8Path::new("/proc")))
    }

    fn become_subreaper(&self) -> Result<(), HostError> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| failed("become subreaper", Utf8Path::new("/proc/self"))(errno.into()))
    }

    fn uname(&self) -> (String, String) {
        let found = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        (text(found.release()), text(found.machine()))
    }
}
