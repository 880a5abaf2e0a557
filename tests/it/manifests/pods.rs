//! What a pod may do, how many there are, and the time that one has to leave.

use datacovey_server::Limits;

use super::{container, list, objects, one, pod, selected};
use crate::programs::{Program, services};

/// A user of its own in images without accounts, as the Dockerfile has it.
const USER: u64 = 65532;

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
