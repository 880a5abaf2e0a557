use crate::ask::{ask, details, fault, filter, refused, select, show_order, show_selections};

#[test]
fn parameters_are_decoded_before_they_are_read() {
    for (query, expected) in [
        ("name=eq.a+b", "name eq <a b>"),
        ("name=eq.a%20b", "name eq <a b>"),
        ("name=eq.a%2Bb", "name eq <a+b>"),
        ("name=in.%28a%2Cb%29", "name in [\"a\", \"b\"]"),
        ("name=eq%2Ea", "name eq <a>"),
        ("name=eq.100%", "name eq <100%>"),
        ("name=eq.%zz", "name eq <%zz>"),
        ("id&name=eq.a", "name eq <a>"),
        ("&&name=eq.a&", "name eq <a>"),
        ("%22odd name%22=eq.a", "odd name eq <a>"),
        ("%22a\\%22b%22=eq.a", "a\"b eq <a>"),
        ("\u{fc}ber-name=eq.a", "\u{fc}ber-name eq <a>"),
        (" name =eq.a", "name eq <a>"),
        ("a$b=eq.x", "a$b eq <x>"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
    let error = refused("GET /project?name=eq.%ff");
    assert_eq!(fault(&error), (400, "PGRST100"));
}

#[test]
fn repeated_parameters_are_joined_or_one_wins() {
    assert_eq!(filter("name=eq.a&name=eq.b"), "and(name eq <a>, name eq <b>)");
    let request =
        select("/table?order=name&order=id&limit=1&limit=2&offset=3&offset=4&select=id&select=name");
    assert_eq!(show_order(&request.order), "name");
    assert_eq!((request.limit, request.offset), (Some(2), 4));
    assert_eq!(show_selections(&request.selections), "id");
}

#[test]
fn an_unknown_parameter_is_a_filter() {
    let error = refused("GET /project?page=2");
    assert_eq!(fault(&error), (400, "PGRST100"));
    assert_eq!(error.message, "\"failed to parse filter (2)\" (line 1, column 1)");
    assert_eq!(
        details(&error),
        "unexpected \"2\" expecting \"not\" or operator (eq, gt, ...)"
    );
    assert!(ask("GET /project?page=eq.2").is_ok());
}

#[test]
fn keys_may_lead_into_embeddings() {
    let request = select(
        "/project?select=*,dataset(name,table(*))&dataset.table.name=eq.a&dataset.order=name.desc&dataset.limit=2\
         &dataset.offset=1&dataset.not.or=(id.eq.1,id.eq.2)&dataset.table.and=(id.eq.3)",
    );
    assert_eq!(
        show_selections(&request.selections),
        "*, dataset=dataset to_many dataset_project_id_fkey(name, table=table to_many table_dataset_id_fkey(*) where \
         and(name eq <a>, and(id eq <3>))) where not or(id eq <1>, id eq <2>) order name desc limit 2 offset 1"
    );
}

#[test]
fn sizes_are_bounded() {
    let many = vec!["id=eq.1"; 1001].join("&");
    assert_eq!(
        fault(&refused(&format!("GET /project?{many}"))),
        (400, "PGRST100")
    );
    let long = format!("name=eq.{}", "x".repeat(64 << 10));
    assert_eq!(refused(&format!("GET /project?{long}")).status.as_u16(), 414);
    let fits = format!("name=eq.{}", "x".repeat(60_000));
    assert!(ask(&format!("GET /project?{fits}")).is_ok());
}
