//! Columns that are normalized, and of which pseudonyms are stored in place of the values.

use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::ObjectPath;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tonic_types::StatusExt as _;

use crate::suite::{Caller, PATIENCE, Suite, csv_import};

fn people() -> Value {
    json!({
        "type": "object",
        "required": ["email"],
        "properties": {
            "email": {
                "type": "string", "x-identity": "email", "x-normalize": "email", "x-pseudonymize": true,
                "maxLength": 20,
            },
            "phone": { "type": "string", "x-normalize": "phone", "x-region": "US" },
            "city": { "type": "string", "x-normalize": ["trim", "lowercase"], "enum": ["ely", "york"] },
            "number": { "type": ["integer", "null"], "x-pseudonymize": true, "minimum": 1 },
        },
    })
}

async fn export(caller: &mut Caller, table: &str) -> String {
    let request = pb::CreateExportJobRequest {
        table_id: table.to_owned(),
        format: pb::FileFormat::Csv.into(),
        ..Default::default()
    };
    let job = caller.export(request).await;
    String::from_utf8(caller.download(&job.id, 0).await.unwrap()).unwrap()
}

async fn holds(suite: &Suite, object: &ObjectPath, text: &[u8]) -> bool {
    let size = suite.transfer.store.size_bytes(object).await.unwrap();
    let bytes = suite.transfer.store.get_range(object, 0..size).await.unwrap();
    bytes.windows(text.len()).any(|part| part == text)
}

/// The fields of a CSV file without quotes.
fn records(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').collect()).collect()
}

#[tokio::test]
async fn equal_people_have_equal_pseudonyms_however_each_tenant_writes_them() {
    let suite = Suite::start().await;
    let ours = suite.table_of(suite.ours, "ours", &people()).await;
    let theirs = suite.table_of(suite.theirs, "theirs", &people()).await;
    let (mut editor, mut other) = (suite.as_editor(), suite.as_other_tenant());
    let sent = "email,phone,city,number\nAnn@Example.com ,(650) 253-0000, Ely,7\nbob@example.com,,york,\n";
    let job = editor.import(csv_import(&ours), sent.as_bytes()).await;
    assert_eq!((job.version, job.rows_imported), (Some(1), 2), "{job:?}");
    let sent = "email,phone,city,number\nBOB@example.com,,YORK,\nann@example.COM,+1 650-253-0000,ely,7\n";
    other.import(csv_import(&theirs), sent.as_bytes()).await;
    // Another project has another secret.
    let project = suite.sql.project(suite.ours.id, "Another").await;
    let dataset = suite.sql.dataset(suite.ours.id, project, "fleet").await;
    let elsewhere = suite.sql.table(suite.ours.id, dataset, "people", &people()).await;
    let elsewhere = elsewhere.to_string();
    editor.import(csv_import(&elsewhere), sent.as_bytes()).await;
    let apart = export(&mut editor, &elsewhere).await;

    let (one, two) = (
        export(&mut editor, &ours).await,
        export(&mut other, &theirs).await,
    );
    let (one, two, apart) = (records(&one), records(&two), records(&apart));
    assert_eq!(one[0], ["city", "email", "phone", "number"]);
    assert_eq!((&one[1], &one[2]), (&two[2], &two[1]));
    assert_eq!((one[1][0], one[1][2]), ("ely", "+16502530000"));
    for pseudonym in [one[1][1], one[2][1], one[1][3]] {
        let hex = pseudonym
            .bytes()
            .all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
        assert!(pseudonym.len() == 64 && hex, "{pseudonym}");
    }
    assert_ne!(one[1][1], one[2][1]);
    assert_eq!(one[2][3], "");
    for (mine, another) in two.iter().zip(&apart).skip(1) {
        assert_ne!(mine[1], another[1]);
        assert_eq!((mine[0], mine[2]), (another[0], another[2]));
    }
    assert_ne!(two[2][3], apart[2][3]);

    // Footers hold the least and the greatest value of a text as they are; of an address there is nothing.
    let folder = ObjectPath::from("tenant");
    let objects: Vec<_> = suite.transfer.store.list(&folder).collect().await;
    assert_eq!(objects.len(), 3);
    for object in objects {
        let object = object.unwrap();
        assert!(holds(&suite, &object, b"+16502530000").await);
        assert!(!holds(&suite, &object, b"example.com").await);
    }
    let known = "SELECT statistics ->> 'email' FROM table_file";
    for statistics in suite.sql.column(known).await.unwrap() {
        let statistics: Value = serde_json::from_str(&statistics).unwrap();
        assert_eq!(statistics["id"], statistics["pseudonym"]);
        assert_eq!(
            (&statistics["nulls"], &statistics["distinct"]),
            (&json!(0), &json!(2))
        );
    }
    let unique = suite
        .sql
        .column("SELECT unique_columns FROM table_version")
        .await
        .unwrap();
    assert_eq!(unique, ["{email}"; 3]);
}

