use datacovey_rest::Outcome;

use crate::ask::{answer, delete, header, show, show_selections};

#[test]
fn filters_say_which_rows() {
    let request = delete(
        "DELETE /dataset?id=eq.1&limit=3&select=id,project(name)",
        &[("prefer", "return=representation")],
    );
    assert_eq!(show(&request.filter.unwrap()), "id eq <1>");
    assert_eq!(
        show_selections(&request.returning),
        "id, project=project to_one dataset_project_id_fkey(name)"
    );
    assert!(delete("DELETE /project", &[]).filter.is_none());
}

#[test]
fn answers() {
    for (prefer, rows, status, range) in [
        ("", 2, 204, "*/*"),
        ("", 0, 204, "*/*"),
        ("count=exact", 2, 204, "*/2"),
        ("count=exact", 0, 204, "*/0"),
        ("return=representation", 2, 200, "*/*"),
        ("return=representation", 0, 200, "*/*"),
    ] {
        let outcome = Outcome {
            rows,
            ..Outcome::default()
        };
        let found = answer("DELETE /project", &[("prefer", prefer)], "", &outcome);
        assert_eq!(found.status.as_u16(), status, "{prefer} {rows}");
        assert_eq!(header(&found, "content-range"), Some(range), "{prefer} {rows}");
    }
}
