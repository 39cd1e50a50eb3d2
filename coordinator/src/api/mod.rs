//! The coordinator's API: all that the command line can do. It turns text into names once,
//! asks engine, store and inventory, and tells refusals, mistakes and failures apart. It
//! makes no choices of its own, and knows no system.

mod accepted;
pub mod access;
mod audit;
mod audited;
mod clusters;
pub mod enrolment;
mod fault;
mod hosts;
mod jobs;
mod operations;
mod output;
mod overview;
mod plans;
mod revoke;
mod rotate;
mod store;
pub mod unix;
mod upgrade;
mod users;
mod watch;

use std::{pin::Pin, sync::Arc};

use bellows_proto::v1::{
    AcceptAuditReply, AcceptAuditRequest, ApplyPlanRequest, ApplyReply, AuditEntry, BackupPart,
    BackupStoreRequest, ClusterDetail, ClusterHistory, ClusterStatus, ControlOperationRequest,
    CreateHostTokenRequest, DeleteClusterReply, DeleteClusterRequest, GetClusterHistoryRequest,
    GetClusterRequest, GetHostRequest, GetOperationRequest, GetOverviewRequest, GetRotationRequest,
    GetSiteRequest, GetStatusRequest, HostDetail, HostToken, IssueAccessReply, IssueAccessRequest,
    ListAccessReply, ListAccessRequest, ListClustersReply, ListClustersRequest, ListHostJobsReply,
    ListHostJobsRequest, ListHostsReply, ListHostsRequest, ListOperationsReply,
    ListOperationsRequest, OperationDetail, OperationOutput, OperationSummary, Overview,
    PlanIntentRequest, PlanReply, PlanUpgradeRequest, PruneOperationsReply, PruneOperationsRequest,
    ReadOperationOutputRequest, RemoveHostReply, RemoveHostRequest, RevokeAccessReply,
    RevokeAccessRequest, RevokeHostReply, RevokeHostRequest, RotateAuthorityRequest, Rotation,
    SettleJobsReply, SettleJobsRequest, ShowAuditRequest, Site, UpgradeHostsRequest, UpgradePlan,
    UpgradeUpdate, VerifyAuditReply, VerifyAuditRequest, WatchOperationRequest, WatchUpdate,
    coordinator_server::Coordinator,
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::{
    agents::GrpcAgents,
    audit::AuditLog,
    engine::{Engine, World},
    inventory::Inventory,
    journal::StoreJournal,
    renewal::Renewals,
    store::Store,
    upgrade::Upgrades,
};
use access::Principal;

/// What the API tells of its site, beside what is in the store.
#[derive(Debug, Clone)]
pub struct SiteFacts {
    /// The administrator's name for the site.
    pub name: String,
    /// UUID, as in certificates.
    pub site_id: String,
    /// Where agents enrol, HOST:PORT.
    pub enrolment_address: String,
}

/// The service. Cheap to clone.
pub struct Api<W: World> {
    engine: Engine<W>,
    agents: Arc<GrpcAgents>,
    store: Arc<Store>,
    audit: Arc<AuditLog>,
    inventory: Inventory,
    journal: StoreJournal,
    renewals: Arc<Renewals>,
    upgrades: Upgrades,
    site: Arc<SiteFacts>,
    seen: jobs::Seen,
    now_ms: fn() -> i64,
}

impl<W: World> Clone for Api<W> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            agents: Arc::clone(&self.agents),
            store: Arc::clone(&self.store),
            audit: Arc::clone(&self.audit),
            inventory: self.inventory.clone(),
            journal: self.journal.clone(),
            renewals: Arc::clone(&self.renewals),
            upgrades: self.upgrades.clone(),
            site: Arc::clone(&self.site),
            seen: Arc::clone(&self.seen),
            now_ms: self.now_ms,
        }
    }
}

impl<W: World> Api<W> {
    /// Over an engine and what it works with.
    pub fn new(
        engine: Engine<W>,
        agents: Arc<GrpcAgents>,
        store: Arc<Store>,
        audit: Arc<AuditLog>,
        inventory: Inventory,
        renewals: Arc<Renewals>,
        site: SiteFacts,
    ) -> Self {
        let journal = StoreJournal::new(Arc::clone(&store));
        let (now_ms, seen) = (crate::clock::now_ms, jobs::Seen::default());
        let site = Arc::new(site);
        let upgrades = Upgrades::new(Arc::clone(&agents), inventory.clone());
        Self {
            upgrades,
            engine,
            agents,
            store,
            audit,
            inventory,
            journal,
            renewals,
            site,
            seen,
            now_ms,
        }
    }

    /// Why nothing may be changed, as the refusal of a call.
    fn may_change(&self) -> Result<(), Status> {
        self.engine.is_read_only().map_or(Ok(()), |reason| Err(fault::read_only(&reason)))
    }

