//! Queries from a grammar: whatever is asked, the compiler answers in its own words, and what it lets pass runs.

use datacovey_privacy::ViolationCode;

use crate::engine::{check, run};
use crate::world::{A, B, C, world};

/// A reproducible sequence of choices.
#[derive(Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }

    pub(crate) fn chance(&mut self, of: usize, among: usize) -> bool {
        self.below(among) < of
    }

    pub(crate) fn pick<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }
}

/// How many queries are generated: the environment may ask for more than a default run has time for.
pub(crate) fn queries(default: u64) -> u64 {
    let asked = std::env::var("DATACOVEY_RANDOM_QUERIES").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// What queries are made of.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// Only what could be answered: aggregates of measures, grouped by dimensions.
    tame: bool,
    planes: bool,
}

const DIMENSIONS: [&str; 4] = ["f.carrier", "f.origin", "f.month", "f.dest"];
const VALUES: [&str; 10] = [
    "COUNT(*)",
    "COUNT(f.dep_delay)",
    "COUNT(DISTINCT f.tailnum)",
    "SUM(f.distance)",
    "AVG(f.dep_delay)",
    "AVG(f.arr_delay)",
    "STDDEV(f.distance)",
    "VAR_POP(f.dep_delay)",
    "SUM(f.arr_delay)",
    "COUNT(*) FILTER (WHERE f.month > 2)",
];
const CONDITIONS: [&str; 8] = [
    "f.month BETWEEN 2 AND 13",
    "f.origin IN ('EWR', 'JFK', 'ODD')",
    "f.carrier <> 'UA'",
    "f.distance > 300",
    "f.dest LIKE '%O%'",
    "NOT (f.month = 4 OR f.origin = 'LGA')",
    "upper(f.carrier) >= 'B'",
    "f.month * 2 + 1 > 5",
];
const WILD: [&str; 24] = [
    "f.tailnum",
    "f.secret",
    "MIN(f.distance)",
    "MEDIAN(f.dep_delay)",
    "f.distance",
    "SUM(f.distance * 2)",
    "1 / (f.month - 3)",
    "(SELECT MAX(seats) FROM registry.planes)",
    "ROW_NUMBER() OVER (ORDER BY f.distance)",
    "CAST(f.carrier AS INT)",
    "*",
    "f.*",
    "SUM(DISTINCT f.distance)",
    "array_agg(f.tailnum)",
    "NULL",
    "'x'",
    "-f.month",
    "f.nothing",
    "sqrt(f.distance)",
    "SUM(1)",
    "CASE WHEN f.tailnum = 'N1' THEN f.distance END",
    "EXISTS (SELECT 1 FROM registry.planes)",
    "now()",
    "COUNT(f.*)",
];
const TABLES: [&str; 14] = [
    "alliance.flights f",
    "alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum",
    "alliance.flights f LEFT JOIN registry.planes p ON f.tailnum = p.tailnum",
    "registry.planes f",
    "alliance.flights f JOIN lists.suspects s ON f.tailnum = s.tailnum",
    "alliance.flights f JOIN lists.buckets s ON f.tailnum = s.tailnum",
    "(SELECT * FROM alliance.flights LIMIT 3) f",
    "(SELECT DISTINCT tailnum, carrier FROM alliance.flights) f",
    "(SELECT tailnum FROM alliance.flights INTERSECT SELECT tailnum FROM lists.suspects) f",
    "(SELECT tailnum FROM alliance.flights EXCEPT SELECT tailnum FROM lists.suspects) f",
    "(SELECT tailnum FROM alliance.flights UNION SELECT tailnum FROM lists.suspects) f",
    "alliance.flights f, registry.planes p",
    "alliance.flights f NATURAL JOIN registry.planes p",
    "alliance.ghost f",
];
const WILD_CONDITIONS: [&str; 12] = [
    "f.tailnum = 'N1'",
    "f.tailnum IN (SELECT tailnum FROM registry.planes)",
    "f.tailnum NOT IN (SELECT tailnum FROM lists.suspects)",
    "EXISTS (SELECT 1 FROM lists.suspects s WHERE s.tailnum = f.tailnum OR s.tag = 'x')",
    "f.dep_delay > 3",
    "random() > 0.5",
    "f.month / 0 = 1",
    "f.month = 'x'",
    "f.carrier ~ 'a'",
    "f.tailnum IS NULL",
    "f.carrier = ANY (SELECT carrier FROM lists.carriers)",
    "1 = 1",
];

impl Grammar {
    pub(crate) fn grouped(planes: bool) -> Self {
        Self { tame: true, planes }
    }

    fn wild() -> Self {
        Self {
            tame: false,
            planes: true,
        }
    }

