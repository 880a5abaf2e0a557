use datacovey_proto::internal::rows::v1::Resolution;
use datacovey_rest::{Error, Outcome};

use crate::ask::{answer, ask, details, fault, header, insert, refused, show};

#[test]
fn put_names_a_row_by_its_key_alone() {
    let request = insert("PUT /project?id=eq.7", &[], "{\"id\":\"7\",\"name\":\"a\"}");
    assert_eq!(show(&request.only.clone().unwrap()), "id eq <7>");
    assert_eq!(request.resolution(), Resolution::MergeDuplicates);
    assert_eq!(request.on_conflict, ["id"]);
    for line in [
        "PUT /project",
        "PUT /project?name=eq.a",
        "PUT /project?id=eq.1&name=eq.a",
        "PUT /project?id=neq.1",
        "PUT /project?id=not.eq.1",
        "PUT /project?id=in.(1)",
        "PUT /project?id=eq(any).{1}",
        "PUT /project?id=eq.1&or=(id.eq.1)",
        "PUT /project?and=(id.eq.1)",
        "PUT /dataset_history?id=eq.1",
        "PUT /dataset_history",
    ] {
        let error = refused(line);
        assert_eq!(fault(&error), (405, "PGRST105"), "{line}");
        assert_eq!(
            error.message,
            "Filters must include all and only primary key columns with 'eq' operators"
        );
    }
    for line in ["PUT /project?id=eq.1&limit=1", "PUT /project?id=eq.1&offset=1"] {
        let error = refused(line);
        assert_eq!(fault(&error), (400, "PGRST114"), "{line}");
        assert_eq!(
            error.message,
            "limit/offset querystring parameters are not allowed for PUT"
        );
    }
    assert!(ask("PUT /project?id=eq.1&id=eq.1").is_ok());
}

#[test]
fn a_body_of_another_key_is_a_fault() {
    let error = Error::put_mismatch();
    assert_eq!(fault(&error), (400, "PGRST115"));
    assert_eq!(details(&error), "");
}

#[test]
fn answers() {
    for (prefer, inserted, status) in [
        ("", 1, 204),
        ("", 0, 204),
        ("return=minimal", 1, 204),
        ("return=headers-only", 1, 204),
        ("return=representation", 1, 201),
        ("return=representation", 0, 200),
    ] {
        let outcome = Outcome {
            rows: 1,
            inserted,
            key: Some("7".to_owned()),
            ..Outcome::default()
        };
        let found = answer("PUT /project?id=eq.7", &[("prefer", prefer)], "{}", &outcome);
        assert_eq!(found.status.as_u16(), status, "{prefer} {inserted}");
        assert_eq!(header(&found, "content-range"), None);
        assert_eq!(header(&found, "location"), None);
    }
}
