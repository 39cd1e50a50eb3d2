//! The certificate that this agent shows, and its renewal while it serves.
//!
//! The key is made here and never leaves. What is taken is on disk before it is shown, shown before it
//! is kept, and the one before works until then: also after a restart, and when no confirmation comes.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bellows_proto::{
    digest,
    identity::Identity,
    tls::{self, Credentials, Live, TlsError},
    v1::{
        CertificateFacts, Fault, FaultCode, RenewCertificateReply, renew_certificate_request::Step,
    },
};
use rustls::ServerConfig;
use zeroize::Zeroizing;

use crate::{
    enrol,
    facilities::Local,
    host::{Access, HostError},
};

/// A certificate that nobody confirms is not shown for longer.
pub const TRIAL: Duration = Duration::from_secs(600);
/// The largest certificate that is taken, bytes.
const LARGEST: usize = 64 * 1024;
/// On disk while it is on trial.
const TRIED: [&str; 2] = ["agent.key.tried", "agent.crt.tried"];

/// What this agent shows. Clones share it.
#[derive(Clone)]
pub struct Shown(Arc<Inner>);

struct Inner {
    local: Local,
    own: Identity,
    live: Live<ServerConfig>,
    state: Mutex<State>,
}

struct State {
    /// As it is on disk.
    kept: Credentials,
    /// The private key of the last offer.
    offered: Option<Zeroizing<String>>,
    /// Shown instead of what is kept.
    tried: Option<Credentials>,
}

impl State {
    fn facts(&self) -> Result<CertificateFacts, TlsError> {
        tls::certificate_facts(&self.tried.as_ref().unwrap_or(&self.kept).certificate)
    }
}

impl Shown {
    /// Shows what enrolment, or the last renewal, left on disk.
    ///
    /// # Errors
    /// If key and certificate do not belong together.
    pub fn new(local: Local, own: Identity, kept: Credentials) -> Result<Self, TlsError> {
        let live = Live::from(tls::server_config(&kept)?);
        let state = Mutex::new(State { kept, offered: None, tried: None });
        let inner = Inner { local, own, live, state };
        // What was on trial when the agent ended was not confirmed.
        if let Err(error) = inner.sweep() {
            tracing::warn!(%error, "a certificate that was on trial is still on disk");
        }
        Ok(Self(Arc::new(inner)))
    }

    /// For the listener: what new connections are made with.
    pub fn live(&self) -> Live<ServerConfig> {
        self.0.live.clone()
    }

    /// What is shown at new connections; `None`: it cannot be read.
    pub fn facts(&self) -> Option<CertificateFacts> {
        self.0.state().facts().ok()
    }

    /// One step of a renewal. Each may be repeated.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if the certificate is not what was offered a key for, `FAULT_CODE_CONFLICT`
    /// if the step does not fit what was done before, `FAULT_CODE_IO`. What is kept still works.
    pub fn renew(&self, step: Step) -> Result<RenewCertificateReply, Fault> {
        let mut state = self.0.state();
        let certificate_request = match step {
            Step::Offer(_) => self.0.offer(&mut state)?,
            Step::Take(certificate) => {
                self.0.take(&mut state, &certificate)?;
                self.await_confirmation(certificate);
                String::new()
            }
            Step::Confirm(key) => {
                self.0.confirm(&mut state, &key)?;
                String::new()
            }
        };
        let shown = state.facts().map_err(|error| invalid(&error))?;
        Ok(RenewCertificateReply { certificate_request, shown: Some(shown) })
    }

    /// What nobody confirms was not seen: then what is kept is shown again.
    fn await_confirmation(&self, certificate: String) {
        let (inner, clock) = (Arc::downgrade(&self.0), Arc::clone(&self.0.local.clock));
        tokio::spawn(async move {
            clock.sleep(TRIAL).await;
            if let Some(inner) = Weak::upgrade(&inner) {
                inner.end_trial_of(&certificate);
            }
        });
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, state: &mut State) -> Result<String, Fault> {
        self.end_trial(state)?;
        let made = || -> Result<_, rcgen::Error> {
            let key = rcgen::KeyPair::generate()?;
            let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
            Ok((Zeroizing::new(key.serialize_pem()), request))
        };
        let (key, request) = made().map_err(|error| {
            Fault::new(FaultCode::Internal, format!("the key cannot be made: {error}"))
        })?;
        state.offered = Some(key);
        Ok(request)
    }

