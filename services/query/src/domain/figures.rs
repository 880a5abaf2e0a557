//! What an analyst may know of a run: functions of the statement, of public sizes and of released
//! rows. The exact figures stay with the operator.

use std::time::Duration;

use arrow::datatypes::{DataType, Schema};
use serde_json::{Value, json};

/// A table that a run reads, by what is public of it.
#[derive(Clone, Debug)]
pub(crate) struct TableSize {
    /// `dataset.table`.
    pub name: String,
    pub own: bool,
    pub rows: u64,
    /// Bytes of the pinned files; not public for tables of others.
    pub size_bytes: u64,
    pub row_width_bytes: u64,
}

impl TableSize {
    /// For the caller's own table the bytes of its files. For another's: its rows, rounded up to a
    /// power of two, times their declared width, because how well columns compress tells of values.
    fn public_bytes(&self) -> u64 {
        if self.own {
            return self.size_bytes;
        }
        if self.rows == 0 {
            return 0;
        }
        let rows = self.rows.checked_next_power_of_two().unwrap_or(u64::MAX);
        rows.saturating_mul(self.row_width_bytes)
    }
}

/// Bytes of a row by its declared types alone.
#[must_use]
pub(crate) fn row_width_bytes(schema: &Schema) -> u64 {
    let width = |data_type: &DataType| match data_type {
        DataType::Boolean => 1,
        DataType::Date32 => 4,
        DataType::Utf8 => 16,
        _ => 8,
    };
    schema.fields().iter().map(|field| width(field.data_type())).sum()
}

/// The column `total_bytes_processed`.
#[must_use]
pub(crate) fn bytes_processed(tables: &[TableSize]) -> u64 {
    tables
        .iter()
        .map(TableSize::public_bytes)
        .fold(0, u64::saturating_add)
}

/// What CheckQuery tells beforehand: the same, rounded up to a power of two.
#[must_use]
pub(crate) fn size_class_bytes(tables: &[TableSize]) -> u64 {
    match bytes_processed(tables) {
        0 => 0,
        bytes => bytes.checked_next_power_of_two().unwrap_or(u64::MAX),
    }
}

/// Whether joins may hold one side in memory: decided by public sizes alone, before anything is read,
/// so that what is tried does not depend on rows. Of two tables the smaller is held; of more, a side may
/// be what all the others come to.
#[must_use]
pub(crate) fn hash_joins_fit(tables: &[TableSize], memory_bytes: u64) -> bool {
    // Rows in a hash table take a few times their own width.
    let estimate = |table: &TableSize| {
        let rows = table.rows.checked_next_power_of_two().unwrap_or(u64::MAX);
        rows.saturating_mul(table.row_width_bytes).saturating_mul(4)
    };
    let held = match tables {
        [one, other] => estimate(one).min(estimate(other)),
        all => all.iter().map(estimate).fold(0, u64::saturating_add),
    };
    held <= memory_bytes
}

/// Whether a run touches tables of others, whose rows no figure may depend on.
#[must_use]
pub(crate) fn touches_others(tables: &[TableSize]) -> bool {
    tables.iter().any(|table| !table.own)
}

/// The column `timeline`, in BigQuery's shape.
#[must_use]
pub(crate) fn timeline(elapsed: Duration, slot_time: Duration, touches_others: bool) -> Value {
    if touches_others {
        // A started second counts as a whole one.
        let seconds = elapsed.as_millis().div_ceil(1000).max(1);
        return json!([{ "elapsedMs": (seconds * 1000).to_string(), "completedUnits": "1", "pendingUnits": "0" }]);
    }
    json!([{
        "elapsedMs": elapsed.as_millis().to_string(),
        "totalSlotMs": slot_time.as_millis().to_string(),
        "completedUnits": "1",
        "pendingUnits": "0",
    }])
}

/// The column `query_plan`: the stages of a run as BigQuery shapes them, without counts.
#[must_use]
pub(crate) fn stages(tables: &[TableSize], releases: bool) -> Value {
    let mut stages = Vec::new();
    let reads: Vec<Value> = tables
        .iter()
        .map(|table| json!({ "kind": "READ", "substeps": [format!("FROM {}", table.name)] }))
        .collect();
    if !reads.is_empty() {
        stages.push(("Input", reads));
    }
    if releases {
        stages.push((
            "Release",
            vec![json!({ "kind": "FILTER", "substeps": ["thresholds of the policies"] })],
        ));
    }
    stages.push((
        "Output",
        vec![json!({ "kind": "WRITE", "substeps": ["TO result"] })],
    ));
    let stage = |(id, (name, steps)): (usize, (&str, Vec<Value>))| {
        let inputs: Vec<String> = id
            .checked_sub(1)
            .map(|before| before.to_string())
            .into_iter()
            .collect();
        json!({
            "id": id.to_string(),
            "name": format!("S{id:02}: {name}"),
            "status": "COMPLETE",
            "inputStages": inputs,
            "steps": steps,
        })
    };
    stages.into_iter().enumerate().map(stage).collect()
}

/// A count as the database holds it.
#[must_use]
pub(crate) fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(own: bool, rows: u64, size_bytes: u64) -> TableSize {
        TableSize {
            name: "registry.planes".to_owned(),
            own,
            rows,
            size_bytes,
            row_width_bytes: 24,
        }
    }

    #[test]
    fn others_tables_show_a_class_of_their_size() {
        assert_eq!(bytes_processed(&[table(false, 3322, 70_001)]), 4096 * 24);
        // What their files weigh changes nothing.
        assert_eq!(
            bytes_processed(&[table(false, 3322, 1)]),
            bytes_processed(&[table(false, 4000, 999_999)])
        );
        assert_eq!(bytes_processed(&[table(true, 3322, 70_001)]), 70_001);
        assert_eq!(bytes_processed(&[table(false, 0, 0)]), 0);
        assert_eq!(size_class_bytes(&[table(true, 3322, 70_001)]), 131_072);
        assert_eq!(size_class_bytes(&[]), 0);
        assert_eq!(size_class_bytes(&[table(false, u64::MAX, 1)]), u64::MAX);
    }

    #[test]
    fn joins_of_large_tables_sort() {
        assert!(hash_joins_fit(&[table(false, 4096, 0)], 4096 * 24 * 4));
        assert!(!hash_joins_fit(&[table(false, 4097, 0)], 4096 * 24 * 4));
        let (small, large) = (table(false, 4096, 0), table(false, 1 << 40, 0));
        assert!(hash_joins_fit(&[large.clone(), small.clone()], 4096 * 24 * 4));
        assert!(!hash_joins_fit(&[small.clone(), large, small], 4096 * 24 * 4));
    }

    #[test]
    fn times_over_others_tables_are_whole_seconds() {
        let at = |millis| timeline(Duration::from_millis(millis), Duration::from_millis(77), true);
        assert_eq!(at(1), at(1000));
        assert_eq!(at(1001)[0]["elapsedMs"], "2000");
        assert!(at(1)[0].get("totalSlotMs").is_none());
        assert_eq!(
            timeline(Duration::from_millis(1), Duration::from_millis(77), false)[0]["totalSlotMs"],
            "77"
        );
    }

    #[test]
    fn stages_follow_each_other() {
        let plan = stages(&[table(false, 1, 1)], true);
        let names: Vec<_> = plan
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| stage["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["S00: Input", "S01: Release", "S02: Output"]);
        assert_eq!(plan[2]["inputStages"], json!(["1"]));
        assert_eq!(stages(&[], false).as_array().unwrap().len(), 1);
    }
}
