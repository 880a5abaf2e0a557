use std::collections::HashMap;

use datacovey_auth::authorize;
use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, Paging};
use datacovey_persistence::{Database, Replay, ResolvedVersion, SeenVersion};
use datacovey_proto::internal::transfer::v1 as internal;
use datacovey_proto::internal::transfer::v1::version_resolver_service_server::VersionResolverService;
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::version_service_server::VersionService;
use datacovey_server::ctx;
use datacovey_types::Permission;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{field, message, mutation};
use crate::Transfer;
use crate::flow::{WantedRestore, restore};

const MAX_TABLES: usize = 1000;

/// VersionService: what tables held.
#[derive(Clone, Debug)]
pub(crate) struct Versions(Transfer);

impl Versions {
    pub(crate) const fn new(transfer: Transfer) -> Self {
        Self(transfer)
    }

    fn message(&self, table_id: Uuid, row: SeenVersion) -> Result<pb::TableVersion> {
        message::seen_version(table_id, row, self.0.limits.version_lifetime)
    }
}

#[tonic::async_trait]
impl VersionService for Versions {
    async fn list_table_versions(
        &self,
        request: Request<pb::ListTableVersionsRequest>,
    ) -> Result<Response<pb::ListTableVersionsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (table_id, paging) = parse_list(&request.into_inner())?;
        let page = self
            .0
            .database
            .table_version_list(&ctx, table_id, &paging)
            .await?;
        let page = page.try_map(|row| self.message(table_id, row))?;
        Ok(Response::new(pb::ListTableVersionsResponse {
            table_versions: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn publish_table_version(
        &self,
        request: Request<pb::PublishTableVersionRequest>,
    ) -> Result<Response<pb::TableVersion>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::EditDatasets)?;
        let (table_id, version, replay) = parse_publish(&request.into_inner())?;
        let row = self
            .0
            .database
            .table_version_publish(&ctx, table_id, version, replay)
            .await?;
        Ok(Response::new(self.message(table_id, row)?))
    }

    async fn restore_table_version(
        &self,
        request: Request<pb::RestoreTableVersionRequest>,
    ) -> Result<Response<pb::TableVersion>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::EditDatasets)?;
        let wanted = parse_restore(&request.into_inner())?;
        let table_id = wanted.table_id;
        let row = restore(&self.0, &ctx, wanted).await?;
        Ok(Response::new(self.message(table_id, row)?))
    }
}

/// VersionResolverService: the files that a query reads.
#[derive(Clone, Debug)]
pub(crate) struct VersionResolver {
    database: Database,
}

impl VersionResolver {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[tonic::async_trait]
impl VersionResolverService for VersionResolver {
    async fn resolve_versions(
        &self,
        request: Request<internal::ResolveVersionsRequest>,
    ) -> Result<Response<internal::ResolveVersionsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let ids = parse(&request.into_inner())?;
        let newest: Vec<_> = ids.iter().map(|id| (*id, None)).collect();
        let versions = in_order(&ids, self.database.versions_resolve(&ctx, &newest).await?)?;
        Ok(Response::new(internal::ResolveVersionsResponse { versions }))
    }
}

fn parse_list(request: &pb::ListTableVersionsRequest) -> Result<(Uuid, Paging<i64>)> {
    let mut violations = Violations::new();
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    let binding = Binding::new("ListTableVersions").with("table_id", &request.table_id);
    let paging = Paging::parse(binding, request.page_size, &request.page_token, &mut violations);
    field::finish(violations, table_id.zip(paging))
}

fn parse_publish(request: &pb::PublishTableVersionRequest) -> Result<(Uuid, i64, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay(
        "PublishTableVersion",
        &request.request_id,
        request,
        &mut violations,
    );
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    if request.version < 1 {
        violations.add("version", "must be at least 1");
    }
    field::finish(violations, table_id.map(|id| (id, request.version, replay)))
}

fn parse_restore(request: &pb::RestoreTableVersionRequest) -> Result<WantedRestore> {
    let mut violations = Violations::new();
    let replay = mutation::replay(
        "RestoreTableVersion",
        &request.request_id,
        request,
        &mut violations,
    );
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    if request.version < 1 {
        violations.add("version", "must be at least 1");
    }
    let wanted = table_id.map(|table_id| WantedRestore {
        table_id,
        version: request.version,
        replay,
    });
    field::finish(violations, wanted)
}

fn parse(request: &internal::ResolveVersionsRequest) -> Result<Vec<Uuid>> {
    let mut violations = Violations::new();
    let given = &request.table_ids;
    if given.is_empty() || given.len() > MAX_TABLES {
        violations.add("table_ids", format!("must name 1 to {MAX_TABLES} tables"));
        return field::finish(violations, None);
    }
    let mut ids = Vec::with_capacity(given.len());
    for (index, text) in given.iter().enumerate() {
        let at = format!("table_ids[{index}]");
        if let Some(id) = field::id(&at, text, &mut violations) {
            if ids.contains(&id) {
                violations.add(at, "is named twice");
            }
            ids.push(id);
        }
    }
    field::finish(violations, Some(ids))
}

/// One for each table asked for; a table that is absent is none that the caller may query.
fn in_order(ids: &[Uuid], resolved: Vec<ResolvedVersion>) -> Result<Vec<internal::ResolvedVersion>> {
    let mut by_id: HashMap<Uuid, ResolvedVersion> =
        resolved.into_iter().map(|it| (it.table_id, it)).collect();
    ids.iter()
        .map(|id| message::resolved_version(by_id.remove(id).ok_or_else(|| Error::not_found("table", id))?))
        .collect()
}
