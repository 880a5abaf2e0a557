use crate::ask::{fault, filter, refused};

#[test]
fn operators() {
    for (query, expected) in [
        ("id=eq.1", "id eq <1>"),
        ("id=gt.1", "id gt <1>"),
        ("id=gte.1", "id gte <1>"),
        ("id=lt.1", "id lt <1>"),
        ("id=lte.1", "id lte <1>"),
        ("id=neq.1", "id neq <1>"),
        ("name=like.*a*", "name like <%a%>"),
        ("name=ilike.*a_%25", "name ilike <%a_%>"),
        ("name=match.^a*", "name match <^a*>"),
        ("name=imatch.^a", "name imatch <^a>"),
        ("name=in.(a,b)", "name in [\"a\", \"b\"]"),
        ("name=is.null", "name is <null>"),
        ("name=is.NULL", "name is <null>"),
        ("name=is.not_null", "name is <not_null>"),
        ("name=is.True", "name is <true>"),
        ("name=is.false", "name is <false>"),
        ("name=is.unknown", "name is <unknown>"),
        ("name=isdistinct.a", "name is_distinct <a>"),
        ("name=fts.a", "name fts <a>"),
        ("name=fts(english).a", "name fts(english) <a>"),
        ("name=plfts.a", "name plfts <a>"),
        ("name=phfts(simple).a b", "name phfts(simple) <a b>"),
        ("name=wfts.a", "name wfts <a>"),
        ("schema=cs.{\"a\":1}", "schema contains <{\"a\":1}>"),
        ("schema=cd.{}", "schema contained <{}>"),
        ("schema=ov.{a}", "schema overlaps <{a}>"),
        ("id=sl.1", "id strictly_left <1>"),
        ("id=sr.1", "id strictly_right <1>"),
        ("id=nxr.1", "id not_extends_right <1>"),
        ("id=nxl.1", "id not_extends_left <1>"),
        ("id=adj.1", "id adjacent <1>"),
        ("id=not.eq.1", "not id eq <1>"),
        ("id=not.in.(1)", "not id in [\"1\"]"),
        ("id=not.is.not_null", "not id is <not_null>"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
}

#[test]
fn quantifiers() {
    for (query, expected) in [
        ("id=eq(any).{1,2}", "id eq(any) <{1,2}>"),
        ("id=gt(all).{1}", "id gt(all) <{1}>"),
        ("name=like(any).{a*,*b}", "name like(any) <{a%,%b}>"),
        ("name=not.ilike(all).{a*}", "not name ilike(all) <{a%}>"),
        ("name=match(any).{^a}", "name match(any) <{^a}>"),
        ("name=imatch(any).{^a}", "name imatch(any) <{^a}>"),
        ("name=eq(any).abc", "name eq(any) <abc>"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
}

#[test]
fn what_is_no_operator_is_refused() {
    for value in [
        "",
        "eq",
        "1",
        "x.1",
        "not.not.eq.1",
        "not",
        "not.",
        "eq().1",
        "neq(any).1",
        "in(any).(1)",
        "eq(some).1",
        "is.maybe",
        "is.",
        "in.",
        "in.1",
        "in.(1",
        "EQ.1",
        "isdistinct",
        "eq.",
        "fts().a",
    ] {
        let line = format!("GET /table?id={value}");
        if value == "eq." {
            assert!(crate::ask::ask(&line).is_ok());
            continue;
        }
        assert_eq!(fault(&refused(&line)), (400, "PGRST100"), "{value}");
    }
}

#[test]
fn plain_values_are_taken_as_they_are() {
    for (query, expected) in [
        ("name=eq.\"x\"", "name eq <\"x\">"),
        ("name=eq.Beta, Inc.", "name eq <Beta, Inc.>"),
        ("name=eq.", "name eq <>"),
        ("name=eq.(a)", "name eq <(a)>"),
        ("name=eq.'; DROP TABLE x; --", "name eq <'; DROP TABLE x; -->"),
        ("name=eq.a\tb", "name eq <a\tb>"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
}

#[test]
fn lists_are_split_at_commas() {
    for (query, expected) in [
        ("name=in.(sales, inventory)", "[\"sales\", \" inventory\"]"),
        ("name=in.( a,b)", "[\"a\", \"b\"]"),
        ("name=in.()", "[]"),
        ("name=in.(\"\")", "[]"),
        ("name=in.(\"\",a)", "[\"\", \"a\"]"),
        ("name=in.(\"a,b\",c)", "[\"a,b\", \"c\"]"),
        (r#"name=in.("a\"b","c\\d")"#, r#"["a\"b", "c\\d"]"#),
        ("name=in.(\"a\"b,c)", "[\"\\\"a\\\"b\", \"c\"]"),
        ("name=in.(a.b,c:d)", "[\"a.b\", \"c:d\"]"),
    ] {
        assert_eq!(filter(query), format!("name in {expected}"), "{query}");
    }
}

#[test]
fn trees() {
    for (query, expected) in [
        ("or=(id.eq.1,name.eq.a)", "or(id eq <1>, name eq <a>)"),
        ("and=(id.eq.1)", "and(id eq <1>)"),
        ("not.or=(id.eq.1,id.eq.2)", "not or(id eq <1>, id eq <2>)"),
        ("or=(id.not.eq.1,id.eq.2)", "or(not id eq <1>, id eq <2>)"),
        (
            "or=(id.eq.1,not.and(name.eq.a,name.eq.b))",
            "or(id eq <1>, not and(name eq <a>, name eq <b>))",
        ),
        ("or=(and(or(id.eq.1)))", "or(and(or(id eq <1>)))"),
        ("or=( id.eq.1 , name.eq.a )", "or(id eq <1 >, name eq <a >)"),
        (
            "or=(name.in.(a,b),id.is.null)",
            "or(name in [\"a\", \"b\"], id is <null>)",
        ),
        ("or=(name.eq.\"a,b)\",id.eq.1)", "or(name eq <a,b)>, id eq <1>)"),
        (
            "or=(name.eq(any).{a,b},id.eq.1)",
            "or(name eq(any) <{a,b}>, id eq <1>)",
        ),
        (
            r#"or=(schema.cs."{\"tags\":[\"ads\"]}")"#,
            r#"or(schema contains <{"tags":["ads"]}>)"#,
        ),
        (
            "or=(schema->>type.eq.a,schema->x->0.eq.1)",
            "or(schema->>type eq <a>, schema->x->[0] eq <1>)",
        ),
        (
            "or=(id.eq.1)&or=(id.eq.2)&name=eq.a",
            "and(name eq <a>, or(id eq <1>), or(id eq <2>))",
        ),
        ("or=(name.like.a*)", "or(name like <a%>)"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
    for query in [
        "or=()",
        "or=",
        "or=(id.eq.1",
        "or=(id)",
        "and=id",
        "or=(,)",
        "or=(id.eq.1,)",
    ] {
        assert_eq!(
            fault(&refused(&format!("GET /table?{query}"))),
            (400, "PGRST100"),
            "{query}"
        );
    }
}

#[test]
fn paths_into_json() {
    for (query, expected) in [
        ("schema->a=eq.1", "schema->a eq <1>"),
        ("schema->>a=eq.1", "schema->>a eq <1>"),
        ("schema->0=eq.1", "schema->[0] eq <1>"),
        ("schema->-1=eq.1", "schema->[-1] eq <1>"),
        ("schema->a->0->>b=eq.1", "schema->a->[0]->>b eq <1>"),
        ("schema->>a b=eq.1", "schema->>a b eq <1>"),
        ("schema->>\"a.b\"=eq.1", "schema->>a.b eq <1>"),
        ("schema->>'a=eq.1", "schema->>'a eq <1>"),
        ("schema->>0a=eq.1", "schema->>0a eq <1>"),
        ("schema->99999999999=eq.1", "schema->99999999999 eq <1>"),
    ] {
        assert_eq!(filter(query), expected, "{query}");
    }
}

/// Every tree gives an answer, however deep and however large.
#[test]
fn trees_are_bounded() {
    let nested = |depth: usize| format!("or={}(id.eq.1{})", "(and".repeat(depth), ")".repeat(depth));
    assert!(crate::ask::ask(&format!("GET /table?{}", nested(30))).is_ok());
    for depth in [32, 100, 1000, 10_000] {
        let error = refused(&format!("GET /table?{}", nested(depth)));
        assert_eq!(fault(&error), (400, "PGRST100"), "{depth}");
        assert_eq!(crate::ask::details(&error), "a tree is at most 32 levels deep");
    }
    let wide = format!("or=({})", vec!["a.eq."; 10_000].join(","));
    assert_eq!(fault(&refused(&format!("GET /table?{wide}"))), (400, "PGRST100"));
    let steps = "->a".repeat(33);
    assert_eq!(
        fault(&refused(&format!("GET /table?schema{steps}=eq.1"))),
        (400, "PGRST100")
    );
    let list = format!("id=in.({})", vec!["1"; 30_000].join(","));
    assert!(crate::ask::ask(&format!("GET /table?{list}")).is_ok());
}
