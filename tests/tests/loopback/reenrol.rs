//! A host was off for longer than its certificate: it is let in again by token, while its agent runs and with all
//! that the coordinator knows of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_proto::{
    identity::{Identity, Role},
    tls::Credentials,
    v1::{HostSummary, ListHostsReply},
};
use bellows_tests::{process, site::Site};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType, date_time_ymd};

const LIMIT: Duration = Duration::from_secs(60);

/// A certificate of the site's authority for host `h1` that ended long ago.
fn ended(site: &mut Site) -> Result<Credentials> {
    let folder = site.coordinator().folder().to_owned();
    let read = |name: &str| std::fs::read_to_string(folder.join("identity").join(name));
    let (certificate, key) = (read("authority.crt")?, read("authority.key")?);
    let issuer = Issuer::from_ca_cert_pem(&certificate, KeyPair::from_pem(&key)?)?;
    let text = std::fs::read_to_string(folder.join("site.toml"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("id = ")).context("no id")?;
    let id = id.trim_matches('"').to_owned();
    let identity = Identity { site: id, role: Role::Agent, name: "h1".to_owned() };
    let mut params = CertificateParams::new(vec![identity.dns_name()])?;
    params.subject_alt_names.push(SanType::URI(identity.uri().try_into()?));
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let own = KeyPair::generate()?;
    Ok(Credentials {
        certificate: params.signed_by(&own, &issuer)?.pem(),
        private_key: own.serialize_pem(),
        authority: certificate,
    })
}

async fn host(site: &Site) -> Result<HostSummary> {
    let list: ListHostsReply = site.cli().json(&["host", "list"]).await?;
    list.hosts.into_iter().next().context("no host")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_off_for_too_long_is_let_in_while_its_agent_runs() {
    let mut site = Box::pin(Site::up(1, |_, _| Ok(String::new()))).await.unwrap();
    Box::pin(play(&mut site)).await.unwrap();
    site.down().unwrap();
}

async fn play(site: &mut Site) -> Result<()> {
    let before = host(site).await?;
    site.agent(0)?.kill().await?;
    let identity = ended(site)?;
    site.agent(0)?.place_identity(&identity)?;
    // The time of its boot: a copied channel of the coordinator is gone too.
    site.agent(0)?.start().await?;
    process::until("it is told why", LIMIT, || async {
        let now = host(site).await?;
        Ok(now.state != "connected"
            && serde_json::to_string(&now)?.contains("certificate ended on"))
    })
    .await?;
    let token = site.cli().token("h1").await?;
    let enrolment = site.coordinator().enrolment_address().to_owned();
    site.agent(0)?.enrol(&enrolment, &token).await?;
    site.connected().await?;
    let after = host(site).await?;
    ensure!((&after.host, &after.address) == (&before.host, &before.address));
    ensure!(after.identity_problem.is_empty(), "{}", after.identity_problem);
    Ok(())
}
