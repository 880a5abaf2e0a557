use datacovey_rest::{Relations, Service};

#[test]
fn nine_relations_have_a_primary_key_and_five_are_histories() {
    let relations = Relations::contract();
    assert_eq!(relations.iter().count(), 14);
    for relation in relations.iter() {
        let is_history = relation.history_of().is_some();
        assert_eq!(relation.primary_key().is_none(), is_history, "{}", relation.name);
        if let Some(key) = relation.primary_key() {
            assert_eq!(key.name, "id");
        }
    }
    assert_eq!(relations.iter().filter(|it| it.history_of().is_some()).count(), 5);
}

#[test]
fn the_foreign_keys_are_those_of_the_contract() {
    let keys = Relations::contract().foreign_keys();
    let mut found: Vec<_> = keys
        .map(|it| format!("{}: {} to {}", it.name(), it.from.name, it.to.name))
        .collect();
    found.sort();
    let mut expected: Vec<_> = [
        "project",
        "dataset",
        "table",
        "query",
        "query_job",
        "import_job",
        "export_job",
        "user",
    ]
    .iter()
    .map(|it| format!("{it}_tenant_id_fkey: {it} to tenant"))
    .collect();
    for (from, to) in [
        ("dataset", "project"),
        ("query", "project"),
        ("table", "dataset"),
        ("query_job", "query"),
        ("import_job", "table"),
        ("export_job", "table"),
    ] {
        expected.push(format!("{from}_{to}_id_fkey: {from} to {to}"));
    }
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn each_relation_has_a_service() {
    let owned = |service| {
        let all = Relations::contract().iter();
        let mut names: Vec<_> = all
            .filter(|it| it.service == service)
            .map(|it| &*it.name)
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(owned(Service::Identity), ["tenant", "user"]);
    assert_eq!(
        owned(Service::Catalog),
        ["dataset", "dataset_history", "project", "table", "table_history"]
    );
    assert_eq!(owned(Service::Query), ["query", "query_history", "query_job"]);
    assert_eq!(
        owned(Service::Transfer),
        [
            "export_job",
            "export_job_history",
            "import_job",
            "import_job_history"
        ]
    );
}

#[test]
fn names_are_compared_as_they_are() {
    let relations = Relations::contract();
    assert!(relations.get("table").is_some());
    assert!(relations.get("Table").is_none());
    let table = relations.get("table").unwrap();
    assert!(table.column("schema").is_some());
    assert!(table.column("Schema").is_none());
}
