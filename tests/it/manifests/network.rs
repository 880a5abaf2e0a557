//! Who may reach whom.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{containers, list, objects, one, selected};
use crate::programs::{Program, named, services};

#[test]
fn the_network_lets_through_who_calls_and_nobody_else() {
    let objects = objects("base");
    for Program { service, .. } in services() {
        let name = service.name;
        let policy = &one(&objects, "NetworkPolicy", name)["spec"];
        assert_eq!(selected(&policy["podSelector"]), [name]);
        assert_eq!(policy["policyTypes"], serde_json::json!(["Ingress", "Egress"]));

        let calls: BTreeSet<_> = services()
            .into_iter()
            .map(|it| it.service)
            .filter(|it| it.peers.contains(&name))
            .map(|it| it.name.to_owned())
            .collect();
        let on_port = |wanted: u16| {
            let rules = list(&policy["ingress"]).filter(move |it| it["ports"][0]["port"] == wanted);
            let rules: Vec<_> = rules.collect();
            assert_eq!(rules.len(), 1, "{name}: who may reach {wanted}");
            rules[0]
        };
        let rule = on_port(service.port);
        let let_in: BTreeSet<_> = list(&rule["from"])
            .flat_map(|it| selected(&it["podSelector"]))
            .collect();
        assert_eq!(let_in, calls, "{name}");
        // The gateway is for everybody; for none of the others an empty rule would do.
        assert_eq!(rule["from"].is_null(), name == "gateway");
        assert!(on_port(service.admin_port)["from"].is_array());
        assert_eq!(list(&policy["ingress"]).count(), 2);

        let let_out: BTreeSet<_> = list(&policy["egress"])
            .flat_map(|rule| list(&rule["to"]).map(move |it| (it, &rule["ports"][0]["port"])))
            .filter(|(to, _)| to["namespaceSelector"].is_null())
            .map(|(to, port)| (selected(&to["podSelector"]).concat(), port.as_u64().unwrap()))
            .collect();
        let needed: BTreeSet<_> = service
            .peers
            .iter()
            .map(|it| ((*it).to_owned(), u64::from(named(it).port)))
            .chain([("collector".to_owned(), 4317)])
            .collect();
        assert_eq!(let_out, needed, "{name}");
    }
    assert_eq!(
        one(&objects, "NetworkPolicy", "nothing")["spec"]["podSelector"],
        serde_json::json!({})
    );
}

/// Buckets are outside of the cluster, and nothing in its own network is one: neither other services, nor
/// what tells machines of their credentials.
#[test]
fn every_overlay_lets_to_object_stores_outside_who_reads_them() {
    let has_store = |it: &&Value| list(&it["env"]).any(|it| it["name"] == "DATACOVEY_STORE");
    let base = objects("base");
    let users: BTreeSet<_> = containers(&base)
        .filter(has_store)
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(users.len(), 2);
    for overlay in ["local", "production"] {
        let objects = objects(&format!("overlays/{overlay}"));
        let policy = &one(&objects, "NetworkPolicy", "object-stores")["spec"];
        let allowed: BTreeSet<_> = selected(&policy["podSelector"]).into_iter().collect();
        assert_eq!(allowed, users, "{overlay}");
        assert_eq!(policy["policyTypes"], serde_json::json!(["Egress"]));
        let outside = serde_json::json!([{
            "to": [{ "ipBlock": {
                "cidr": "0.0.0.0/0",
                "except": ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"],
            } }],
            "ports": [{ "port": 443 }],
        }]);
        assert_eq!(policy["egress"], outside, "{overlay}");
    }
}

#[test]
fn every_overlay_lets_to_the_database_who_has_its_address() {
    let has_address = |it: &&Value| {
        list(&it["env"]).any(|it| {
            it["name"].as_str().is_some_and(|it| it.ends_with("_URL")) && it["valueFrom"].is_object()
        })
    };
    let base = objects("base");
    let users: BTreeSet<_> = containers(&base)
        .filter(has_address)
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    for overlay in ["local", "production"] {
        let objects = objects(&format!("overlays/{overlay}"));
        let policy = &one(&objects, "NetworkPolicy", "database")["spec"];
        let allowed: BTreeSet<_> = selected(&policy["podSelector"]).into_iter().collect();
        assert_eq!(allowed, users, "{overlay}");
        assert_eq!(policy["egress"][0]["ports"][0]["port"], 5432);
    }
}
