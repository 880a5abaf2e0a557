//! From a text to a plan that may run: what the tables are, and what the compiler says.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_privacy::policy::PrivacyUnit;
use datacovey_privacy::{
    Catalog, CatalogColumn, CatalogTable, Compiled, Limits, compile, parameters_from_json,
};
use datacovey_types::Ctx;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::planned::{PlannedQuery, ReadTable};
use crate::domain::text::MAX_TEXT_BYTES;
use crate::domain::violation::{Position, Violation};
use crate::peers::{Peers, PinnedVersion, Project, ProjectTable};

/// Compiles queries of a caller over the tables that it may name.
#[derive(Clone, Debug)]
pub(crate) struct Planner {
    peers: Peers,
    limits: Limits,
    /// Held until the work has ended, also where nobody waits for it any more.
    places: Arc<Semaphore>,
}

/// How long a statement may take to compile; what legitimate ones take is milliseconds.
const COMPILE_TIME: Duration = Duration::from_secs(10);

impl Planner {
    #[must_use]
    pub(crate) fn new(peers: Peers) -> Self {
        Self {
            peers,
            limits: Limits {
                text_bytes: MAX_TEXT_BYTES,
                ..Limits::default()
            },
            places: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            )),
        }
    }

    /// A project and its tables, as of now.
    ///
    /// # Errors
    /// As of [`Planner::plan_query`].
    pub(crate) async fn project(&self, ctx: &Ctx, project_id: Uuid) -> Result<Project> {
        self.peers.resolve_project(ctx, project_id).await
    }

    /// Compiles a text for the caller over the tables that a project has now; what it calls now is given. A query that is refused is
    /// an answer with all its violations. No row is read.
    ///
    /// # Errors
    /// NOT_FOUND, PERMISSION_DENIED or FAILED_PRECONDITION as the catalog says of the project;
    /// ABORTED if a table left while it was looked up; UNAVAILABLE if a peer is away.
    pub(crate) async fn plan_query(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        text: &str,
        parameters: &Map<String, Value>,
        now: NaiveDateTime,
    ) -> Result<std::result::Result<PlannedQuery, Vec<Violation>>> {
        let told = |found: Vec<datacovey_privacy::Violation>| {
            found
                .into_iter()
                .map(|it| violation(text, it))
                .collect::<Vec<_>>()
        };
        let parameters = match parameters_from_json(parameters.clone()) {
            Ok(parameters) => parameters,
            Err(found) => return Ok(Err(told(found))),
        };
        let project = self.peers.resolve_project(ctx, project_id).await?;
        let named = with_parents(&project, may_be_named(&project, text));
        let versions = self
            .peers
            .resolve_versions(ctx, &named)
            .await
            .map_err(left_meanwhile)?;
        let catalog = catalog(ctx.tenant_id(), &project, &versions, now);
        let (limits, sql) = (self.limits, text.to_owned());
        let compiled = within(&self.places, COMPILE_TIME, move || {
            compile(&sql, &parameters, &catalog, &limits)
        })
        .await?;
        Ok(match compiled {
            Some(Ok(compiled)) => Ok(PlannedQuery {
                project_id,
                text: text.to_owned(),
                tables: read_tables(ctx.tenant_id(), &compiled, project, versions)?,
                compiled,
            }),
            Some(Err(found)) => Err(told(found)),
            None => Err(vec![too_long()]),
        })
    }
}

/// Work that computes and recurses: calls that share the thread do not wait for it. Nothing if it takes longer than
/// its time.
async fn within<T: Send + 'static>(
    places: &Arc<Semaphore>,
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>> {
    let place = tokio::time::timeout(time, Arc::clone(places).acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        return Err(Error::unavailable("the query compiler"));
    };
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    match tokio::time::timeout(time, work).await {
        Ok(done) => done.map(Some).map_err(Error::internal),
        Err(_) => Ok(None),
    }
}

fn too_long() -> Violation {
    Violation {
        code: "TOO_LARGE".to_owned(),
        rule: "limits".to_owned(),
        message: "The statement takes too long to plan.".to_owned(),
        ..Violation::default()
    }
}

/// The tables that a compiled query reads, in its order.
fn read_tables(
    analyst: Uuid,
    compiled: &Compiled,
    project: Project,
    mut versions: HashMap<Uuid, PinnedVersion>,
) -> Result<Vec<ReadTable>> {
    let mut by_id: HashMap<Uuid, ProjectTable> = project.tables.into_iter().map(|it| (it.id, it)).collect();
    let read = compiled.tables.iter().map(|used| {
        let found = by_id.remove(&used.table_id).zip(versions.remove(&used.table_id));
        let (table, version) =
            found.ok_or_else(|| Error::internal("a plan reads a table that was not pinned"))?;
        Ok(ReadTable {
            own: table.owner == analyst,
            table,
            version,
        })
    });
    read.collect()
}

