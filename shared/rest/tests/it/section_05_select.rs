use crate::ask::{fault, refused, select, show_selections};

#[test]
fn columns() {
    for (value, expected) in [
        ("", "*"),
        ("*", "*"),
        ("id,name", "id, name"),
        (" id , name ", "id, name"),
        ("n:name", "n=name"),
        ("name::text", "name::text"),
        ("n:name::text", "n=name::text"),
        (
            "created_at::timestamp without time zone",
            "created_at::timestamp without time zone",
        ),
        ("schema->a", "a=schema->a"),
        ("schema->>a,name", "a=schema->>a, name"),
        ("schema->tags->0", "tags=schema->tags->[0]"),
        ("schema->0", "schema=schema->[0]"),
        ("schema->columns->0->>name", "name=schema->columns->[0]->>name"),
        ("schema->>version::int", "version=schema->>version::int"),
        ("v:schema->>version::int", "v=schema->>version::int"),
        ("name,name", "name, name"),
        ("*,name", "*, name"),
        ("\"odd,name\"", "odd,name"),
        ("\"a:b\":name", "a:b=name"),
        ("a-b", "a-b"),
    ] {
        let found = show_selections(&select(&format!("/table?select={value}")).selections);
        assert_eq!(found, expected, "{value}");
    }
    assert_eq!(show_selections(&select("/table").selections), "*");
}

#[test]
fn what_is_no_selection_is_refused() {
    for value in [
        "name!hint",
        "name[]",
        "name::",
        "(",
        ")",
        "id)",
        "dataset(",
        "dataset(id",
        "dataset(id))",
        "id,,name",
        ",",
        "id,",
        "a:b:c",
        "->a",
        "id.",
        "id.nope()",
        "name::int.first()",
        "a:...dataset(id)",
        "*x",
    ] {
        let error = refused(&format!("GET /table?select={value}"));
        assert_eq!(fault(&error), (400, "PGRST100"), "{value}");
        let begin = format!("\"failed to parse select parameter ({value})\" (line 1, column ");
        assert!(error.message.starts_with(&begin), "{}", error.message);
    }
}

#[test]
fn selections_are_bounded() {
    let many = vec!["id"; 1001].join(",");
    assert_eq!(
        fault(&refused(&format!("GET /table?select={many}"))),
        (400, "PGRST100")
    );
    for depth in [13, 1000, 5000] {
        let deep = format!("{}{}", "table(".repeat(depth), ")".repeat(depth));
        let error = refused(&format!("GET /dataset?select={deep}"));
        assert_eq!(fault(&error), (400, "PGRST100"));
        assert_eq!(
            crate::ask::details(&error),
            "embeddings are at most 12 levels deep"
        );
    }
}
