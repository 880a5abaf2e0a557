use datacovey_rest::{Relations, Rows};

use crate::ask::{details, fault, refused, rows, select, show, show_selections};

fn embedded(line: &str) -> String {
    show_selections(&select(line).selections)
}

#[test]
fn relations_relate_by_their_foreign_keys_both_ways() {
    let ways = [
        ("dataset", "project", "dataset_project_id_fkey"),
        ("query", "project", "query_project_id_fkey"),
        ("table", "dataset", "table_dataset_id_fkey"),
        ("query_job", "query", "query_job_query_id_fkey"),
        ("import_job", "table", "import_job_table_id_fkey"),
        ("export_job", "table", "export_job_table_id_fkey"),
        ("user", "tenant", "user_tenant_id_fkey"),
    ];
    for (from, to, key) in ways {
        assert_eq!(
            embedded(&format!("/{from}?select={to}(id)")),
            format!("{to}={to} to_one {key}(id)")
        );
        assert_eq!(
            embedded(&format!("/{to}?select={from}(id)")),
            format!("{from}={from} to_many {key}(id)")
        );
    }
    // All that are not related are refused.
    let relations = Relations::contract();
    for from in relations.iter() {
        for to in relations.iter() {
            let related = relations.foreign_keys().any(|it| {
                (it.from.name == from.name && it.to.name == to.name)
                    || (it.from.name == to.name && it.to.name == from.name)
            });
            let asked = crate::ask::ask(&format!("GET /{}?select={}(*)", from.name, to.name));
            assert_eq!(asked.is_ok(), related, "{} {}", from.name, to.name);
        }
    }
}

#[test]
fn targets_and_hints() {
    let expected = "=project to_one dataset_project_id_fkey(name)";
    for (select, name) in [
        ("project(name)", "project"),
        ("p:project(name)", "p"),
        ("project_id(name)", "project_id"),
        ("dataset_project_id_fkey(name)", "dataset_project_id_fkey"),
        ("project!dataset_project_id_fkey(name)", "project"),
        ("project!project_id(name)", "project"),
        ("project!id(name)", "project"),
        ("project!left(name)", "project"),
        ("project!left!project_id(name)", "project"),
    ] {
        assert_eq!(
            embedded(&format!("/dataset?select={select}")),
            format!("{name}{expected}"),
            "{select}"
        );
    }
    let inner = "project=project to_one dataset_project_id_fkey inner(name)";
    for select in [
        "project!inner(name)",
        "project!inner!project_id(name)",
        "project!project_id!inner(name)",
    ] {
        assert_eq!(embedded(&format!("/dataset?select={select}")), inner, "{select}");
    }
}

#[test]
fn a_relationship_that_there_is_not_is_said() {
    let error = refused("GET /project?select=table(*)");
    assert_eq!(fault(&error), (400, "PGRST200"));
    assert_eq!(
        error.message,
        "Could not find a relationship between 'project' and 'table' in the schema cache"
    );
    assert_eq!(
        details(&error),
        "Searched for a foreign key relationship between 'project' and 'table' in the schema 'api', but no matches were \
         found."
    );
    let error = refused("GET /dataset?select=project!nohint(*)");
    assert_eq!(
        details(&error),
        "Searched for a foreign key relationship between 'dataset' and 'project' using the hint 'nohint' in the schema \
         'api', but no matches were found."
    );
    assert_eq!(error.hint, None);
    for (line, hint) in [
        (
            "/project?select=datasets(*)",
            Some("Perhaps you meant 'dataset' instead of 'datasets'."),
        ),
        ("/project?select=xyz(*)", None),
        (
            "/dataset_history?select=project(*)",
            Some("Perhaps you meant 'dataset' instead of 'dataset_history'."),
        ),
    ] {
        assert_eq!(refused(&format!("GET {line}")).hint.as_deref(), hint, "{line}");
    }
}

#[test]
fn parameters_go_to_what_is_embedded() {
    assert_eq!(
        embedded("/project?select=d:dataset(id)&d.name=eq.a&dataset.id=eq.1"),
        "d=dataset to_many dataset_project_id_fkey(id) where and(name eq <a>, id eq <1>)"
    );
    assert_eq!(
        embedded("/project?select=a:dataset(id),b:dataset(id)&b.name=eq.b&a.name=eq.a"),
        "a=dataset to_many dataset_project_id_fkey(id) where name eq <a>, b=dataset to_many \
         dataset_project_id_fkey(id) where name eq <b>"
    );
    for query in [
        "dataset.name=eq.a",
        "dataset.order=name",
        "dataset.limit=1",
        "dataset.offset=1",
        "dataset.or=(id.eq.1)",
        "select=dataset(*)&dataset.table.id=eq.1",
    ] {
        let error = refused(&format!("GET /project?{query}"));
        assert_eq!(fault(&error), (400, "PGRST108"), "{query}");
        assert!(error.hint.unwrap().starts_with("Verify that '"), "{query}");
    }
    let error = refused("GET /dataset?project.id=eq.1");
    assert_eq!(
        error.message,
        "'project' is not an embedded resource in this request"
    );
    assert_eq!(
        error.hint.as_deref(),
        Some("Verify that 'project' is included in the 'select' query parameter.")
    );
}

