//! The manifests of `k8s/`, held against the programs that they run: a variable that nobody reads, a port
//! that nobody opens or a caller that is not let in shows here and not on a cluster.

mod metrics;
mod network;
mod pods;
mod ports;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use datacovey_server::Service;
use serde_json::Value;

use crate::programs::files;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s")
}

fn parse(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Every object below a folder of `k8s/`, and every patch of one.
fn objects(below: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    for path in files(&folder().join(below), ".yaml") {
        let documents = parse(&fs::read_to_string(&path).unwrap());
        for document in documents.into_iter().filter(|it| it["kind"].is_string()) {
            let patches = list(&document["patches"])
                .filter_map(|it| it["patch"].as_str())
                .flat_map(parse)
                .filter(Value::is_object);
            objects.extend(patches);
            objects.push(document);
        }
    }
    assert!(!objects.is_empty(), "there is nothing in k8s/{below}");
    objects
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found: Vec<_> = objects
        .iter()
        .filter(|it| it["kind"] == kind && it["metadata"]["name"] == name)
        .collect();
    assert_eq!(found.len(), 1, "{kind} {name}");
    found[0]
}

fn containers(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects
        .iter()
        .filter(|it| {
            ["Deployment", "Job", "StatefulSet"]
                .iter()
                .any(|kind| it["kind"] == *kind)
        })
        .flat_map(|it| list(&it["spec"]["template"]["spec"]["containers"]))
}

/// The one pod of a service.
fn pod(objects: &[Value], service: Service) -> &Value {
    &one(objects, "Deployment", service.name)["spec"]["template"]["spec"]
}

fn container(objects: &[Value], service: Service) -> &Value {
    let pod = pod(objects, service);
    assert_eq!(list(&pod["containers"]).count(), 1);
    &pod["containers"][0]
}

/// Its own labels are what selects its pods everywhere.
fn selected(selector: &Value) -> Vec<String> {
    let wanted = &selector["matchLabels"]["app.kubernetes.io/name"];
    let listed = list(&selector["matchExpressions"])
        .inspect(|it| assert_eq!(it["operator"], "In"))
        .flat_map(|it| list(&it["values"]));
    wanted
        .as_str()
        .into_iter()
        .chain(listed.map(|it| it.as_str().unwrap()))
        .map(str::to_owned)
        .collect()
}