    fn site(&self) -> Site {
        let (unknown_jobs, jobs_seen_at_ms) = self.last_look();
        Site {
            name: self.site.name.clone(),
            site_id: self.site.site_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            term: Some(self.store.term()),
            read_only: self.engine.is_read_only().unwrap_or_default(),
            authority_fingerprint: self.inventory.authority().fingerprint().to_owned(),
            enrolment_address: self.site.enrolment_address.clone(),
            unknown_jobs,
            jobs_seen_at_ms,
            damaged: self.engine.damaged(),
            certificate_until_ms: self.renewals.own().until_ms(),
            identity_problem: self.renewals.own().problem((self.now_ms)()),
        }
    }
}

/// A stream of answers.
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Who called, as the access table let in.
fn principal<T>(request: &Request<T>) -> Result<Principal, Status> {
    request
        .extensions()
        .get::<Principal>()
        .cloned()
        .ok_or_else(|| fault::internal("a call came past the access table"))
}

#[tonic::async_trait]
impl<W: World> Coordinator for Api<W> {
    async fn get_site(&self, _: Request<GetSiteRequest>) -> Result<Response<Site>, Status> {
        Ok(Response::new(self.site()))
    }

    async fn create_host_token(
        &self,
        request: Request<CreateHostTokenRequest>,
    ) -> Result<Response<HostToken>, Status> {
        let who = principal(&request)?;
        self.make_token(&request.into_inner(), &who).map(Response::new)
    }

    async fn list_hosts(
        &self,
        _: Request<ListHostsRequest>,
    ) -> Result<Response<ListHostsReply>, Status> {
        self.all_hosts().await.map(Response::new)
    }

    async fn get_host(
        &self,
        request: Request<GetHostRequest>,
    ) -> Result<Response<HostDetail>, Status> {
        let request = request.into_inner();
        self.one_host(&request.host, request.inventory).await.map(Response::new)
    }

    async fn remove_host(
        &self,
        request: Request<RemoveHostRequest>,
    ) -> Result<Response<RemoveHostReply>, Status> {
        let who = principal(&request)?;
        self.drop_host(&request.into_inner(), &who).await.map(Response::new)
    }

    async fn revoke_host(
        &self,
        request: Request<RevokeHostRequest>,
    ) -> Result<Response<RevokeHostReply>, Status> {
        let who = principal(&request)?;
        self.revoke(&request.into_inner(), &who).map(Response::new)
    }

    async fn issue_access(
        &self,
        request: Request<IssueAccessRequest>,
    ) -> Result<Response<IssueAccessReply>, Status> {
        let who = principal(&request)?;
        self.issue(&request.into_inner(), &who).map(Response::new)
    }

    async fn list_access(
        &self,
        _: Request<ListAccessRequest>,
    ) -> Result<Response<ListAccessReply>, Status> {
        self.all_access().map(Response::new)
    }

    async fn revoke_access(
        &self,
        request: Request<RevokeAccessRequest>,
    ) -> Result<Response<RevokeAccessReply>, Status> {
        let who = principal(&request)?;
        self.revoke_user(&request.into_inner(), &who).map(Response::new)
    }

    async fn get_rotation(
        &self,
        _: Request<GetRotationRequest>,
    ) -> Result<Response<Rotation>, Status> {
        self.rotation().map(Response::new)
    }

    async fn rotate_authority(
        &self,
        request: Request<RotateAuthorityRequest>,
    ) -> Result<Response<Rotation>, Status> {
        let who = principal(&request)?;
        self.rotate(&request.into_inner(), &who).await.map(Response::new)
    }

    async fn delete_cluster(
        &self,
        request: Request<DeleteClusterRequest>,
    ) -> Result<Response<DeleteClusterReply>, Status> {
        let who = principal(&request)?;
        self.delete(&request.into_inner(), &who).await.map(Response::new)
    }

    async fn get_cluster_history(
        &self,
        request: Request<GetClusterHistoryRequest>,
    ) -> Result<Response<ClusterHistory>, Status> {
        let request = request.into_inner();
        self.history(&request.cluster, request.limit).map(Response::new)
    }

    async fn list_clusters(
        &self,
        _: Request<ListClustersRequest>,
    ) -> Result<Response<ListClustersReply>, Status> {
        self.all_clusters().map(Response::new)
    }

