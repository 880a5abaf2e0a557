//! Tables that hold pseudonyms in place of tail numbers: they answer what those with the numbers answer, with and
//! without ids beside them, and are never joined with them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datacovey_proto::internal::transfer::v1::IdentityColumn;
use datacovey_proto::query::v1::ViolationCode;
use datacovey_storage::ObjectPath;
use datacovey_storage::keys::{ProjectKeys, ProjectSecret};
use datacovey_storage::schema::id_column;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use prost_types::Struct;

use crate::clients::{number, text};
use crate::fixture::{Bench, write};

const QUESTIONS: [&str; 4] = [
    "SELECT p.maker, COUNT(*) AS n, SUM(f.delay) AS total FROM alliance.flights f \
     JOIN registry.planes p ON f.tailnum = p.tailnum GROUP BY p.maker ORDER BY p.maker",
    "SELECT COUNT(*) AS n FROM (SELECT tailnum FROM alliance.flights INTERSECT SELECT tailnum FROM registry.planes) o",
    "SELECT origin, COUNT(DISTINCT tailnum) AS n FROM alliance.flights GROUP BY origin ORDER BY origin",
    "SELECT flown, COUNT(*) AS n FROM (SELECT tailnum, COUNT(*) AS flown FROM alliance.flights GROUP BY tailnum) u \
     GROUP BY flown ORDER BY flown",
];

fn keys() -> ProjectKeys {
    ProjectSecret::new([7; 32].into()).keys()
}

/// Puts pseudonyms in place of the tail numbers of the table at a place, with ids beside them or without.
async fn pseudonymize(bench: &Bench, at: usize, with_ids: bool) {
    let (store, table) = (bench.store(), bench.world.tables.lock().unwrap()[at].clone());
    let path = ObjectPath::from(format!("{}.parquet", table.name));
    let size = store.size_bytes(&path).await.unwrap();
    let file = store.get_range(&path, 0..size).await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .with_batch_size(1 << 20)
        .build();
    let raw = reader.unwrap().next().unwrap().unwrap();
    let pseudonyms: ArrayRef = Arc::new(keys().pseudonyms(&raw["tailnum"]).unwrap());
    let ids: ArrayRef = Arc::new(keys().ids(&pseudonyms).unwrap());
    let hidden = id_column("tailnum");
    let mut columns = vec![("tailnum", pseudonyms)];
    let others = raw.schema_ref().fields().iter().zip(raw.columns()).skip(1);
    columns.extend(others.map(|(field, values)| (field.name().as_str(), Arc::clone(values))));
    if with_ids {
        columns.push((hidden.as_str(), ids));
    }
    let columns = columns.into_iter().map(|(name, values)| (name, values, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let file = write(&store, &format!("{}-{with_ids}.parquet", table.name), &batch).await;
    let mut tables = bench.world.tables.lock().unwrap();
    tables[at].schema["properties"]["tailnum"]["x-pseudonymize"] = true.into();
    tables[at].files = vec![file];
    tables[at].content_version += 1;
    tables[at].identity_columns = if with_ids {
        let key_fingerprint = keys().fingerprint().to_owned();
        vec![IdentityColumn {
            column: "tailnum".to_owned(),
            key_fingerprint,
        }]
    } else {
        Vec::new()
    };
}

async fn answers(bench: &Bench) -> Vec<Vec<Struct>> {
    let mut answers = Vec::new();
    for question in QUESTIONS {
        answers.push(bench.as_registry().rows(question).await);
    }
    answers
}

#[tokio::test]
async fn pseudonyms_answer_what_the_values_answer() {
    let bench = Bench::new().await;
    let by_values = answers(&bench).await;
    assert!(by_values.iter().all(|rows| !rows.is_empty()), "{by_values:?}");
    for with_ids in [false, true] {
        pseudonymize(&bench, 0, with_ids).await;
        pseudonymize(&bench, 1, with_ids).await;
        assert_eq!(answers(&bench).await, by_values, "ids: {with_ids}");
    }
    // Its owner sees the bytes of the pseudonyms, and what they are counted by.
    let own = "SELECT tailnum, COUNT(*) AS n FROM registry.planes GROUP BY tailnum ORDER BY tailnum LIMIT 3";
    let rows = bench.as_registry().rows(own).await;
    assert_eq!(rows.len(), 3);
    assert!(
        rows.iter()
            .all(|row| text(row, "tailnum").len() == 44 && number(row, "n") == 1.0)
    );
}

#[tokio::test]
async fn pseudonyms_and_values_are_refused_together_by_their_names() {
    let bench = Bench::new().await;
    pseudonymize(&bench, 1, true).await;
    for question in &QUESTIONS[..2] {
        let said = bench.as_registry().check(question).await.unwrap().violations;
        let told = said.iter().find(|it| it.message.contains("holds pseudonyms"));
        let told = told.unwrap_or_else(|| panic!("{question}: {said:?}"));
        assert_eq!(told.code(), ViolationCode::JoinKey, "{told:?}");
        assert!(told.message.contains("tailnum"), "{told:?}");
        assert!(told.rewrite.contains("x-pseudonymize"), "{told:?}");
    }
}