#[test]
fn embeddings_may_be_asked_whether_they_are_null() {
    let filter = |query: &str| show(&select(&format!("/project?{query}")).filter.unwrap());
    for (query, expected) in [
        ("select=*,dataset()&dataset=is.null", "unrelated dataset"),
        (
            "select=*,dataset(id)&dataset=not.is.null",
            "not unrelated dataset",
        ),
        ("select=*,d:dataset(id)&d=is.null", "unrelated d"),
        ("select=*,d:dataset(id)&dataset=is.null", "dataset is <null>"),
        (
            "select=*,dataset(id)&or=(dataset.is.null,name.eq.a)",
            "or(unrelated dataset, name eq <a>)",
        ),
        (
            "select=*,dataset(id)&or=(dataset.not.is.null)",
            "or(not unrelated dataset)",
        ),
        (
            "select=*,dataset(id)&dataset=is.not_null",
            "dataset is <not_null>",
        ),
        ("select=*,dataset(id)&dataset=eq.1", "dataset eq <1>"),
        ("dataset=is.null", "dataset is <null>"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
    assert_eq!(
        embedded("/project?select=dataset()"),
        "dataset=dataset to_many dataset_project_id_fkey()"
    );
}

#[test]
fn spreads() {
    assert_eq!(
        embedded("/dataset?select=name,...project(p:name)"),
        "name, ...project=project to_one dataset_project_id_fkey(p=name)"
    );
    assert_eq!(
        embedded("/project?select=name,...dataset!inner(n:name,...table(id))&dataset.order=name"),
        "name, ...dataset=dataset to_many dataset_project_id_fkey inner(n=name, ...table=table to_many \
         table_dataset_id_fkey(id)) order name"
    );
    assert_eq!(
        fault(&refused("GET /dataset?select=p:...project(name)")),
        (400, "PGRST100")
    );
}

#[test]
fn mutations_return_embeddings_too() {
    match rows(
        "PATCH /dataset?id=eq.1&select=name,project(name)",
        &[("prefer", "return=representation")],
        "{}",
    ) {
        Rows::Update(it) => {
            assert_eq!(
                show_selections(&it.returning),
                "name, project=project to_one dataset_project_id_fkey(name)"
            );
            assert_eq!(show(&it.filter.unwrap()), "id eq <1>");
        }
        other => panic!("{other:?}"),
    }
}

/// The contract has one way between two relations at most.
#[test]
fn more_ways_than_one_are_listed() {
    let relations: Relations = serde_json::from_value(serde_json::json!({
        "title": "", "version": "", "description": "",
        "relations": [
            {"name": "person", "service": "identity", "columns": [{"name": "id", "type": "uuid", "primary": true}]},
            {"name": "letter", "service": "identity", "columns": [
                {"name": "sender", "type": "uuid", "references": "person"},
                {"name": "reader", "type": "uuid", "references": "person"},
            ]},
        ],
    }))
    .unwrap();
    let head = |query| {
        datacovey_rest::Head::read(
            datacovey_rest::Request {
                method: &http::Method::GET,
                path: "/letter",
                query,
                headers: &http::HeaderMap::new(),
            },
            &datacovey_rest::Settings::default(),
        )
        .unwrap()
    };
    assert!(
        head("select=person!sender(id)")
            .plan(&relations, &bytes::Bytes::new())
            .is_ok()
    );
    let error = head("select=person(id)")
        .plan(&relations, &bytes::Bytes::new())
        .unwrap_err();
    assert_eq!(fault(&error), (300, "PGRST201"));
    assert_eq!(
        error.to_json(),
        serde_json::json!({
            "code": "PGRST201",
            "message": "Could not embed because more than one relationship was found for 'letter' and 'person'",
            "hint": "Try changing 'person' to one of the following: 'person!letter_sender_fkey', \
                     'person!letter_reader_fkey'. Find the desired relationship in the 'details' key.",
            "details": [
                {"cardinality": "many-to-one", "embedding": "letter with person",
                 "relationship": "letter_sender_fkey using letter(sender) and person(id)"},
                {"cardinality": "many-to-one", "embedding": "letter with person",
                 "relationship": "letter_reader_fkey using letter(reader) and person(id)"},
            ],
        })
    );
}

/// A decoder of protobuf takes a hundred levels of messages.
#[test]
fn the_deepest_request_may_be_sent() {
    let mut select = "id".to_owned();
    let mut path = String::new();
    for level in 0..12 {
        let name = if level % 2 == 0 { "dataset" } else { "project" };
        select = format!("*,{name}({select})");
    }
    for level in (0..12).rev() {
        path.push_str(if level % 2 == 0 { "dataset." } else { "project." });
    }
    let tree = format!("{}(id->a.eq.1{})", "(not.and".repeat(30), ")".repeat(30));
    let request = crate::ask::select(&format!("/dataset?select={select}&{path}id=eq.1&{path}or={tree}"));
    let bytes = prost::Message::encode_to_vec(&request);
    let again: datacovey_proto::internal::rows::v1::SelectRequest = prost::Message::decode(&*bytes).unwrap();
    assert_eq!(again, request);
}