#[tokio::test]
async fn what_is_pseudonymized_is_told_to_nobody() {
    let suite = Suite::start().await;
    let table = suite.table_of(suite.ours, "people", &people()).await;
    let mut editor = suite.as_editor();
    let request = pb::CreateImportJobRequest {
        max_bad_records: 100,
        ..csv_import(&table)
    };
    let sent = "email,phone,city,number\nsecret,+999 1,Rome,0\nsecret-but-too-long@example.com,,ely,-5\nsecret@example.com\nann@example.com,,ely,secret\n";
    let job = editor.import(request, sent.as_bytes()).await;
    assert_eq!(
        (job.state(), job.rows_rejected),
        (pb::JobState::Completed, 4),
        "{job:?}"
    );
    let rows = suite
        .sql
        .rows("SELECT line, coalesce(field, ''), value FROM rejected_row ORDER BY line, field")
        .await
        .unwrap();
    let told: Vec<[&str; 3]> = rows
        .iter()
        .map(|row| [row[0].as_str(), row[1].as_str(), row[2].as_str()])
        .collect();
    assert_eq!(
        told,
        [
            ["2", "city", "rome"],
            ["2", "email", ""],
            ["2", "number", ""],
            ["2", "phone", "+999 1"],
            ["3", "email", ""],
            ["3", "number", ""],
            ["4", "", ""],
            ["5", "number", ""],
        ]
    );
    // A file without a line of names has values where names should be.
    let job = editor
        .import(csv_import(&table), b"secret@example.com,,ely,1\n")
        .await;
    let error = job.error.unwrap();
    assert!(
        error.message.contains("none of the 4 names") && !error.message.contains("secret"),
        "{error:?}"
    );
    let everywhere = "SELECT count(*) FROM import_run r
        WHERE r::text LIKE '%secret%' OR EXISTS (SELECT FROM rejected_row j WHERE j::text LIKE '%secret%')";
    assert_eq!(suite.sql.value(everywhere).await.unwrap(), "0");
}

#[tokio::test]
async fn what_was_sent_is_gone_however_the_import_ends() {
    let suite = Suite::with(|limits| {
        limits.sweep_every = std::time::Duration::from_millis(50);
        limits.sweep_grace = std::time::Duration::ZERO;
    })
    .await;
    let table = suite.table_of(suite.ours, "people", &people()).await;
    let mut editor = suite.as_editor();
    let completed = editor
        .import(csv_import(&table), b"email\nann@example.com\n")
        .await;
    assert_eq!(completed.state(), pb::JobState::Completed);
    let failed = editor.import(csv_import(&table), b"email\nann\n").await;
    assert_eq!(failed.state(), pb::JobState::Failed);
    let [cancelled, expired] = [
        editor.create(csv_import(&table)).await,
        editor.create(csv_import(&table)).await,
    ];
    for job in [&cancelled, &expired] {
        editor
            .send(&job.id, 0, b"email\nann@example.com\n", None)
            .await
            .unwrap();
    }
    let request = pb::CancelImportJobRequest {
        id: cancelled.id,
        request_id: String::new(),
    };
    editor.imports.cancel_import_job(request).await.unwrap();
    let age = format!(
        "SET session_replication_role = replica;
         UPDATE import_run SET created_at = created_at - interval '2 days' WHERE job_id = '{}';
         SET session_replication_role = origin",
        expired.id
    );
    suite.sql.run(&age).await.unwrap();
    let folder = ObjectPath::from("staging");
    let swept = async {
        while suite.transfer.store.list(&folder).count().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.unwrap();
    let expired = editor.ended(&expired.id).await;
    assert!(expired.error.unwrap().message.contains("not finished in time"));
    // All that is left is the table's one file, which holds none of it.
    let left: Vec<_> = suite.transfer.store.list(&ObjectPath::default()).collect().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!holds(&suite, left[0].as_ref().unwrap(), b"example.com").await);
}

