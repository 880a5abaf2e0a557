use datacovey_rest::{Address, Relations, openapi};
use serde_json::Value;

/// As the original printed it for these relations.
const DOCUMENT: &str = include_str!("data/openapi.json");

#[test]
fn the_document_is_the_contracts() {
    let expected: Value = serde_json::from_str(DOCUMENT).unwrap();
    let host = expected["host"].as_str().unwrap();
    let found = openapi(Relations::contract(), &Address::http(host));
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&found[key], value, "{key}");
    }
    assert_eq!(found, expected);
}

#[test]
fn properties_keep_the_order_of_the_columns() {
    let expected: Value = serde_json::from_str(DOCUMENT).unwrap();
    let found = openapi(Relations::contract(), &Address::http("here"));
    for (relation, definition) in expected["definitions"].as_object().unwrap() {
        let keys = |it: &Value| -> Vec<String> {
            let properties = it["properties"].as_object().unwrap();
            properties.keys().cloned().collect()
        };
        assert_eq!(
            keys(&found["definitions"][relation]),
            keys(definition),
            "{relation}"
        );
    }
}

#[test]
fn the_address_is_the_callers() {
    let address = Address {
        scheme: "https".to_owned(),
        host: "api.example:8443".to_owned(),
        base_path: "/rest".to_owned(),
    };
    let found = openapi(Relations::contract(), &address);
    assert_eq!(found["host"], "api.example:8443");
    assert_eq!(found["basePath"], "/rest");
    assert_eq!(found["schemes"], serde_json::json!(["https"]));
}
