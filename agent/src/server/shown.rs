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
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::{
    enrol,
    facilities::Local,
    host::{Access, HostError},
};

/// A certificate that nobody confirms is not shown for longer.
pub const TRIAL: Duration = Duration::from_secs(600);
/// How often it is looked whether `bellows-agent enrol` ran beside us.
pub const ENROLLED: Duration = Duration::from_secs(2);
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
    fn shown(&self) -> &Credentials {
        self.tried.as_ref().unwrap_or(&self.kept)
    }

    fn facts(&self) -> Result<CertificateFacts, TlsError> {
        let Credentials { certificate, authority, .. } = self.shown();
        let issuer = tls::issuer_among(certificate, authority);
        let authority = issuer.map(Vec::from).unwrap_or_default();
        Ok(CertificateFacts { authority, ..tls::certificate_facts(certificate)? })
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

    /// Takes over what `bellows-agent enrol` leaves on disk while this agent serves, until the end of the
    /// program: jobs and connections go on, new connections are shown the new certificate.
    pub async fn take_over(&self) {
        let mut told = None;
        loop {
            self.0.local.clock.sleep(ENROLLED).await;
            let seen = self.0.enrolled_anew();
            if matches!(seen, Ok(true)) {
                tracing::warn!("this host was enrolled anew: the new certificate is shown");
            }
            let wrong = seen.err();
            if let Some(reason) = wrong.as_ref().filter(|_| wrong != told) {
                tracing::error!(
                    reason,
                    "the identity on disk cannot be used: what was kept is shown"
                );
            }
            told = wrong;
        }
    }

    /// For the listener: what new connections are made with.
    pub fn live(&self) -> Live<ServerConfig> {
        self.0.live.clone()
    }

    /// What is shown at new connections; `None`: it cannot be read.
    pub fn facts(&self) -> Option<CertificateFacts> {
        self.0.state().facts().ok()
    }

    /// The fingerprints of the authorities that are trusted at new connections; empty: they cannot be read.
    pub fn authorities(&self) -> Vec<[u8; 32]> {
        tls::authorities(&self.0.state().kept.authority).unwrap_or_default()
    }

    /// One step of a renewal. Each may be repeated. `caller` is the certificate of whoever brings it.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if the certificate is not what was offered a key for, `FAULT_CODE_CONFLICT`
    /// if the step does not fit what was done before or would cut this agent off, `FAULT_CODE_IO`. What
    /// is kept still works.
    pub fn renew(
        &self,
        step: Step,
        caller: Option<&CertificateDer<'_>>,
    ) -> Result<RenewCertificateReply, Fault> {
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
            Step::Trust(trust) => {
                self.0.trust(&mut state, &trust.certificates, caller)?;
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
        self.still_ours(state)?;
        enrol::replace(&self.local, &tried).map_err(unwritten)?;
        state.kept = tried;
        state.offered = None;
        state.tried = None;
        tracing::info!("the new certificate is kept");
        self.sweep().map_err(unwritten)
    }

    /// What is on disk is what is shown: an earlier change may have been cut off by a full disk, and
    /// `bellows-agent enrol` may have run beside us: that word is the newer one.
    fn still_ours(&self, state: &State) -> Result<(), Fault> {
        enrol::finish(&self.local).map_err(unwritten)?;
        let (on_disk, _) = super::identity(&self.local).map_err(|error| {
            Fault::new(FaultCode::Io, error.to_string()).remedy("restart bellows-agent")
        })?;
        let ours = [&state.kept.certificate, &state.shown().certificate];
        if ours.contains(&&on_disk.certificate) {
            return Ok(());
        }
        let text = "this host was enrolled anew while its agent ran";
        Err(Fault::new(FaultCode::Conflict, text).remedy("restart bellows-agent"))
    }

    /// Trusts these authorities from now on, and no other. They are on disk before.
    fn trust(
        &self,
        state: &mut State,
        authorities: &str,
        caller: Option<&CertificateDer<'_>>,
    ) -> Result<(), Fault> {
        if authorities.len() > LARGEST {
            return Err(Fault::new(FaultCode::Invalid, "the list of authorities is too long"));
        }
        let new = tls::authorities(authorities).map_err(|error| invalid(&error))?;
        if tls::authorities(&state.kept.authority).is_ok_and(|known| known == new) {
            return Ok(());
        }
        let conflict = |text: &str| Err(Fault::new(FaultCode::Conflict, text));
        let now_ms = self.local.clock.now_ms();
        if !caller.is_some_and(|caller| tls::accepts(authorities, caller, now_ms)) {
            return conflict(
                "the certificate of whoever brings these authorities is of none of them",
            );
        }
        let own = [&state.kept, state.shown()];
        if own.iter().any(|own| tls::issuer_among(&own.certificate, authorities).is_none()) {
            return conflict("the certificate of this agent is of none of these authorities");
        }
        self.still_ours(state)?;
        let shown = Credentials { authority: authorities.to_owned(), ..state.shown().clone() };
        let config = tls::server_config(&shown).map_err(|error| invalid(&error))?;
        enrol::keep_authorities(&self.local, authorities).map_err(unwritten)?;
        self.live.exchange(config);
        authorities.clone_into(&mut state.kept.authority);
        if let Some(tried) = &mut state.tried {
            authorities.clone_into(&mut tried.authority);
        }
        tracing::info!(authorities = new.len(), "other authorities are trusted from now on");
        Ok(())
    }

    /// Shows what is on disk, if that is another one than was kept; `false`: it is not.
    fn enrolled_anew(&self) -> Result<bool, String> {
        let mut state = self.state();
        if enrol::is_unfinished(&self.local).map_err(|error| error.to_string())? {
            // Three files: they are read when all are in their place.
            return Ok(false);
        }
        let (on_disk, own) = super::identity(&self.local).map_err(|error| error.to_string())?;
        if on_disk.certificate == state.kept.certificate {
            return Ok(false);
        }
        if own != self.own {
            return Err(format!("it is of {own} of site {}: restart bellows-agent", own.site));
        }
        let config = tls::server_config(&on_disk).map_err(|error| error.to_string())?;
        self.live.exchange(config);
        *state = State { kept: on_disk, offered: None, tried: None };
        self.sweep().map_err(|error| error.to_string())?;
        Ok(true)
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