#[tokio::test]
async fn a_parquet_file_is_pseudonymized_alike() {
    let suite = Suite::start().await;
    let raw = json!({ "type": "object", "properties": { "email": { "type": "string" } } });
    let hidden = json!({ "type": "object", "properties": {
        "email": { "type": "string", "x-pseudonymize": true },
    } });
    let raw = suite.table_of(suite.ours, "raw", &raw).await;
    let [by_csv, by_parquet] = [
        suite.table_of(suite.ours, "by_csv", &hidden).await,
        suite.table_of(suite.ours, "by_parquet", &hidden).await,
    ];
    let mut editor = suite.as_editor();
    let sent = b"email\nann@example.com\n\"\"\n";
    editor.import(csv_import(&raw), sent).await;
    editor.import(csv_import(&by_csv), sent).await;
    let request = |table: &str| pb::CreateExportJobRequest {
        table_id: table.to_owned(),
        format: pb::FileFormat::Parquet.into(),
        ..Default::default()
    };
    let exported = editor.export(request(&raw)).await;
    let file = editor.download(&exported.id, 0).await.unwrap();
    let import = pb::CreateImportJobRequest {
        format: pb::FileFormat::Parquet.into(),
        ..csv_import(&by_parquet)
    };
    let job = editor.import(import.clone(), &file).await;
    assert_eq!(job.rows_imported, 2, "{job:?}");
    assert_eq!(
        export(&mut editor, &by_csv).await,
        export(&mut editor, &by_parquet).await
    );

    // Digits that come out are texts to be hashed again; bytes are not.
    let once = export(&mut editor, &by_csv).await;
    editor.import(csv_import(&by_csv), once.as_bytes()).await;
    let again = export(&mut editor, &by_csv).await;
    let (once, again) = (records(&once), records(&again));
    assert_eq!((again.len(), &again[..3]), (5, &once[..]));
    assert_ne!(once[1], again[3]);
    let exported = editor.export(request(&by_csv)).await;
    let file = editor.download(&exported.id, 0).await.unwrap();
    let job = editor.import(import, &file).await;
    assert!(job.error.unwrap().message.contains("does not become string"));
}

#[tokio::test]
async fn a_pseudonymized_column_is_unique_where_it_has_to_be() {
    let suite = Suite::start().await;
    let schema = json!({ "type": "object", "properties": { "email": {
        "type": "string", "x-normalize": "email", "x-pseudonymize": true, "x-unique": true,
    } } });
    let table = suite.table_of(suite.ours, "people", &schema).await;
    let mut editor = suite.as_editor();
    let job = editor
        .import(
            csv_import(&table),
            b"email\nann@example.com\nbob@example.com\n\n\n",
        )
        .await;
    assert_eq!(job.rows_imported, 4, "null is no value: {job:?}");
    let job = editor
        .import(
            csv_import(&table),
            b"email\ncid@example.com\nBOB@example.com\nCid@example.com\n",
        )
        .await;
    let error = job.error.unwrap();
    assert!(
        error.message.contains("field \"email\": must be unique"),
        "{error:?}"
    );
    let rows = suite
        .sql
        .rows("SELECT line, reason, value FROM rejected_row ORDER BY line")
        .await
        .unwrap();
    assert_eq!(
        rows,
        [
            ["3", "must be unique and repeats a value that the table holds", ""],
            ["4", "must be unique and repeats the value of line 2", ""],
        ]
    );
}

#[tokio::test]
async fn keywords_that_do_not_fit_are_named_when_an_import_is_created() {
    let suite = Suite::start().await;
    let schema = json!({ "type": "object", "properties": {
        "a": { "type": "number", "x-pseudonymize": true },
        "b": { "type": "string", "x-normalize": "upper" },
        "c": { "type": "string", "x-normalize": "phone", "x-region": "Mars" },
    } });
    let table = suite.table_of(suite.ours, "people", &schema).await;
    let status = suite
        .as_editor()
        .imports
        .create_import_job(csv_import(&table))
        .await;
    let details = status.unwrap_err().get_error_details();
    let violations = details.bad_request().unwrap().field_violations.clone();
    let fields: Vec<_> = violations.into_iter().map(|it| it.field).collect();
    assert_eq!(
        fields,
        ["a.x-pseudonymize", "b.x-normalize", "c.x-region"]
            .map(|path| format!("table.schema.properties.{path}"))
    );
}
