//! Jobs as rows: created, they run; changed, they are cancelled; moved in from elsewhere, they are data.

use std::time::Duration;

use datacovey_types::{Role, Scopes};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Caller, id, send, send_text};

/// A table with one column of integers, and the project that it is in.
async fn table(caller: &Caller) -> (String, String) {
    let project = caller.project("fleet").await;
    let dataset = json!({"project_id": project, "name": "air"});
    let dataset = id(&caller.insert("dataset", dataset).await);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let table = json!({"dataset_id": dataset, "name": "planes", "schema": schema});
    (project, id(&caller.insert("table", table).await))
}

impl Caller {
    /// The row of a job once it has one of these statuses.
    async fn until(&self, relation: &str, job: &str, ends: &[&str]) -> Value {
        for _ in 0..600 {
            let found = self.get(&format!("/{relation}?id=eq.{job}"), &[]).await.json();
            let status = found[0]["status"].as_str().unwrap();
            if ends.contains(&status) {
                return found[0].clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{relation} {job} does not end");
    }

    async fn import(&self, table: &str, settings: &str, content: &str) -> Value {
        let job = json!({"table_id": table, "status": "pending"});
        let job = id(&self.insert("import_job", job).await);
        let line = format!("PUT /import_job/{job}/content{settings}");
        let sent = send_text(Some(&self.token), &line, &[], content.to_owned()).await;
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
        self.until("import_job", &job, &["completed", "failed"]).await
    }

    async fn refused(&self, line: &str, body: &Value) -> (u16, String) {
        self.write(line, body).await.refused()
    }
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_written_as_rows_run() {
    let caller = Caller::new("Jobs").await;
    let (project, table) = table(&caller).await;

    // The content says what is not in the row.
    let done = caller.import(&table, "", "n\n1\n2\n").await;
    assert_eq!(done["status"], "completed");
    let done = caller
        .import(&table, "?mode=replace&delimiter=%3B", "x;n\n;3\n;five\n")
        .await;
    assert_eq!(done["status"], "failed");
    let settings = "?mode=replace&header=false&column=n&max_bad_records=1";
    let done = caller.import(&table, settings, "3\n4\nfive\n").await;
    assert_eq!(done["status"], "completed");

    let query = json!({"project_id": project, "query_text": "SELECT SUM(n) AS total FROM air.planes"});
    let query = id(&caller.insert("query", query).await);
    let job = json!({"query_id": query, "bigquery_job_id": "mine", "status": "PENDING"});
    let made = caller.insert("query_job", job).await;
    assert_eq!(
        (&made["bigquery_job_id"], &made["status"]),
        (&json!("mine"), &json!("PENDING"))
    );
    let done = caller.until("query_job", &id(&made), &["DONE", "ERROR"]).await;
    assert_eq!(
        (&done["status"], &done["total_rows"]),
        (&json!("DONE"), &json!(1))
    );
    let result = caller
        .get(&format!("/query_job/{}/content", id(&made)), &[])
        .await;
    assert_eq!(text(&result), "total\r\n7\r\n");

    let job = json!({"table_id": table, "status": "pending"});
    let made = caller.insert("export_job", job).await;
    let done = caller
        .until("export_job", &id(&made), &["completed", "failed"])
        .await;
    assert_eq!(done["status"], "completed");
    let file = caller
        .get(&format!("/export_job/{}/content", id(&made)), &[])
        .await;
    assert_eq!(text(&file), "n\r\n3\r\n4\r\n");

    // What has ended stays as it is.
    let patch = format!("PATCH /export_job?id=eq.{}", id(&made));
    assert_eq!(
        caller.refused(&patch, &json!({"status": "failed"})).await,
        (400, "23514".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_by_its_status() {
    let caller = Caller::new("Cancel").await;
    let (_, table) = table(&caller).await;
    let job = json!({"table_id": table, "status": "pending"});
    let job = id(&caller.insert("import_job", job).await);
    let line = format!("PATCH /import_job?id=eq.{job}");
    for (change, status, code) in [
        (json!({"status": "completed"}), 400, "23514"),
        (json!({"status": "running"}), 400, "23514"),
        (json!({"status": "done"}), 400, "23514"),
        (json!({"table_id": Uuid::now_v7()}), 400, "23514"),
    ] {
        assert_eq!(
            caller.refused(&line, &change).await,
            (status, code.to_owned()),
            "{change}"
        );
    }
    let cancelled = caller.write(&line, &json!({"status": "failed"})).await;
    assert_eq!(cancelled.json()[0]["status"], "failed");
    // Nothing is taken for it any more.
    let sent = format!("PUT /import_job/{job}/content");
    let sent = send_text(Some(&caller.token), &sent, &[], "n\n1\n".to_owned()).await;
    assert_eq!(sent.status, StatusCode::CONFLICT, "{sent:?}");
    let history = format!("/import_job_history?select=status,action&id=eq.{job}&order=changed_at");
    assert_eq!(
        caller.get(&history, &[]).await.json(),
        json!([{"status": "pending", "action": "INSERT"}, {"status": "failed", "action": "UPDATE"}])
    );
    let gone = format!("DELETE /import_job?id=eq.{job}");
    assert_eq!(
        caller.refused(&gone, &Value::Null).await,
        (403, "42501".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_could_not_run_is_not_there() {
    let caller = Caller::new("Refused").await;
    let (project, table) = table(&caller).await;
    let own = json!(caller.tenant);
    let text = "SELECT nope, none FROM air.planes";
    let wrong = json!({"project_id": project, "query_text": text});
    let wrong = id(&caller.insert("query", wrong).await);
    let right = json!({"project_id": project, "query_text": "SELECT COUNT(*) FROM air.planes"});
    let right = id(&caller.insert("query", right).await);
    let job = |query: &str| json!({"tenant_id": own, "query_id": query, "bigquery_job_id": "", "status": "PENDING"});

    let refused = caller.write("POST /query_job", &job(&wrong)).await;
    assert_eq!(refused.refused(), (400, "23514".to_owned()));
    let said = refused.json().to_string();
    assert!(said.contains("nope"), "{said}");
    // Of many, none; and it is said which.
    let refused = caller
        .write("POST /query_job", &json!([job(&right), job(&wrong)]))
        .await;
    assert_eq!(refused.refused(), (400, "23514".to_owned()));
    let said = refused.json().to_string();
    assert!(said.contains("row 2"), "{said}");
    let left = caller.get("/query_job", &[("prefer", "count=exact")]).await;
    assert_eq!(left.header("content-range"), "*/0");

    let stranger = Caller::new("Stranger").await;
    let import = |tenant: &str, table: &str, status: &str| json!({"tenant_id": tenant, "table_id": table, "status": status});
    for (line, body, status, code) in [
        (
            "POST /query_job",
            json!({"tenant_id": own, "query_id": right, "status": "PENDING"}),
            400,
            "23502",
        ),
        (
            "POST /query_job",
            json!({"tenant_id": own, "query_id": Uuid::now_v7(), "bigquery_job_id": "", "status": "PENDING"}),
            409,
            "23503",
        ),
        (
            "POST /import_job",
            import(&caller.tenant, &table, "completed"),
            400,
            "23514",
        ),
        (
            "POST /import_job",
            json!({"tenant_id": own, "table_id": table}),
            400,
            "23502",
        ),
        (
            "POST /export_job",
            import(&stranger.tenant, &table, "pending"),
            403,
            "42501",
        ),
        (
            "POST /import_job_history",
            import(&caller.tenant, &table, "pending"),
            403,
            "42501",
        ),
    ] {
        assert_eq!(
            caller.refused(line, &body).await,
            (status, code.to_owned()),
            "{line} {body}"
        );
    }
    // What runs and what it did is not the client's to say.
    let mut claims = job(&right);
    claims["total_rows"] = json!(7);
    assert_eq!(
        caller.refused("POST /query_job", &claims).await,
        (403, "42501".to_owned())
    );
    assert_eq!(
        stranger
            .refused("POST /import_job", &import(&stranger.tenant, &table, "pending"))
            .await,
        (409, "23503".to_owned())
    );

    // More than may wait: none of them.
    let row = import(&caller.tenant, &table, "pending");
    let many = json!(vec![row; 10_000]);
    let refused = caller.write("POST /import_job", &many).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    let left = caller.get("/import_job", &[("prefer", "count=exact")]).await;
    assert_eq!(left.header("content-range"), "*/0");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_make_the_jobs_that_they_make_by_grpc() {
    let name = format!("Roles of jobs {}", Uuid::now_v7());
    let admin = Caller::with(&name, Role::OrgAdmin, Scopes::NONE).await;
    let user = Caller::with(&name, Role::DatasetUser, Scopes::NONE).await;
    let (_, table) = table(&admin).await;
    let row = json!({"tenant_id": admin.tenant, "table_id": table, "status": "pending"});
    for relation in ["import_job", "export_job"] {
        assert_eq!(
            user.refused(&format!("POST /{relation}"), &row).await,
            (403, "42501".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_in_brings_jobs_and_histories_along_as_data() {
    let name = format!("Moving in {}", Uuid::now_v7());
    let admin = Caller::with(&name, Role::OrgAdmin, Scopes::NONE).await;
    let mover = Caller::with(
        &name,
        Role::OrgAdmin,
        Scopes {
            backfill: true,
            ..Scopes::NONE
        },
    )
    .await;
    let (project, table) = table(&admin).await;
    let query = json!({"project_id": project, "query_text": "SELECT 1"});
    let query = id(&admin.insert("query", query).await);

    let job = json!({
        "query_id": query, "bigquery_job_id": "job_1", "status": "DONE", "total_rows": 7,
        "total_slot_ms": 12, "cache_hit": true, "created": "2019-01-01T00:00:00",
        "ended": "2019-01-01T00:00:07", "created_at": "2019-01-01T00:00:00", "query_plan": [{"name": "S00"}],
    });
    let made = mover.insert("query_job", job.clone()).await;
    for (column, value) in job.as_object().unwrap() {
        assert_eq!(&made[column], value, "{column}");
    }
    // Nothing comes of it: it waits, and nobody takes it.
    let import = json!({"table_id": table, "status": "pending", "created_at": "2019-01-01T00:00:00"});
    let import = id(&mover.insert("import_job", import).await);
    let sent = format!("PUT /import_job/{import}/content");
    let sent = send_text(Some(&mover.token), &sent, &[], "n\n1\n".to_owned()).await;
    assert!(sent.status.is_client_error(), "{sent:?}");
    let line = format!("PATCH /import_job?id=eq.{import}");
    let changed = mover.write(&line, &json!({"status": "completed"})).await;
    assert_eq!(changed.json()[0]["status"], "completed");

    let past = json!({
        "id": table, "table_id": table, "status": "pending", "action": "INSERT",
        "changed_at": "2019-01-01T00:00:00",
    });
    mover.insert("import_job_history", past).await;
    let found = format!("/import_job_history?id=eq.{table}");
    assert_eq!(admin.get(&found, &[]).await.json()[0]["action"], "INSERT");
    let gone = mover.write(&format!("DELETE {found}"), &Value::Null).await;
    assert_eq!(gone.json().as_array().map(Vec::len), Some(1));
    let gone = mover
        .write(&format!("DELETE /import_job?id=eq.{import}"), &Value::Null)
        .await;
    assert_eq!(gone.json()[0]["status"], "completed");

    // Tenant and keys hold, and other relations are what they are to everybody.
    let mut anothers = job;
    anothers["tenant_id"] = json!(Uuid::now_v7());
    assert_eq!(
        mover.refused("POST /query_job", &anothers).await,
        (403, "42501".to_owned())
    );
    let nowhere = json!({"tenant_id": mover.tenant, "table_id": Uuid::now_v7(), "status": "failed"});
    assert_eq!(
        mover.refused("POST /export_job", &nowhere).await,
        (409, "23503".to_owned())
    );
    let line = format!("PATCH /project?id=eq.{project}");
    let line = send(
        Some(&mover.token),
        &line,
        &[],
        Some(&json!({"created_at": "2019-01-01"})),
    )
    .await;
    assert_eq!(line.refused(), (400, "23514".to_owned()));
}