    pub(crate) fn query(&self, numbers: &mut Numbers) -> String {
        let mut keys: Vec<&str> = vec![numbers.pick(&DIMENSIONS)];
        if numbers.chance(1, 3) {
            keys.push(numbers.pick(&DIMENSIONS));
        }
        let join = self.planes && numbers.chance(1, 2);
        if join && numbers.chance(1, 2) {
            keys = vec![numbers.pick(&["p.manufacturer", "p.model", "p.year", "p.engine"])];
        }
        keys.dedup();
        let mut values: Vec<&str> = (0..=numbers.below(3)).map(|_| numbers.pick(&VALUES)).collect();
        let mut conditions: Vec<&str> = (0..numbers.below(3)).map(|_| numbers.pick(&CONDITIONS)).collect();
        let mut tables = if join { TABLES[1] } else { TABLES[0] };
        if !self.tame {
            tables = numbers.pick(&TABLES);
            if numbers.chance(1, 2) {
                values.push(numbers.pick(&WILD));
            }
            if numbers.chance(1, 3) {
                conditions.push(numbers.pick(&WILD_CONDITIONS));
            }
            if numbers.chance(1, 6) {
                keys = vec![numbers.pick(&WILD)];
            }
        }
        let aliased: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(i, v)| {
                if v.ends_with('*') && !v.contains('(') {
                    (*v).to_owned()
                } else {
                    format!("{v} AS v{i}")
                }
            })
            .collect();
        let mut sql = format!("SELECT {}, {} FROM {tables}", keys.join(", "), aliased.join(", "));
        if !conditions.is_empty() {
            sql += &format!(" WHERE {}", conditions.join(numbers.pick(&[" AND ", " OR "])));
        }
        sql += &format!(" GROUP BY {}", keys.join(", "));
        if numbers.chance(1, 4) {
            sql += " HAVING COUNT(*) > 4";
        }
        if numbers.chance(1, 2) {
            sql += numbers.pick(&[" ORDER BY v0", " ORDER BY 1 DESC", " ORDER BY COUNT(*) DESC"]);
        }
        if numbers.chance(1, 2) {
            sql += numbers.pick(&[" LIMIT 3", " LIMIT 2 OFFSET 1"]);
        }
        if numbers.chance(1, 5) {
            sql = format!("WITH q AS ({sql}) SELECT * FROM q");
        }
        sql
    }
}

/// Words of the engine's own messages.
pub(crate) const ENGINE: [&str; 12] = [
    "DataFusion",
    "planning",
    "Internal",
    "internal",
    "Arrow",
    "LogicalPlan",
    "Schema error",
    "Projection:",
    "TableScan",
    "coerce",
    "This feature",
    "not implemented",
];

#[tokio::test]
async fn every_query_is_told_about_in_our_own_words_or_runs() {
    let world = world();
    let (mut answered, mut refused) = (0, std::collections::BTreeSet::new());
    for seed in 0..queries(1000) {
        let mut numbers = Numbers::new(seed);
        let analyst = [A, B, C][numbers.below(3)];
        let sql = if seed % 4 == 0 {
            Grammar::grouped(true)
        } else {
            Grammar::wild()
        }
        .query(&mut numbers);
        match check(&world, analyst, &sql) {
            Ok(compiled) if analyst != A && seed % 4 == 0 => {
                answered += 1;
                run(&world, &compiled)
                    .await
                    .unwrap_or_else(|e| panic!("{sql}\n{e}"));
            }
            Ok(compiled) => assert!(
                analyst == A || !compiled.releases.is_empty() || !sql.contains("alliance"),
                "{sql}"
            ),
            Err(violations) => {
                assert!(!violations.is_empty(), "{sql}");
                for violation in violations {
                    let text = violation.to_string();
                    assert!(!ENGINE.iter().any(|word| text.contains(word)), "{sql}\n{text}");
                    assert_ne!(violation.rule, "rewrite", "{sql}\n{text}");
                    refused.insert(violation.code);
                }
            }
        }
    }
    assert!(answered >= 40, "only {answered} were answered");
    let told: Vec<ViolationCode> = refused.into_iter().collect();
    assert!(told.len() >= 12, "{told:?}");
}

#[test]
fn texts_that_are_no_sql_are_answered() {
    let world = world();
    let words = [
        "SELECT",
        "FROM",
        "(",
        ")",
        ",",
        "alliance.flights",
        "*",
        "'",
        "\"",
        "`",
        ";",
        "WHERE",
        "1",
        "=",
        "é",
        "\u{0}",
        "--",
        "/*",
        "AS",
        "IN",
        "CASE",
        "END",
    ];
    for seed in 0..3000 {
        let mut numbers = Numbers::new(seed);
        let text: Vec<&str> = (0..numbers.below(14)).map(|_| numbers.pick(&words)).collect();
        if let Err(violations) = check(&world, C, &text.join(" ")) {
            assert!(!violations.is_empty(), "{text:?}");
        }
    }
}
