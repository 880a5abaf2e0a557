//! Two tenants that share a project, and one that is a stranger to it.

use datacovey_testing::{Sql, Tenant, TestDatabase, schema_of};
use serde_json::json;
use uuid::Uuid;

pub(crate) const SERVICES: [&str; 4] = [
    "datacovey_identity",
    "datacovey_catalog",
    "datacovey_query",
    "datacovey_transfer",
];
/// Every role that a login may be granted.
pub(crate) const ROLES: [&str; 7] = [
    "datacovey_identity",
    "datacovey_catalog",
    "datacovey_query",
    "datacovey_transfer",
    "datacovey_query_worker",
    "datacovey_transfer_worker",
    "datacovey_backfill",
];

/// The airline owns the project and `flights`; the registry takes part and owns `planes`.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) admin: Sql,
    pub(crate) airline: Tenant,
    pub(crate) registry: Tenant,
    pub(crate) stranger: Tenant,
    pub(crate) project: Uuid,
    pub(crate) dataset: Uuid,
    pub(crate) flights: Uuid,
    pub(crate) planes_dataset: Uuid,
    pub(crate) planes: Uuid,
    pub(crate) query: Uuid,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let admin = database.sql().await;
        let airline = admin.tenant("Airline").await;
        let registry = admin.tenant("Registry").await;
        let stranger = admin.tenant("Stranger").await;
        let project = admin.project(airline.id, "Fleet").await;
        admin.participant(project, registry.id).await;
        let dataset = admin.dataset(airline.id, project, "air").await;
        let flights = admin
            .table(
                airline.id,
                dataset,
                "flights",
                &schema_of(&["tailnum", "carrier"]),
            )
            .await;
        let planes_dataset = admin.dataset(registry.id, project, "reg").await;
        let planes = admin
            .table(
                registry.id,
                planes_dataset,
                "planes",
                &schema_of(&["tailnum", "year"]),
            )
            .await;
        admin
            .table_policy(airline, flights, &json!({"privacy_unit": "tailnum"}))
            .await;
        let query = admin
            .query(registry.id, project, "SELECT count(*) FROM air.flights")
            .await;
        Self {
            database,
            admin,
            airline,
            registry,
            stranger,
            project,
            dataset,
            flights,
            planes_dataset,
            planes,
            query,
        }
    }

    pub(crate) async fn airline_as(&self, role: &str) -> Sql {
        self.database
            .sql_for(role, self.airline.id, self.airline.admin)
            .await
    }

    pub(crate) async fn registry_as(&self, role: &str) -> Sql {
        self.database
            .sql_for(role, self.registry.id, self.registry.admin)
            .await
    }

    pub(crate) async fn stranger_as(&self, role: &str) -> Sql {
        self.database
            .sql_for(role, self.stranger.id, self.stranger.admin)
            .await
    }

    /// Waits until some session of this database waits for a lock.
    pub(crate) async fn wait_for_a_lock(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.admin.value(waiting).await.unwrap() == "0" {
            tokio::task::yield_now().await;
        }
    }
}