    fn take(&self, state: &mut State, certificate: &str) -> Result<(), Fault> {
        let taken = state.tried.as_ref().unwrap_or(&state.kept);
        if taken.certificate == certificate {
            return Ok(());
        }
        if certificate.len() > LARGEST {
            return Err(Fault::new(FaultCode::Invalid, "the certificate is too long"));
        }
        let Some(key) = &state.offered else {
            let text = "no key was offered for this certificate";
            return Err(Fault::new(FaultCode::Conflict, text));
        };
        let tried = Credentials {
            certificate: certificate.to_owned(),
            private_key: key.to_string(),
            authority: state.kept.authority.clone(),
        };
        // Refuses a certificate that does not belong to the key.
        let config = tls::server_config(&tried).map_err(|error| invalid(&error))?;
        tls::check_chain(certificate, &tried.authority, self.local.clock.now_ms())
            .map_err(|error| invalid(&error).remedy("look at the clocks of both machines"))?;
        let named = tls::certificate_identity(certificate).map_err(|error| invalid(&error))?;
        if named != self.own {
            let text = format!("the certificate is of {named}, this is {}", self.own);
            return Err(Fault::new(FaultCode::Invalid, text));
        }
        for (name, text) in TRIED.iter().zip([&tried.private_key, &tried.certificate]) {
            let path = self.local.config.identity_dir().join(name);
            self.local.host.write(&path, text.as_bytes(), &Access::PRIVATE).map_err(unwritten)?;
        }
        self.live.exchange(config);
        state.tried = Some(tried);
        tracing::info!("a new certificate is shown, on trial");
        Ok(())
    }

    fn confirm(&self, state: &mut State, key: &[u8]) -> Result<(), Fault> {
        let is_of = |credentials: &Credentials| {
            tls::certificate_facts(&credentials.certificate).is_ok_and(|facts| facts.key == key)
        };
        if state.tried.is_none() && is_of(&state.kept) {
            return Ok(());
        }
        let Some(tried) = state.tried.clone().filter(is_of) else {
            let text = format!("the key {} is not on trial here", digest::hex(key));
            return Err(Fault::new(FaultCode::Conflict, text));
        };
        // An earlier confirmation may have been cut off by a full disk.
        enrol::finish(&self.local).map_err(unwritten)?;
        // `bellows-agent enrol` may have run beside us: that word is the newer one.
        let (on_disk, _) = super::identity(&self.local).map_err(|error| {
            Fault::new(FaultCode::Io, error.to_string()).remedy("restart bellows-agent")
        })?;
        let ours = [&state.kept.certificate, &tried.certificate];
        if !ours.contains(&&on_disk.certificate) {
            let text = "this host was enrolled anew while its agent ran";
            return Err(Fault::new(FaultCode::Conflict, text).remedy("restart bellows-agent"));
        }
        enrol::replace(&self.local, &tried).map_err(unwritten)?;
        state.kept = tried;
        state.offered = None;
        state.tried = None;
        tracing::info!("the new certificate is kept");
        self.sweep().map_err(unwritten)
    }

    fn end_trial_of(&self, certificate: &str) {
        let mut state = self.state();
        if state.tried.as_ref().is_some_and(|tried| tried.certificate == certificate) {
            tracing::warn!("nobody confirmed the new certificate: the one before is shown again");
            if let Err(fault) = self.end_trial(&mut state) {
                tracing::error!(%fault, "the certificate on trial");
            }
        }
    }

    /// What is kept is shown again.
    fn end_trial(&self, state: &mut State) -> Result<(), Fault> {
        if state.tried.is_some() {
            self.live.exchange(tls::server_config(&state.kept).map_err(|error| invalid(&error))?);
            state.tried = None;
        }
        state.offered = None;
        self.sweep().map_err(unwritten)
    }

    fn sweep(&self) -> Result<(), HostError> {
        let folder = self.local.config.identity_dir();
        TRIED.iter().try_for_each(|name| self.local.host.remove_file(&folder.join(name)))
    }
}

fn invalid(error: &TlsError) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the certificate cannot be used: {error}"))
}

fn unwritten(error: HostError) -> Fault {
    Fault::new(FaultCode::Io, format!("the new certificate is not kept: {error}"))
        .remedy("look at the disk of the host: the old certificate works until its end")
}