/// The tables whose names occur in the text at all; all others it cannot mean. A name with a quote in
/// it is written otherwise in SQL, so it may always be meant.
fn may_be_named(project: &Project, text: &str) -> Vec<Uuid> {
    let occurs = |table: &&ProjectTable| text.contains(&table.name) || table.name.contains(['"', '`']);
    project
        .tables
        .iter()
        .filter(occurs)
        .map(|table| table.id)
        .collect()
}

/// The tables, and those through which policies say whose their rows are: they are read, too, though the text does
/// not name them.
fn with_parents(project: &Project, mut tables: Vec<Uuid>) -> Vec<Uuid> {
    let mut at = 0;
    while let Some(child) = tables
        .get(at)
        .and_then(|id| project.tables.iter().find(|it| it.id == *id))
    {
        at += 1;
        let unit = child
            .policy
            .as_ref()
            .and_then(|policy| policy.privacy_unit.as_ref());
        let Some((name, _)) = unit.and_then(PrivacyUnit::parent) else {
            continue;
        };
        let is_parent =
            |it: &&ProjectTable| it.dataset == child.dataset && it.name == name && it.owner == child.owner;
        let parent = project.tables.iter().find(is_parent).map(|it| it.id);
        tables.extend(parent.filter(|id| !tables.contains(id)));
    }
    tables
}

/// The transfer service does not find what the catalog has just named.
fn left_meanwhile(error: Error) -> Error {
    if error.kind() == datacovey_error::Kind::NotFound {
        return Error::conflict("a table of the project was taken away meanwhile; retry").caused_by(error);
    }
    error
}

fn catalog(
    analyst: Uuid,
    project: &Project,
    versions: &HashMap<Uuid, PinnedVersion>,
    now: NaiveDateTime,
) -> Catalog {
    let table = |table: &ProjectTable| {
        let version = versions.get(&table.id);
        let columns = table
            .schema
            .iter()
            .flat_map(|schema| schema.columns())
            .map(|column| CatalogColumn {
                id_key: version
                    .and_then(|it| it.id_key(&column.name))
                    .map(ToOwned::to_owned),
                ..CatalogColumn::of_field(&column.field(), column.identity.clone())
            });
        CatalogTable {
            id: table.id,
            dataset: table.dataset.clone(),
            name: table.name.clone(),
            owner: table.owner,
            columns: columns.collect(),
            unique: version.map(|version| version.unique.clone()).unwrap_or_default(),
            policy: table.policy.clone(),
            policy_version: table.policy_version,
            rows: version.map(|version| version.rows),
        }
    };
    Catalog {
        analyst,
        tables: project.tables.iter().map(table).collect(),
        // The clock ends in 2262.
        now: now.and_utc().timestamp_nanos_opt().unwrap_or(i64::MAX),
    }
}

fn violation(text: &str, found: datacovey_privacy::Violation) -> Violation {
    Violation {
        code: found.code.as_str().to_owned(),
        rule: found.rule.to_owned(),
        message: found.message,
        table: found.table,
        column: found.column,
        position: found
            .position
            .map(|at| Position::locate(text, at.line, at.column)),
        rewrite: found.rewrite,
    }
}

#[cfg(test)]
mod tests {
    use datacovey_privacy::Policy;
    use datacovey_privacy::policy::Via;

    use super::*;

    #[test]
    fn parents_are_read_though_the_text_does_not_name_them() {
        let table = |id: u128, name: &str, owner: u128, via: Option<&str>| ProjectTable {
            id: Uuid::from_u128(id),
            dataset: "trade".to_owned(),
            name: name.to_owned(),
            owner: Uuid::from_u128(owner),
            schema: None,
            policy: via.map(|via| Policy {
                privacy_unit: Some(PrivacyUnit::Via(Via { via: via.to_owned() })),
                ..Policy::default()
            }),
            policy_version: None,
        };
        let project = Project {
            tables: vec![
                table(1, "orders", 9, Some("items.order_id")),
                table(2, "items", 9, Some("orders.order_id")),
                table(3, "notes", 9, Some("items.item_id")),
                table(4, "other", 8, Some("items.item_id")),
            ],
        };
        let read = |text: &str| {
            let mut ids = with_parents(&project, may_be_named(&project, text));
            ids.sort();
            ids.into_iter().map(|id| id.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(read("SELECT COUNT(*) FROM trade.notes"), [1, 2, 3]);
        assert_eq!(read("SELECT COUNT(*) FROM trade.other"), [4]);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_keeps_its_place() {
        let places = Arc::new(Semaphore::new(1));
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let time = Duration::from_millis(20);
        let endless = within(&places, time, move || ended.recv().is_ok()).await.unwrap();
        assert_eq!(endless, None);
        let waiting = within(&places, time, || true).await.unwrap_err();
        assert_eq!(waiting.kind(), datacovey_error::Kind::Unavailable);
        end.send(()).unwrap();
        assert_eq!(
            within(&places, Duration::from_secs(60), || 7).await.unwrap(),
            Some(7)
        );
    }
}
