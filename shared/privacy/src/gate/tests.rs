use super::*;

fn codes(sql: &str) -> Vec<String> {
    let catalog = Catalog {
        analyst: uuid::Uuid::nil(),
        tables: Vec::new(),
        now: 0,
    };
    match admit(sql, &Parameters::new(), &catalog, &Limits::default()) {
        Ok(_) => Vec::new(),
        Err(found) => found.into_sorted().iter().map(|v| v.code.to_string()).collect(),
    }
}

#[test]
fn plain_queries_pass() {
    for sql in [
        "SELECT 1",
        "SELECT 1;",
        "WITH a AS (SELECT 1 AS x) SELECT x, COUNT(*) FROM a WHERE x IN (1, 2) GROUP BY x ORDER BY 1 DESC LIMIT 5 OFFSET 1",
        "SELECT CASE WHEN 1 BETWEEN 0 AND 2 THEN 'a' ELSE NULL END, CAST('1' AS INT), DATE '2013-01-01'",
        "SELECT SUM(x) FILTER (WHERE x > 1), RANK() OVER (PARTITION BY y ORDER BY x) FROM (SELECT 1 AS x, 2 AS y) t",
        "SELECT `x`, \"x\" FROM (SELECT 1 AS x) t",
        "SELECT `by` + `by` FROM (SELECT 1 AS `by`) t",
    ] {
        assert_eq!(codes(sql), Vec::<String>::new(), "{sql}");
    }
}

#[test]
fn every_violation_is_told_at_once_with_its_place() {
    let catalog = Catalog {
        analyst: uuid::Uuid::nil(),
        tables: Vec::new(),
        now: 0,
    };
    let sql = "SELECT __x\nFROM a.b TABLESAMPLE (10)\nFOR UPDATE";
    let found = admit(sql, &Parameters::new(), &catalog, &Limits::default())
        .unwrap_err()
        .into_sorted();
    let seen: Vec<_> = found
        .iter()
        .map(|v| (v.code, v.position.map(|p| p.line)))
        .collect();
    assert_eq!(
        seen,
        vec![
            (ViolationCode::ClauseNotSupported, Some(1)),
            (ViolationCode::ClauseNotSupported, Some(1)),
            (ViolationCode::ClauseNotSupported, Some(2)),
            (ViolationCode::UnknownTable, Some(2)),
        ],
        "{found:?}"
    );
}

#[test]
fn a_text_that_is_no_single_select_is_refused() {
    for (sql, code) in [
        ("", "SYNTAX"),
        ("-- nothing", "SYNTAX"),
        ("SELEC 1", "SYNTAX"),
        ("SELECT (1", "SYNTAX"),
        ("SELECT 1)", "SYNTAX"),
        ("SELECT 'open", "SYNTAX"),
        ("SELECT 1; SELECT 2", "STATEMENT_NOT_ALLOWED"),
        ("DROP TABLE x", "STATEMENT_NOT_ALLOWED"),
        ("EXPLAIN SELECT 1", "STATEMENT_NOT_ALLOWED"),
        (
            "WITH a AS (SELECT 1) INSERT INTO x SELECT * FROM a",
            "STATEMENT_NOT_ALLOWED",
        ),
    ] {
        assert_eq!(codes(sql), [code], "{sql}");
    }
}

#[test]
fn size_is_bounded_before_parsing() {
    let chain = |n: usize| format!("SELECT 1 WHERE {}", vec!["1 = 1"; n].join(" OR "));
    let nest = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    let not = |n: usize| format!("SELECT {}true", "NOT ".repeat(n));
    let union = |n: usize| vec!["SELECT 1"; n].join(" UNION ALL ");
    let postfix = |n: usize| format!("SELECT 1{}", " IS NULL".repeat(n));
    let distinct = |n: usize| format!("SELECT 1{}", " IS DISTINCT FROM 1".repeat(n));
    let cases = |n: usize| format!("SELECT {}", vec!["CASE WHEN 1 = 1 THEN 2 END"; n].join(" + "));
    // Nested on the left, each level with a chain of its own.
    let mixed = |n: usize| {
        format!(
            "SELECT {}1{}",
            "(".repeat(n),
            format!("){}", " + 1".repeat(30)).repeat(n)
        )
    };
    let text = format!("SELECT '{}'", "x".repeat(70_000));
    let names = |word: &str, n: usize| format!("SELECT {}", vec![word; n].join("+"));
    let in_case = |n: usize| format!("SELECT CASE WHEN {} THEN 1 END", vec!["when"; n].join("+"));
    let by = [
        "by", "join", "where", "having", "from", "select", "union", "then", "year", "left",
    ];
    for word in by {
        assert_eq!(codes(&names(word, 1500)), ["TOO_LARGE"], "{word}");
        let multiplied = names(word, 1500).replace('+', "*");
        assert_eq!(codes(&multiplied), ["TOO_LARGE"], "{word}");
    }
    assert_eq!(codes(&in_case(1500)), ["TOO_LARGE"]);
    assert_eq!(codes(&names("case", 30)), ["TOO_LARGE"]);
    assert_eq!(codes(&names("case", 3)), ["SYNTAX"]);
    assert_eq!(codes("SELECT (CASE WHEN 1 = 1 THEN 2)"), ["SYNTAX"]);
    for sql in [
        chain(500),
        nest(500),
        not(500),
        union(500),
        postfix(900),
        distinct(700),
        cases(400),
        mixed(45),
        text,
        "1,".repeat(9000),
    ] {
        assert_eq!(codes(&sql), ["TOO_LARGE"], "{}", &sql[..40]);
    }
}
