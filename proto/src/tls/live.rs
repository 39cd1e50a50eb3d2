//! What a connection is made with, exchanged while connections are open: those go on as they are.

use std::sync::{Arc, PoisonError, RwLock};

/// A TLS configuration that is looked at for each new connection. Clones share it.
#[derive(Debug)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// What new connections are made with now.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New connections are made with this from now on.
    pub fn exchange(&self, config: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<Arc<T>> for Live<T> {
    fn from(config: Arc<T>) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }
}
