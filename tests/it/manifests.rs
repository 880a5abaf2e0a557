//! The manifests of `k8s/`, held against the programs that they run: a variable that nobody reads, a port
//! that nobody opens or a caller that is not let in shows here and not on a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use datacovey_server::{Limits, Service};
use serde_json::Value;

use crate::programs::{Program, described_metrics, files, machine, metrics, named, services, variable};

/// A user of its own in images without accounts, as the Dockerfile has it.
const USER: u64 = 65532;

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

#[test]
fn every_variable_is_one_that_its_program_reads() {
    let reads = |command: &clap::Command| -> BTreeSet<String> {
        command.get_arguments().filter_map(variable).collect()
    };
    let known: BTreeMap<_, _> = services()
        .iter()
        .map(|it| (it.service.name.to_owned(), reads(&(it.command)())))
        .collect();
    let mut checked = 0;
    for container in containers(&objects(".")) {
        let name = container["name"].as_str().unwrap();
        let read = match known.get(name) {
            Some(read) => read.clone(),
            None if container["image"] == "datacovey/datacovey" => {
                let command = container["args"][0].as_str().unwrap();
                reads(machine().find_subcommand(command).unwrap())
            }
            None => continue,
        };
        for set in list(&container["env"]).map(|it| it["name"].as_str().unwrap()) {
            assert!(read.contains(set), "{name} does not read {set}");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} variables were found");
}

/// With the files of `secrets.sh` where the manifests mount them, each service takes the configuration that
/// its manifest sets: nothing that it needs is missing, and nothing is wrong.
#[test]
fn every_service_would_start_with_what_its_manifest_sets() {
    let home = tempfile::tempdir().unwrap();
    let made = secrets(home.path());
    let objects = objects("base");
    for program in services() {
        let pod = pod(&objects, program.service);
        let container = container(&objects, program.service);
        let mut mounts = Vec::new();
        for mount in list(&container["volumeMounts"]) {
            let volume = list(&pod["volumes"])
                .find(|it| it["name"] == mount["name"])
                .unwrap();
            let place = home
                .path()
                .join(program.service.name)
                .join(mount["name"].as_str().unwrap());
            fs::create_dir_all(&place).unwrap();
            let holds = [&volume["configMap"]["name"], &volume["secret"]["secretName"]];
            for (name, file) in holds
                .into_iter()
                .filter_map(Value::as_str)
                .flat_map(|it| &made[it])
            {
                fs::copy(file, place.join(name)).unwrap();
            }
            if volume["secret"].is_object() {
                assert_eq!(volume["secret"]["defaultMode"], 0o440, "others may read a key");
            }
            mounts.push((mount["mountPath"].as_str().unwrap(), place));
        }
        let command = (program.command)();
        let mut line = vec!["service".into()];
        for set in list(&container["env"]) {
            let name = set["name"].as_str().unwrap();
            let secret = &set["valueFrom"]["secretKeyRef"];
            let value = match secret["name"].as_str() {
                Some(secret_name) => {
                    let file = &made[secret_name][secret["key"].as_str().unwrap()];
                    fs::read_to_string(file).unwrap()
                }
                None => set["value"].as_str().unwrap().to_owned(),
            };
            let value = mounts.iter().fold(value, |value, (path, place)| {
                match value.trim_start_matches('@').starts_with(path) {
                    true => value.replacen(path, place.to_str().unwrap(), 1),
                    false => value,
                }
            });
            let argument = command
                .get_arguments()
                .find(|it| variable(it).as_deref() == Some(name))
                .unwrap();
            line.push(format!("--{}={value}", argument.get_long().unwrap()).into());
        }
        let wrong = (program.wrong)(line);
        assert!(wrong.is_empty(), "{}: {wrong:?}", program.service.name);
    }
}

/// What `secrets.sh` makes: by Secret or ConfigMap and key, the file.
fn secrets(home: &Path) -> BTreeMap<String, BTreeMap<String, PathBuf>> {
    let made = home.join("secrets");
    // While a key is replaced, there are two.
    let next = made.join("gateway.next.pem");
    for round in 0..2 {
        let ran = Command::new("bash")
            .arg(folder().join("secrets.sh"))
            .arg(&made)
            .args(["postgres:5432/datacovey", "--development"])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        if round == 0 {
            let key = datacovey_auth::SigningKey::from_file_or_new(&next).unwrap();
            drop(key);
        }
    }
    let trusted = fs::read_to_string(made.join("trusted-services.json")).unwrap();
    assert_eq!(trusted.matches("\"gateway\"").count(), 2);

    let kustomization = &parse(&fs::read_to_string(made.join("kustomization.yaml")).unwrap())[0];
    let mut all = BTreeMap::new();
    for kind in ["configMapGenerator", "secretGenerator"] {
        for entry in list(&kustomization[kind]) {
            let files = list(&entry["files"]).map(|it| {
                let it = it.as_str().unwrap();
                let (key, file) = it.split_once('=').unwrap_or((it, it));
                (key.to_owned(), made.join(file))
            });
            all.insert(entry["name"].as_str().unwrap().to_owned(), files.collect());
        }
    }
    all
}

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

#[test]
fn every_pod_has_as_little_as_it_can_do_with() {
    let mut checked = 0;
    for object in objects(".") {
        let pod = &object["spec"]["template"]["spec"];
        // Patches are of a pod that was looked at as a whole.
        if !pod["securityContext"].is_object() {
            continue;
        }
        let name = &object["metadata"]["name"];
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        assert_eq!(pod["enableServiceLinks"], false, "{name}");
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{name}");
        assert!(context["runAsUser"] == USER || name == "postgres", "{name}");
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for container in list(&pod["containers"]) {
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(
                context["capabilities"]["drop"],
                serde_json::json!(["ALL"]),
                "{name}"
            );
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
        }
        checked += 1;
    }
    assert_eq!(
        checked, 9,
        "five services, the collector, two jobs and a database"
    );
}

#[test]
fn every_service_scales_on_its_own_and_has_time_to_leave() {
    let objects = objects("base");
    let limits = Limits::default();
    for Program { service, .. } in services() {
        let name = service.name;
        let deployment = &one(&objects, "Deployment", name)["spec"];
        assert_eq!(selected(&deployment["selector"]), [name]);
        assert_eq!(
            deployment["template"]["metadata"]["labels"]["app.kubernetes.io/name"],
            name
        );
        assert!(
            deployment["replicas"].is_null(),
            "{name}: the autoscaler says how many"
        );
        let scaler = &one(&objects, "HorizontalPodAutoscaler", name)["spec"];
        assert_eq!(scaler["scaleTargetRef"]["name"], name);
        let budget = &one(&objects, "PodDisruptionBudget", name)["spec"];
        assert_eq!(selected(&budget["selector"]), [name]);
        let pod = pod(&objects, service);
        assert_eq!(pod["serviceAccountName"], name);
        assert_eq!(
            one(&objects, "ServiceAccount", name)["automountServiceAccountToken"],
            false
        );
        let spread = list(&pod["topologySpreadConstraints"]).map(|it| selected(&it["labelSelector"]));
        assert_eq!(spread.collect::<Vec<_>>(), [[name], [name]]);

        let drain = ["DATACOVEY_DRAIN_DELAY_SECONDS", "DATACOVEY_DRAIN_GRACE_SECONDS"];
        let set = list(&container(&objects, service)["env"])
            .any(|it| drain.iter().any(|drain| it["name"] == *drain));
        assert!(!set, "{name}: this test knows the defaults only");
        let drain = limits.drain_delay + limits.drain_grace;
        let given = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(
            given > drain.as_secs() + 5,
            "{name}: {given} s for a drain of {drain:?}"
        );
    }
}

#[test]
fn bootstrap_is_the_one_of_the_migrations() {
    let copy = fs::read_to_string(folder().join("base/bootstrap/bootstrap.sql")).unwrap();
    let it = fs::read_to_string(folder().join("../migrations/bootstrap.sql")).unwrap();
    assert!(copy == it, "copy migrations/bootstrap.sql to k8s/base/bootstrap/");

    let logins = fs::read_to_string(folder().join("base/bootstrap/logins.sql")).unwrap();
    let read: BTreeSet<_> = logins
        .lines()
        .filter_map(|it| it.strip_prefix("\\getenv ")?.split_whitespace().nth(1))
        .collect();
    let objects = objects("base/bootstrap");
    let set: BTreeSet<_> = containers(&objects)
        .flat_map(|it| list(&it["env"]))
        .map(|it| it["name"].as_str().unwrap())
        .filter(|it| *it != "ADMIN_URL")
        .collect();
    assert_eq!(read, set);
}

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
