//! Grounds of every kind, for those who only put points on them.

use anyhow::{Error, Result};
use futures::future::{BoxFuture, FutureExt as _};

use super::{
    cluster::Cluster,
    ground::Ground,
    machines::{GROWING, Machines},
    play,
};

/// Where points are played.
pub trait Scene: Send + Sized + 'static {
    /// Makes it, with a cluster and a writer.
    ///
    /// # Errors
    /// Something does not come.
    fn up() -> BoxFuture<'static, Result<Self>>;

    /// An error, with what was seen of the operation and of the programs.
    fn story(&self, error: Error) -> BoxFuture<'_, Error>;

    /// Takes it away.
    ///
    /// # Errors
    /// Something is left.
    fn down(self) -> Result<()>;
}

impl Scene for Ground {
    fn up() -> BoxFuture<'static, Result<Self>> {
        Self::with_cluster().boxed()
    }

    fn story(&self, error: Error) -> BoxFuture<'_, Error> {
        play::with_story(self, error).boxed()
    }

    fn down(self) -> Result<()> {
        self.site.down()
    }
}

impl Scene for Machines {
    fn up() -> BoxFuture<'static, Result<Self>> {
        Self::up(GROWING).boxed()
    }

    fn story(&self, error: Error) -> BoxFuture<'_, Error> {
        async move { play::with_journal(&self.cli(), error).await }.boxed()
    }

    /// Its hosts are switched off, whatever runs there.
    fn down(self) -> Result<()> {
        Ok(())
    }
}

impl Scene for Cluster {
    fn up() -> BoxFuture<'static, Result<Self>> {
        Self::up().boxed()
    }

    fn story(&self, error: Error) -> BoxFuture<'_, Error> {
        async move { play::with_journal(&self.on.cli(), error).await }.boxed()
    }

    /// Its hosts are switched off, whatever runs there.
    fn down(self) -> Result<()> {
        Ok(())
    }
}
