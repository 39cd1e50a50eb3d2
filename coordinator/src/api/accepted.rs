//! What is followed for long is told only as long as whoever follows it is accepted.

use bellows_proto::{fault::to_status, tls::Peer};
use tokio_stream::StreamExt as _;
use tonic::Request;

use super::Streamed;
use crate::inventory::Inventory;

/// SHA-256 of the public key of whoever called; `None`: over the unix socket.
pub(super) fn caller_key<T>(request: &Request<T>) -> Option<[u8; 32]> {
    request.extensions().get::<Peer>().and_then(|peer| peer.key)
}

/// The same stream, which ends with the reason as soon as its caller's certificate is revoked.
pub(super) fn while_accepted<T: Send + 'static>(
    inventory: Inventory,
    key: Option<[u8; 32]>,
    mut stream: Streamed<T>,
) -> Streamed<T> {
    let Some(key) = key else { return stream };
    Box::pin(async_stream::stream! {
        let mut refused = std::pin::pin!(inventory.until_refused(key));
        loop {
            tokio::select! {
                biased;
                fault = &mut refused => {
                    yield Err(to_status(&fault));
                    return;
                }
                item = stream.next() => match item {
                    Some(item) => yield item,
                    None => return,
                },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bellows_proto::{fault, v1::FaultCode};

    use super::*;
    use crate::{
        ca::{Authorities, Authority},
        store::{AccessRecord, Revocation, Store},
    };

    #[tokio::test]
    async fn it_ends_when_the_certificate_of_its_caller_is_revoked() {
        const SITE: &str = "0e4ecf5a-0000-4000-8000-000000000001";
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store"), SITE).unwrap();
        let made = Authority::create(SITE, 1_795_000_000_000).unwrap();
        let authority = Authority::load(SITE, &made.certificate, &made.private_key).unwrap();
        let authorities = Authorities::alone(Arc::new(authority));
        let inventory = Inventory::new(Arc::new(store), authorities);
        let follow = |key: Option<u8>| {
            let once = tokio_stream::once(Ok(1_u8)).chain(tokio_stream::pending());
            while_accepted(inventory.clone(), key.map(|key| [key; 32]), Box::pin(once))
        };
        let [mut bob, mut alice, mut root] = [Some(1), Some(2), None].map(follow);
        for stream in [&mut bob, &mut alice, &mut root] {
            assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        }
        let access =
            AccessRecord { key: vec![1; 32], name: "bob".into(), ..AccessRecord::default() };
        let why = Revocation { at_ms: 1, principal: "root".into(), reason: "laptop lost".into() };
        let revoking = inventory.clone();
        let (ended, ()) = tokio::join!(bob.next(), async move {
            tokio::task::yield_now().await;
            revoking.revoke_access(&access, &why).unwrap();
        });
        let told = fault::from_status(&ended.unwrap().unwrap_err(), "");
        assert_eq!(told.code(), FaultCode::Denied);
        assert!(told.message.contains("laptop lost"), "{told}");
        assert!(bob.next().await.is_none());
        for stream in [&mut alice, &mut root] {
            tokio::time::timeout(Duration::from_millis(100), stream.next()).await.unwrap_err();
        }
    }
}
