//! What the two organizations allow, and what they ask.

use std::collections::HashMap;

use datacovey_proto::catalog::v1::{ColumnPolicy, ColumnUse, Policy, PrivacyUnit, Threshold, privacy_unit};
use prost_types::Struct;
use serde_json::json;

use super::Question;
use super::cast::Cast;
use crate::client::to_struct;

/// The identity domain of tail numbers: what makes the two tables joinable.
const TAIL_NUMBER: &str = "tail_number";
const MIN_UNITS: i64 = 25;

/// Schema of `alliance.flights`.
pub(super) fn flights_schema() -> Struct {
    to_struct(json!({
        "type": "object",
        "properties": {
            "month": {"type": "integer"},
            "day": {"type": "integer"},
            "carrier": {"type": "string"},
            "flight": {"type": "integer"},
            "tailnum": {"type": ["string", "null"], "x-identity": TAIL_NUMBER},
            "origin": {"type": "string"},
            "dest": {"type": "string"},
            "dep_delay": {"type": ["integer", "null"], "description": "minutes; early departures are negative"},
            "arr_delay": {"type": ["integer", "null"], "description": "minutes; early arrivals are negative"},
            "distance": {"type": "integer", "description": "miles"}
        },
        "required": ["month", "day", "carrier", "flight", "origin", "dest", "distance"]
    }))
}

/// Schema of `registry.planes`.
pub(super) fn planes_schema() -> Struct {
    to_struct(json!({
        "type": "object",
        "properties": {
            "tailnum": {"type": "string", "x-identity": TAIL_NUMBER},
            "year": {"type": ["integer", "null"], "description": "year of make"},
            "type": {"type": "string"},
            "manufacturer": {"type": "string"},
            "model": {"type": "string"},
            "engines": {"type": "integer"},
            "seats": {"type": "integer"},
            "speed": {"type": ["integer", "null"], "description": "miles an hour"},
            "engine": {"type": "string"}
        },
        "required": ["tailnum", "type", "manufacturer", "model", "engines", "seats", "engine"]
    }))
}

pub(super) fn flights(registry: &str) -> Policy {
    policy(
        registry,
        &["month", "carrier", "origin", "dest"],
        &["dep_delay", "arr_delay", "distance"],
    )
}

pub(super) fn planes(alliance: &str) -> Policy {
    policy(alliance, &["year", "type", "manufacturer", "engine"], &["seats"])
}

/// The tail number joins, dimensions group, measures are averaged; what is not named stays hidden.
fn policy(analyst: &str, dimensions: &[&str], measures: &[&str]) -> Policy {
    let column = |used: ColumnUse| ColumnPolicy {
        uses: vec![used.into()],
        ..ColumnPolicy::default()
    };
    let tail_number = ColumnPolicy {
        identity: Some(TAIL_NUMBER.to_owned()),
        ..column(ColumnUse::Join)
    };
    let mut columns = HashMap::from([("tailnum".to_owned(), tail_number)]);
    columns.extend(
        dimensions
            .iter()
            .map(|it| ((*it).to_owned(), column(ColumnUse::Dimension))),
    );
    columns.extend(
        measures
            .iter()
            .map(|it| ((*it).to_owned(), column(ColumnUse::Measure))),
    );
    Policy {
        privacy_unit: Some(PrivacyUnit {
            unit: Some(privacy_unit::Unit::Column("tailnum".to_owned())),
        }),
        columns,
        threshold: Some(Threshold {
            min_units: Some(MIN_UNITS),
            ..Threshold::default()
        }),
        analysts: vec![analyst.to_owned()],
        ..Policy::default()
    }
}

pub(super) fn questions(cast: &Cast) -> [Question<'_>; 3] {
    [
        Question {
            who: &cast.registry,
            text: "how many of our planes does the alliance fly?",
            sql: "SELECT COUNT(*) AS planes\n\
                  FROM (SELECT tailnum FROM registry.planes INTERSECT SELECT tailnum FROM alliance.flights) AS both_have",
            moral: "The number, and not one tail number.",
        },
        Question {
            who: &cast.registry,
            text: "whose planes leave late?",
            sql: "SELECT p.manufacturer, COUNT(*) AS flights, AVG(f.dep_delay) AS mean_delay\n\
                  FROM alliance.flights f JOIN registry.planes p ON f.tailnum = p.tailnum\n\
                  GROUP BY p.manufacturer ORDER BY mean_delay DESC",
            moral: "35 manufacturers have planes in the alliance's flights. Those with fewer than 25 are absent, as if\n\
                    they were not there: the registry cannot tell how late the one plane of BARKER JACK L, who built\n\
                    it himself, leaves.",
        },
        Question {
            who: &cast.alliance,
            text: "how old is our fleet?",
            sql: "SELECT p.year, COUNT(*) AS planes\n\
                  FROM registry.planes p JOIN (SELECT DISTINCT tailnum FROM alliance.flights) f ON p.tailnum = f.tailnum\n\
                  GROUP BY p.year ORDER BY p.year DESC",
            moral: "Years with fewer than 25 planes are absent.",
        },
    ]
}

pub(super) fn attacks(cast: &Cast) -> [Question<'_>; 5] {
    [
        Question {
            who: &cast.registry,
            text: "just show me the flights.",
            sql: "SELECT tailnum, dest, dep_delay FROM alliance.flights",
            moral: "",
        },
        Question {
            who: &cast.registry,
            text: "how often did this one plane fly?",
            sql: "SELECT COUNT(*) FROM alliance.flights WHERE tailnum = 'N14228'",
            moral: "",
        },
        Question {
            who: &cast.alliance,
            text: "manufacturers of our flights, our repeated rows joined as they are.",
            sql: "SELECT p.manufacturer, COUNT(*) AS flights\n\
                  FROM registry.planes p JOIN alliance.flights f ON p.tailnum = f.tailnum GROUP BY p.manufacturer",
            moral: "With rows of its own that repeat, a caller could weigh each plane differently and solve for one.",
        },
        Question {
            who: &cast.alliance,
            text: "our own miles, summed over the planes that match.",
            sql: "SELECT p.manufacturer, SUM(f.miles) AS miles FROM registry.planes p\n\
                  JOIN (SELECT tailnum, SUM(distance) AS miles FROM alliance.flights GROUP BY tailnum) f ON p.tailnum = f.tailnum\n\
                  GROUP BY p.manufacturer",
            moral: "Numbers that the caller chose are labels: their sum would spell out which planes matched.",
        },
        Question {
            who: &cast.registry,
            text: "the worst delay of each carrier.",
            sql: "SELECT carrier, MAX(dep_delay) FROM alliance.flights GROUP BY carrier",
            moral: "A maximum is one plane's number.",
        },
    ]
}
