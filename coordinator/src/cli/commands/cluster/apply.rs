//! `bellows cluster apply`: from a file, or an earlier version of the spec, to the operations that lead
//! there. Each is planned, shown and agreed to like any other.

use std::path::{Path, PathBuf};

use bellows_proto::v1::{
    ClusterHistory, GetClusterHistoryRequest, GetClusterRequest, ListClustersRequest,
    PlanIntentRequest, Spec,
};

use crate::cli::{
    Context,
    connect::Client,
    exit::{Exit, Failure},
    page::Tone,
    propose::{Agreement, plan_and_go_on},
    wanted::{Change, Wanted},
};

/// Most versions that can be asked for.
const VERSIONS: u32 = 1000;

/// Arguments of `bellows cluster apply`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A TOML file that says what the cluster is to be, as `bellows cluster show --toml` prints it
    #[arg(required_unless_present = "version", conflicts_with = "version")]
    file: Option<PathBuf>,
    /// Go back to the nodes and options of this version of the spec; see `bellows cluster history`
    #[arg(long, value_name = "NUMBER", requires = "cluster")]
    version: Option<u64>,
    /// The cluster that goes back
    #[arg(long, value_name = "CLUSTER", requires = "version")]
    cluster: Option<String>,
    #[command(flatten)]
    agreement: Agreement,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { file, version, cluster, agreement } = args;
    let client = context.client()?;
    let (wanted, now) = match (&file, cluster, version) {
        (Some(file), _, _) => {
            let wanted = read(file)?;
            let now = spec_of(&client, &wanted.cluster).await?;
            (wanted, now)
        }
        (None, Some(cluster), Some(version)) => {
            let earlier = version_of(&client, &cluster, version).await?;
            let now = spec_of(&client, &cluster).await?;
            let wanted = match &now {
                Some(now) => Wanted::of_version(&earlier, now),
                None => Wanted::of_spec(&earlier),
            };
            (wanted, now)
        }
        (None, _, _) => return Err(Failure::usage("what to apply?", "name a file")),
    };
    let changes = wanted.changes(now.as_ref()).map_err(|text| {
        Failure::usage(text, "nothing was changed; correct what is wanted, or go there by commands")
    })?;
    if changes.is_empty() {
        context.out.say(&format!("{} is like that already: nothing to do.", wanted.cluster));
    }
    tell(context, &changes);
    for (index, change) in changes.iter().enumerate() {
        let request = PlanIntentRequest {
            intent: Some(change.intent.clone()),
            options: change.options.clone(),
            again: String::new(),
        };
        let exit = Box::pin(plan_and_go_on(context, &client, request, None, &agreement)).await?;
        let more = changes.len() > index + 1;
        if exit != Exit::AsAsked || (more && (agreement.dry_run || agreement.detach)) {
            if more {
                context.out.say("The rest is planned when this is done: apply it again then.");
            }
            return Ok(exit);
        }
    }
    Ok(Exit::AsAsked)
}

fn read(file: &Path) -> Result<Wanted, Failure> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| Failure::file(&shown, "read", &e))?;
    Wanted::parse(&text).map_err(|e| Failure::file(&shown, "used", &e))
}

/// The difference, before any plan.
fn tell(context: &Context, changes: &[Change]) {
    let mut page = context.out.note_page();
    for line in changes.iter().flat_map(|change| &change.lines) {
        page.line(Tone::Plain, line);
    }
    if changes.len() > 1 {
        let text = format!(
            "These are {} operations, in this order; each begins when the one before it is done.",
            changes.len()
        );
        page.line(Tone::Plain, &text);
    }
    page.gap();
    context.out.note(page);
}

/// `None`: there is no such cluster.
async fn spec_of(client: &Client, cluster: &str) -> Result<Option<Spec>, Failure> {
    let all = client.answer(client.api.clone().list_clusters(ListClustersRequest {})).await?;
    if !all.clusters.iter().any(|one| one.cluster == cluster) {
        return Ok(None);
    }
    let request = GetClusterRequest { cluster: cluster.to_owned() };
    Ok(client.answer(client.api.clone().get_cluster(request)).await?.spec)
}

async fn version_of(client: &Client, cluster: &str, version: u64) -> Result<Spec, Failure> {
    let request = GetClusterHistoryRequest { cluster: cluster.to_owned(), limit: VERSIONS };
    let ClusterHistory { versions, .. } =
        client.answer(client.api.clone().get_cluster_history(request)).await?;
    let found =
        versions.into_iter().filter_map(|one| one.spec).find(|spec| spec.version == version);
    let found = found.ok_or_else(|| {
        let remedy = format!("bellows cluster history {cluster} shows which there are");
        Failure::usage(format!("{cluster} has no version {version}"), remedy)
    })?;
    if found.nodes.is_empty() {
        let remedy = "choose a later version; bellows cluster delete forgets a cluster";
        return Err(Failure::usage(format!("version {version} of {cluster} has no nodes"), remedy));
    }
    Ok(found)
}
