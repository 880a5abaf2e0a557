//! Where services listen, how they are probed and how their callers reach them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{container, list, objects, one, pod};
use crate::programs::{Program, named, services};

#[test]
fn ports_and_probes_are_those_of_the_services() {
    let objects = objects("base");
    for Program { service, .. } in services() {
        let name = service.name;
        let container = container(&objects, service);
        assert_eq!(container["name"], name);
        assert_eq!(container["image"], format!("datacovey/{name}"));
        let ports: BTreeMap<_, _> = list(&container["ports"])
            .map(|it| {
                (
                    it["name"].as_str().unwrap(),
                    it["containerPort"].as_u64().unwrap(),
                )
            })
            .collect();
        let opened = BTreeMap::from([
            ("grpc", u64::from(service.port)),
            ("admin", u64::from(service.admin_port)),
        ]);
        assert_eq!(ports, opened, "{name}");

        let headless = one(&objects, "Service", name);
        assert_eq!(headless["spec"]["clusterIP"], "None");
        for port in list(&headless["spec"]["ports"]) {
            let target = port["targetPort"].as_str().unwrap();
            assert_eq!(port["port"].as_u64(), opened.get(target).copied(), "{name}");
        }
        for probe in ["startupProbe", "readinessProbe"] {
            assert_eq!(container[probe]["grpc"]["port"], service.port);
            // Health has an entry for the process by its own name.
            assert_eq!(container[probe]["grpc"]["service"], name);
        }
        let live = &container["livenessProbe"]["httpGet"];
        assert_eq!(
            (&live["port"], &live["path"]),
            (&"admin".into(), &"/livez".into())
        );
        let annotations = &one(&objects, "Deployment", name)["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], service.admin_port.to_string());

        for peer in service.peers {
            let peer = named(peer);
            let variable = format!("DATACOVEY_{}_URL", peer.name.to_uppercase());
            let url = list(&container["env"])
                .find(|it| it["name"] == *variable)
                .unwrap();
            assert_eq!(url["value"], format!("http://{}:{}", peer.name, peer.port));
        }
    }
}

/// Where a service speaks TLS, its callers say so, its files are mounted, and it is probed without: the
/// gRPC probes of Kubernetes know no TLS.
#[test]
fn production_speaks_tls_and_is_probed_without() {
    let patches = objects("overlays/production/tls");
    for Program { service, .. } in services() {
        let (pod, container) = (pod(&patches, service), container(&patches, service));
        let set: BTreeMap<_, _> = list(&container["env"])
            .map(|it| (it["name"].as_str().unwrap(), it["value"].as_str().unwrap()))
            .collect();
        let mut wanted = vec!["DATACOVEY_TLS_CERT_FILE", "DATACOVEY_TLS_KEY_FILE"];
        // Who calls the gateway has a token and no certificate.
        if service.name != "gateway" {
            wanted.push("DATACOVEY_TLS_CLIENT_CA_FILE");
        }
        if !service.peers.is_empty() {
            wanted.extend([
                "DATACOVEY_PEER_CA_FILE",
                "DATACOVEY_PEER_CERT_FILE",
                "DATACOVEY_PEER_KEY_FILE",
            ]);
        }
        for peer in service.peers {
            let peer = named(peer);
            let variable = format!("DATACOVEY_{}_URL", peer.name.to_uppercase());
            assert_eq!(
                set[variable.as_str()],
                format!("https://{}:{}", peer.name, peer.port)
            );
        }
        assert_eq!(set.len(), wanted.len() + service.peers.len(), "{}", service.name);

        for file in wanted.into_iter().map(|it| set[it]) {
            let (folder, name) = file.rsplit_once('/').unwrap();
            assert!(["tls.crt", "tls.key", "ca.crt"].contains(&name), "{file}");
            let mount = list(&container["volumeMounts"])
                .find(|it| it["mountPath"] == folder)
                .unwrap();
            assert_eq!(mount["readOnly"], true, "{file}");
            assert!(mount["subPath"].is_null(), "such a file never changes: {file}");
            let secret = &list(&pod["volumes"])
                .find(|it| it["name"] == mount["name"])
                .unwrap()["secret"];
            let expected = match folder {
                "/etc/datacovey/public-tls" => "datacovey-public-tls".to_owned(),
                _ => format!("datacovey-{}-tls", service.name),
            };
            assert_eq!(secret["secretName"], expected);
            assert_eq!(secret["defaultMode"], 0o440, "others may read a key");
        }
        for name in ["startupProbe", "readinessProbe"] {
            let probe = container[name].as_object().unwrap();
            // A patch keeps what it does not remove.
            assert_eq!(probe.get("grpc"), Some(&Value::Null), "{name}");
            assert_eq!(
                probe["httpGet"],
                serde_json::json!({"port": "admin", "path": "/readyz"})
            );
        }
    }
}