    async fn get_cluster(
        &self,
        request: Request<GetClusterRequest>,
    ) -> Result<Response<ClusterDetail>, Status> {
        self.one_cluster(&request.into_inner().cluster).map(Response::new)
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<ClusterStatus>, Status> {
        let request = request.into_inner();
        self.status(&request.cluster, request.fresh).await.map(Response::new)
    }

    async fn get_overview(
        &self,
        request: Request<GetOverviewRequest>,
    ) -> Result<Response<Overview>, Status> {
        self.overview(request.into_inner().fresh).await.map(Response::new)
    }

    async fn plan_intent(
        &self,
        request: Request<PlanIntentRequest>,
    ) -> Result<Response<PlanReply>, Status> {
        self.plan(request.into_inner()).await.map(Response::new)
    }

    async fn apply_plan(
        &self,
        request: Request<ApplyPlanRequest>,
    ) -> Result<Response<ApplyReply>, Status> {
        let who = principal(&request)?;
        let reply = self.apply(request.into_inner(), &who).await?;
        let said = plans::said(&reply);
        let mut response = Response::new(reply);
        response.extensions_mut().insert(said);
        Ok(response)
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsReply>, Status> {
        self.all_operations(&request.into_inner()).map(Response::new)
    }

    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<OperationDetail>, Status> {
        self.one_operation(&request.into_inner().operation).map(Response::new)
    }

    type WatchOperationStream = Streamed<WatchUpdate>;

    async fn watch_operation(
        &self,
        request: Request<WatchOperationRequest>,
    ) -> Result<Response<Self::WatchOperationStream>, Status> {
        let key = accepted::caller_key(&request);
        let stream = self.watch(request.into_inner())?;
        let inventory = self.inventory.clone();
        Ok(Response::new(accepted::while_accepted(inventory, key, stream)))
    }

    async fn control_operation(
        &self,
        request: Request<ControlOperationRequest>,
    ) -> Result<Response<OperationSummary>, Status> {
        let who = principal(&request)?;
        self.control(&request.into_inner(), &who).map(Response::new)
    }

    type ReadOperationOutputStream = Streamed<OperationOutput>;

    async fn read_operation_output(
        &self,
        request: Request<ReadOperationOutputRequest>,
    ) -> Result<Response<Self::ReadOperationOutputStream>, Status> {
        let key = accepted::caller_key(&request);
        let stream = self.read_output(request.into_inner())?;
        let inventory = self.inventory.clone();
        Ok(Response::new(accepted::while_accepted(inventory, key, stream)))
    }

    type ShowAuditStream = Streamed<AuditEntry>;

    async fn show_audit(
        &self,
        request: Request<ShowAuditRequest>,
    ) -> Result<Response<Self::ShowAuditStream>, Status> {
        self.audit_entries(request.into_inner()).map(Response::new)
    }

    async fn verify_audit(
        &self,
        request: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyAuditReply>, Status> {
        self.verify_logs(request.into_inner()).await.map(Response::new)
    }

    async fn accept_audit(
        &self,
        request: Request<AcceptAuditRequest>,
    ) -> Result<Response<AcceptAuditReply>, Status> {
        let who = principal(&request)?;
        self.accept_log(&request.into_inner(), &who).await.map(Response::new)
    }

    type BackupStoreStream = Streamed<BackupPart>;

    async fn backup_store(
        &self,
        _: Request<BackupStoreRequest>,
    ) -> Result<Response<Self::BackupStoreStream>, Status> {
        self.backup().map(Response::new)
    }

    async fn prune_operations(
        &self,
        request: Request<PruneOperationsRequest>,
    ) -> Result<Response<PruneOperationsReply>, Status> {
        self.prune(&request.into_inner()).map(Response::new)
    }

    async fn plan_upgrade(
        &self,
        request: Request<PlanUpgradeRequest>,
    ) -> Result<Response<UpgradePlan>, Status> {
        Api::plan_upgrade(self, &request.into_inner()).await.map(Response::new)
    }

    type UpgradeHostsStream = Streamed<UpgradeUpdate>;

    async fn upgrade_hosts(
        &self,
        request: Request<UpgradeHostsRequest>,
    ) -> Result<Response<Self::UpgradeHostsStream>, Status> {
        let who = principal(&request)?;
        self.upgrade(request.into_inner(), &who).await.map(Response::new)
    }

    async fn list_host_jobs(
        &self,
        request: Request<ListHostJobsRequest>,
    ) -> Result<Response<ListHostJobsReply>, Status> {
        self.host_jobs(&request.into_inner()).await.map(Response::new)
    }

    async fn settle_jobs(
        &self,
        request: Request<SettleJobsRequest>,
    ) -> Result<Response<SettleJobsReply>, Status> {
        let who = principal(&request)?;
        let reply = self.settle(&request.into_inner(), &who).await?;
        let jobs = reply.jobs.iter().filter(|found| found.job.is_some()).count();
        let said = audited::Said { text: format!("{jobs} jobs forgotten"), ..Default::default() };
        let mut response = Response::new(reply);
        response.extensions_mut().insert(said);
        Ok(response)
    }
}
