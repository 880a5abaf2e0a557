use crate::ask::{fault, refused};

#[test]
fn aggregates_are_refused_wherever_they_are() {
    for select in [
        "count()",
        "n:count()",
        "count()::text",
        "id.count()",
        "name.max()",
        "total:name.min()::text",
        "name::int.sum()",
        "schema->>a::int.avg()",
        "dataset(count())",
        "name,dataset(name,table(id.count()))",
        "...tenant(name),count()",
    ] {
        let error = refused(&format!("GET /project?select={select}"));
        assert_eq!(fault(&error), (400, "PGRST123"), "{select}");
        assert_eq!(error.message, "Use of aggregate functions is not allowed");
    }
    assert_eq!(
        fault(&refused("GET /project?select=id.median()")),
        (400, "PGRST100")
    );
}
