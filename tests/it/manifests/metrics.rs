//! What the programs tell of themselves, and what is watched.

use std::collections::BTreeSet;
use std::fs;

use super::folder;
use crate::programs::{described_metrics, metrics};

/// A number without a meaning helps nobody, nor does a meaning without a number.
#[test]
fn every_metric_that_is_told_is_described() {
    let (told, described) = (metrics(), described_metrics());
    assert!(told.len() > 20, "{told:?}");
    assert_eq!(told, described);
    // As Prometheus has it: a total is a counter, and what is measured names its unit.
    for name in &told {
        let is_plain = name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        assert!(name.starts_with("datacovey_") && is_plain, "{name}");
    }
}

/// Of a dashboard or an alert that asks for what nobody tells, nobody learns.
#[test]
fn every_metric_that_is_watched_is_one_that_is_told() {
    let told = metrics();
    let mut watched = BTreeSet::new();
    for file in ["dashboard.json", "alerts.yaml"] {
        let text = fs::read_to_string(folder().join("observability").join(file)).unwrap();
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let names: BTreeSet<_> = words
            .filter(|it| it.starts_with("datacovey_"))
            .map(|it| {
                let of_histogram = ["_bucket", "_count", "_sum"];
                let name = of_histogram.iter().find_map(|end| it.strip_suffix(end));
                name.unwrap_or(it).to_owned()
            })
            .collect();
        assert!(names.len() > 4, "{file} watches {names:?} only");
        watched.extend(names);
    }
    let unknown: Vec<_> = watched.difference(&told).collect();
    assert!(unknown.is_empty(), "nobody tells {unknown:?}");
}
