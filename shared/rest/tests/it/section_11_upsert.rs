use datacovey_proto::internal::rows::v1::Resolution;
use datacovey_rest::Outcome;

use crate::ask::{answer, header, insert};

const MERGE: &str = "resolution=merge-duplicates";
const IGNORE: &str = "resolution=ignore-duplicates";

#[test]
fn rows_exist_by_a_key() {
    for (line, prefer, resolution, columns) in [
        ("POST /project", MERGE, Resolution::MergeDuplicates, &["id"][..]),
        ("POST /project", IGNORE, Resolution::IgnoreDuplicates, &["id"]),
        (
            "POST /project?on_conflict=name,tenant_id",
            MERGE,
            Resolution::MergeDuplicates,
            &["name", "tenant_id"],
        ),
        ("POST /project?on_conflict=name", "", Resolution::Unspecified, &[]),
        ("POST /dataset_history", MERGE, Resolution::Unspecified, &[]),
        (
            "POST /dataset_history?on_conflict=id",
            MERGE,
            Resolution::MergeDuplicates,
            &["id"],
        ),
    ] {
        let request = insert(line, &[("prefer", prefer)], "{}");
        assert_eq!(request.resolution(), resolution, "{line} {prefer}");
        assert_eq!(request.on_conflict, columns, "{line} {prefer}");
    }
}

#[test]
fn merged_rows_alone_are_200() {
    for (prefer, inserted, status) in [
        (MERGE, 0, 200),
        (MERGE, 1, 201),
        (IGNORE, 0, 201),
        (IGNORE, 1, 201),
        ("", 0, 201),
    ] {
        let outcome = Outcome {
            rows: 2,
            inserted,
            ..Outcome::default()
        };
        let found = answer("POST /project", &[("prefer", prefer)], "[]", &outcome);
        assert_eq!(found.status.as_u16(), status, "{prefer} {inserted}");
    }
}

#[test]
fn the_resolution_is_reported_first_where_it_applies() {
    let prefer = [("prefer", "return=minimal, resolution=merge-duplicates")];
    let found = answer("POST /project", &prefer, "[]", &Outcome::default());
    assert_eq!(
        header(&found, "preference-applied"),
        Some("resolution=merge-duplicates, return=minimal")
    );
    let found = answer("POST /dataset_history", &prefer, "[]", &Outcome::default());
    assert_eq!(header(&found, "preference-applied"), Some("return=minimal"));
}
