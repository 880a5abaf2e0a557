use datacovey_proto::internal::rows::v1::Cardinality;
use datacovey_proto::internal::rows::v1::selection::Item;
use datacovey_rest::{Body, Outcome};

use crate::ask::{answer, select};

#[test]
fn a_page_beyond_all_rows_has_a_whole_body() {
    let outcome = Outcome {
        total: Some(1),
        ..Outcome::default()
    };
    let found = answer(
        "GET /project?offset=2",
        &[("prefer", "count=exact")],
        "",
        &outcome,
    );
    assert_eq!(found.status.as_u16(), 416);
    match found.body {
        Body::Whole(body) => assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_of_two_embeddings_takes_what_fits_both() {
    let request = select("/project?select=a:dataset(id),b:dataset(id)&dataset.limit=1");
    let limits: Vec<_> = request
        .selections
        .iter()
        .map(|it| match it.item.as_ref().unwrap() {
            Item::Embedding(it) => (it.cardinality(), it.limit),
            Item::Column(_) => panic!("a column"),
        })
        .collect();
    assert_eq!(
        limits,
        [(Cardinality::ToMany, Some(1)), (Cardinality::ToMany, None)]
    );
}

#[test]
fn a_scalar_body_inserts_nothing() {
    assert!(crate::ask::insert("POST /project", &[], "\"x\"").rows.is_empty());
}
