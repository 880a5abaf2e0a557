use serde_json::{Map, Value, json};

use super::Mergeable;

/// What is counted anew; the rest of a column's statistics says what the column is, as what its ids are keyed with.
const COUNTED: [&str; 4] = ["nulls", "distinct", "min", "max"];

/// What a file's columns are, beside what is counted of them: equal texts for files that may go into one.
pub(super) fn keyed(statistics: &Value) -> String {
    let mut keyed = Map::new();
    for (name, known) in statistics.as_object().into_iter().flatten() {
        let what = what(known);
        if !what.is_empty() {
            keyed.insert(name.clone(), what.into());
        }
    }
    Value::Object(keyed).to_string()
}

fn what(known: &Value) -> Map<String, Value> {
    let all = known.as_object().into_iter().flatten();
    all.filter(|(key, _)| !COUNTED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The statistics of all rows of the files. A bound that one file does not tell is not known of all.
pub(super) fn of_all(files: &[Mergeable]) -> Value {
    let mut names: Vec<&String> = files
        .iter()
        .flat_map(|file| file.statistics.as_object().into_iter().flatten())
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut columns = Map::new();
    for name in names {
        columns.insert(name.clone(), column(name, files));
    }
    Value::Object(columns)
}

fn column(name: &str, files: &[Mergeable]) -> Value {
    let known = || files.iter().filter_map(|file| file.statistics.get(name));
    let mut all = known().next().map(what).unwrap_or_default();
    let nulls = |file: &Mergeable| match file.statistics.get(name) {
        Some(known) => known.get("nulls").and_then(Value::as_u64),
        // A file of before the column was there.
        None => Some(file.rows),
    };
    if let Some(nulls) = files.iter().map(nulls).sum::<Option<u64>>() {
        all.insert("nulls".to_owned(), json!(nulls));
    }
    // Two files may have the same values: as many as one of them has are there at least.
    let distinct = known().filter_map(|it| it.get("distinct")?.as_u64()).max();
    if let Some(distinct) = distinct {
        all.insert("distinct".to_owned(), json!(distinct));
    }
    for (bound, is_better) in [("min", less as fn(&Value, &Value) -> bool), ("max", more)] {
        // One without values has no bounds to tell.
        let with_values = files
            .iter()
            .filter(|file| nulls(file).is_none_or(|nulls| nulls < file.rows))
            .map(|file| file.statistics.get(name).and_then(|known| known.get(bound)));
        let best = with_values
            .reduce(|one, other| match (one?, other?) {
                (one, other) if is_better(other, one) => Some(other),
                (one, _) => Some(one),
            })
            .flatten();
        if let Some(best) = best {
            all.insert(bound.to_owned(), best.clone());
        }
    }
    Value::Object(all)
}

fn less(one: &Value, other: &Value) -> bool {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one < other,
        _ => one.as_f64() < other.as_f64(),
    }
}

fn more(one: &Value, other: &Value) -> bool {
    less(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectPath;
    use crate::read::Piece;

    fn file(rows: u64, statistics: Value) -> Mergeable {
        Mergeable {
            piece: Piece {
                path: ObjectPath::from("x"),
                size_bytes: 1,
            },
            rows,
            sha256: String::new(),
            statistics,
        }
    }

    #[test]
    fn what_is_counted_is_counted_together_and_the_rest_stays() {
        let files = [
            file(
                10,
                json!({ "a": { "nulls": 1, "distinct": 9, "id": "k" }, "n": { "nulls": 0, "min": 3, "max": 7 } }),
            ),
            file(
                5,
                json!({
                    "a": { "nulls": 0, "distinct": 5, "id": "k" },
                    "n": { "nulls": 2, "min": -1.5, "max": 4.0 },
                    "new": { "nulls": 5 },
                }),
            ),
        ];
        let expected = json!({
            "a": { "nulls": 1, "distinct": 9, "id": "k" },
            "n": { "nulls": 2, "min": -1.5, "max": 7 },
            "new": { "nulls": 15 },
        });
        assert_eq!(of_all(&files), expected);
    }

    #[test]
    fn a_bound_is_told_only_where_all_files_with_values_tell_theirs() {
        let known = json!({ "n": { "nulls": 0, "min": 1, "max": 2 } });
        let silent = file(3, json!({ "n": { "nulls": 1 } }));
        assert_eq!(
            of_all(&[file(3, known.clone()), silent]),
            json!({ "n": { "nulls": 1 } })
        );
        let empty = file(3, json!({ "n": { "nulls": 3 } }));
        assert_eq!(
            of_all(&[empty, file(3, known)]),
            json!({ "n": { "nulls": 3, "min": 1, "max": 2 } })
        );
        assert_eq!(of_all(&[file(3, json!({}))]), json!({}));
    }

    #[test]
    fn files_are_told_apart_by_what_they_are_keyed_with() {
        let keyed_with =
            |key: &str, nulls: u64| json!({ "a": { "nulls": nulls, "id": key }, "b": { "nulls": 0 } });
        assert_eq!(keyed(&keyed_with("k", 1)), keyed(&keyed_with("k", 2)));
        assert_ne!(keyed(&keyed_with("k", 1)), keyed(&keyed_with("l", 1)));
        assert_eq!(keyed(&json!({ "a": { "nulls": 0 } })), keyed(&Value::Null));
    }
}
