//! A coordinator in a temporary folder, on ports of its own, as `bellows serve` runs it.
#![allow(dead_code, missing_docs)] // not every test uses all of it

use std::sync::Arc;

use bellows::{
    api::unix,
    clock::now_ms,
    plan::Systems,
    serve::{App, Listeners, ServeError, serve_on},
    site::{COORDINATOR, Init, Site, init},
};
use bellows_proto::{
    identity::{Identity, Role},
    tls,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

pub struct Running {
    pub folder: tempfile::TempDir,
    pub site: Site,
    pub remote: String,
    pub enrolment: String,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub async fn start(systems: impl Systems) -> Self {
        Self::prepared(systems, |_| {}).await
    }

    /// `prepare` may write into the store before the coordinator opens it.
    pub async fn prepared(systems: impl Systems, prepare: impl FnOnce(&Site)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let what = Init {
            directory: folder.path().join("site"),
            name: "test".into(),
            api: None,
            enrolment: "127.0.0.1:1".parse().unwrap(),
            enrolment_address: None,
            socket: None,
            data_dir: None,
        };
        init(&what, now_ms()).unwrap();
        let site = Site::load(&what.directory).unwrap();
        prepare(&site);
        let app = App::build(&what.directory, systems).unwrap();
        let remote = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let enrolment = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote_at = remote.local_addr().unwrap().to_string();
        let enrolment_at = enrolment.local_addr().unwrap().to_string();
        let local = unix::listen(&site.config.listen.socket).unwrap();
        let listeners = Listeners { local, remote: Some(remote), enrolment };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve_on(app, listeners, false, stop.clone()));
        Self { folder, site, remote: remote_at, enrolment: enrolment_at, stop, serving }
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }

    pub fn server_name(&self) -> String {
        let site = self.site.config.site_id.clone();
        Identity { site, role: Role::Coordinator, name: COORDINATOR.into() }.dns_name()
    }

    /// Trusts the site's authority and shows nothing.
    pub fn without_certificate(&self, address: &str) -> Channel {
        let mut roots = rustls::RootCertStore::empty();
        let pem = self.site.authorities.own().certificate().as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .unwrap();
        let config = tls::pinned_client_config(verifier).unwrap();
        let deadline = std::time::Duration::from_secs(3);
        tls::channel(address, &self.server_name(), config, deadline).unwrap()
    }
}

/// The API on the unix socket.
pub fn through_socket(running: &Running) -> Channel {
    let path = running.site.config.listen.socket.clone();
    tonic::transport::Endpoint::from_static("http://coordinator").connect_with_connector_lazy(
        tower::service_fn(move |_: http::Uri| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
            }
        }),
    )
}
