use crate::ask::{details, fault, refused, rows, select, show_order};
use datacovey_rest::Rows;

#[test]
fn terms() {
    for (value, expected) in [
        ("name", "name"),
        ("name.asc", "name"),
        ("name.desc", "name desc"),
        ("name.nullsfirst", "name nullsfirst"),
        ("name.desc.nullslast", "name desc nullslast"),
        ("name.asc.nullsfirst,id.desc", "name nullsfirst, id desc"),
        ("name, id", "name, id"),
        ("schema->>a.desc", "schema->>a desc"),
        ("schema->0->b", "schema->[0]->b"),
        ("\"odd.name\".desc", "odd.name desc"),
    ] {
        assert_eq!(
            show_order(&select(&format!("/table?order={value}")).order),
            expected,
            "{value}"
        );
    }
}

#[test]
fn related_terms_take_one_related_row() {
    let found = |query: &str| show_order(&select(&format!("/dataset?{query}")).order);
    assert_eq!(
        found("select=*,project(*)&order=project(name).desc"),
        "project(name) desc"
    );
    assert_eq!(
        found("select=*,p:project(*)&order=p(name).desc.nullsfirst,id"),
        "p(name) desc nullsfirst, id"
    );
    for (line, expected) in [
        ("/dataset?order=project(name)", "PGRST108"),
        ("/dataset?select=*,p:project(*)&order=project(name)", "PGRST108"),
        ("/project?select=*,dataset(*)&order=dataset(name)", "PGRST118"),
    ] {
        assert_eq!(fault(&refused(&format!("GET {line}"))), (400, expected), "{line}");
    }
    let error = refused("GET /project?select=*,dataset(*)&order=dataset(name)");
    assert_eq!(error.message, "A related order on 'dataset' is not possible");
    assert_eq!(
        details(&error),
        "'project' and 'dataset' do not form a many-to-one or one-to-one relationship"
    );
}

#[test]
fn what_mutations_return_is_ordered() {
    let with = [("prefer", "return=representation")];
    let orders = [
        match rows("POST /project?order=name", &with, "{}") {
            Rows::Insert(it) => it.order,
            other => panic!("{other:?}"),
        },
        match rows("PATCH /project?order=name", &with, "{}") {
            Rows::Update(it) => it.order,
            other => panic!("{other:?}"),
        },
        match rows("DELETE /project?order=name", &with, "") {
            Rows::Delete(it) => it.order,
            other => panic!("{other:?}"),
        },
    ];
    for order in orders {
        assert_eq!(show_order(&order), "name");
    }
}

#[test]
fn what_is_no_order_is_refused() {
    for value in [
        "",
        ",",
        "name,",
        "name.",
        "name.up",
        "name.asc.desc",
        "name.nullsfirst.asc",
        "a(b",
        "a(b).x",
        "a()",
    ] {
        assert_eq!(
            fault(&refused(&format!("GET /table?order={value}"))),
            (400, "PGRST100"),
            "{value}"
        );
    }
    let many = vec!["id"; 101].join(",");
    assert_eq!(
        fault(&refused(&format!("GET /table?order={many}"))),
        (400, "PGRST100")
    );
}
