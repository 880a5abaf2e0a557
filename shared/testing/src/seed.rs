//! Rows for tests, made as the owner of the relations: every rule of the database holds for them.

use datacovey_types::{Ctx, Role, new_id};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Sql;

/// A tenant and its first Org admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: Uuid,
    pub admin: Uuid,
}

impl Tenant {
    /// The context of the admin.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        Ctx::for_tests(self.id, self.admin)
    }

    /// The organization that a token of the tenant names.
    #[must_use]
    pub fn org(&self) -> String {
        format!("org_{}", self.id.simple())
    }

    /// The subject that a token of the admin names.
    #[must_use]
    pub fn admin_sub(&self) -> String {
        sub(self.admin)
    }
}

fn sub(user_id: Uuid) -> String {
    format!("sub|{}", user_id.simple())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A JSON Schema of an object with these properties, all of them text.
#[must_use]
pub fn schema_of(properties: &[&str]) -> Value {
    let properties = properties
        .iter()
        .map(|it| ((*it).to_owned(), json!({"type": "string"})));
    json!({"type": "object", "properties": properties.collect::<serde_json::Map<_, _>>()})
}

impl Sql {
    /// Inserts as the owner for a tenant, whatever role the session has.
    async fn insert(&self, tenant_id: Uuid, statement: &str) {
        let script = format!(
            "BEGIN; SET LOCAL ROLE datacovey_owner; SET LOCAL datacovey.tenant = '{tenant_id}'; {statement}; COMMIT"
        );
        if let Err(error) = self.run(&script).await {
            panic!("{statement}: {error:?}");
        }
    }

    pub async fn tenant(&self, name: &str) -> Tenant {
        let tenant = Tenant {
            id: new_id(),
            admin: new_id(),
        };
        let statement = format!(
            "INSERT INTO tenant (id, name, auth0_org_id) VALUES ('{}', {}, '{}')",
            tenant.id,
            quoted(name),
            tenant.org()
        );
        self.insert(tenant.id, &statement).await;
        self.insert_user(tenant.id, tenant.admin, Role::OrgAdmin).await;
        tenant
    }

    pub async fn user(&self, tenant_id: Uuid, role: Role) -> Uuid {
        let id = new_id();
        self.insert_user(tenant_id, id, role).await;
        id
    }

    async fn insert_user(&self, tenant_id: Uuid, id: Uuid, role: Role) {
        let statement = format!(
            "INSERT INTO \"user\" (id, tenant_id, auth0_id, email, name, role)
             VALUES ('{id}', '{tenant_id}', '{}', '{}@example.com', '{role}', '{role}')",
            sub(id),
            id.simple()
        );
        self.insert(tenant_id, &statement).await;
    }

    pub async fn project(&self, tenant_id: Uuid, name: &str) -> Uuid {
        let id = new_id();
        let name = quoted(name);
        let statement =
            format!("INSERT INTO project (id, tenant_id, name) VALUES ('{id}', '{tenant_id}', {name})");
        self.insert(tenant_id, &statement).await;
        id
    }

    /// Makes a tenant an active participant with all rights.
    pub async fn participant(&self, project_id: Uuid, tenant_id: Uuid) {
        let statement = format!(
            "INSERT INTO project_participant (project_id, tenant_id, status) VALUES ('{project_id}', '{tenant_id}', 'active')"
        );
        self.insert(tenant_id, &statement).await;
    }

    pub async fn dataset(&self, tenant_id: Uuid, project_id: Uuid, name: &str) -> Uuid {
        let id = new_id();
        let statement = format!(
            "INSERT INTO dataset (id, tenant_id, project_id, name) VALUES ('{id}', '{tenant_id}', '{project_id}', {})",
            quoted(name)
        );
        self.insert(tenant_id, &statement).await;
        id
    }

    pub async fn table(&self, tenant_id: Uuid, dataset_id: Uuid, name: &str, schema: &Value) -> Uuid {
        let id = new_id();
        let statement = format!(
            "INSERT INTO \"table\" (id, tenant_id, dataset_id, name, schema)
             VALUES ('{id}', '{tenant_id}', '{dataset_id}', {}, {})",
            quoted(name),
            quoted(&schema.to_string())
        );
        self.insert(tenant_id, &statement).await;
        id
    }

    /// Adds a version of a table's policy; answers its number.
    pub async fn table_policy(&self, owner: Tenant, table_id: Uuid, policy: &Value) -> i64 {
        let next =
            format!("SELECT coalesce(max(version), 0) + 1 FROM table_policy WHERE table_id = '{table_id}'");
        let statement = format!(
            "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
             VALUES ('{table_id}', ({next}), '{}', {}, '{}')",
            owner.id,
            quoted(&policy.to_string()),
            owner.admin
        );
        self.insert(owner.id, &statement).await;
        let count = self
            .value(&format!(
                "SELECT max(version) FROM table_policy WHERE table_id = '{table_id}'"
            ))
            .await;
        count.expect("a version").parse().expect("a number")
    }

    pub async fn query(&self, tenant_id: Uuid, project_id: Uuid, text: &str) -> Uuid {
        let id = new_id();
        let statement = format!(
            "INSERT INTO \"query\" (id, tenant_id, project_id, query_text) VALUES ('{id}', '{tenant_id}', '{project_id}', {})",
            quoted(text)
        );
        self.insert(tenant_id, &statement).await;
        id
    }

    /// A job that waits for a worker.
    pub async fn query_job(&self, creator: Tenant, query_id: Uuid) -> Uuid {
        let id = new_id();
        let statement = format!(
            "INSERT INTO query_job (id, tenant_id, query_id, bigquery_job_id, status)
                 VALUES ('{id}', '{0}', '{query_id}', '{id}', 'PENDING');
             INSERT INTO query_run (job_id, tenant_id, created_by, ready_at) VALUES ('{id}', '{0}', '{1}', utc_now())",
            creator.id, creator.admin
        );
        self.insert(creator.id, &statement).await;
        id
    }

    /// A job that waits for a worker, as if its upload were finished.
    pub async fn import_job(&self, creator: Tenant, table_id: Uuid) -> Uuid {
        self.transfer_job("import", creator, table_id).await
    }

    /// A job that waits for a worker.
    pub async fn export_job(&self, creator: Tenant, table_id: Uuid) -> Uuid {
        self.transfer_job("export", creator, table_id).await
    }

    async fn transfer_job(&self, kind: &str, creator: Tenant, table_id: Uuid) -> Uuid {
        let id = new_id();
        let statement = format!(
            "INSERT INTO {kind}_job (id, tenant_id, table_id, status) VALUES ('{id}', '{0}', '{table_id}', 'pending');
             INSERT INTO {kind}_run (job_id, tenant_id, created_by, ready_at) VALUES ('{id}', '{0}', '{1}', utc_now())",
            creator.id, creator.admin
        );
        self.insert(creator.id, &statement).await;
        id
    }
}
