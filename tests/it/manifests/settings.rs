//! What the manifests and their scripts set, and what the programs read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{container, containers, folder, list, objects, parse, pod};
use crate::programs::{machine, services, variable};

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
