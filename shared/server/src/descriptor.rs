use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

/// Paths of all methods that a server may have (`/datacovey.catalog.v1.TableService/GetTable`).
static METHODS: LazyLock<HashSet<Arc<str>>> = LazyLock::new(|| {
    paths(
        &[
            datacovey_proto::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ],
        |_| true,
    )
});

/// Paths of those methods of the suite that are declared to be without side effects.
static READS: LazyLock<HashSet<Arc<str>>> = LazyLock::new(|| {
    paths(&[datacovey_proto::DESCRIPTORS], |method| {
        let options = method.options.as_ref();
        options.is_some_and(|it| it.idempotency_level() == IdempotencyLevel::NoSideEffects)
    })
});

fn paths(sets: &[&[u8]], wanted: fn(&MethodDescriptorProto) -> bool) -> HashSet<Arc<str>> {
    // These decode; were one broken, its methods would all be counted as one.
    let sets = sets
        .iter()
        .map(|set| FileDescriptorSet::decode(*set).unwrap_or_default());
    let mut paths = HashSet::new();
    for file in sets.flat_map(|set| set.file) {
        for service in &file.service {
            let methods = service.method.iter().filter(|it| wanted(it));
            let name = format!("{}.{}", file.package(), service.name());
            paths.extend(methods.map(|it| format!("/{name}/{}", it.name()).into()));
        }
    }
    paths
}

/// Whether calling the method of a path again does no harm.
pub(crate) fn has_no_side_effects(path: &str) -> bool {
    READS.contains(path)
}

/// The method of a path, for metrics and spans: paths that callers make up are all one.
pub(crate) fn known_method(path: &str) -> Arc<str> {
    METHODS.get(path).cloned().unwrap_or_else(|| "unknown".into())
}

/// As much of a path that a caller made up as is worth a place in a log line or an answer.
pub(crate) fn shown(path: &str) -> &str {
    const MAX_CHARS: usize = 100;
    let end = path.char_indices().nth(MAX_CHARS).map(|(end, _)| end);
    &path[..end.unwrap_or(path.len())]
}

/// The package of a method: `datacovey.catalog.v1` of `/datacovey.catalog.v1.TableService/GetTable`.
pub(crate) fn package_of(path: &str) -> &str {
    let service = path
        .strip_prefix('/')
        .and_then(|path| path.split('/').next())
        .unwrap_or_default();
    service.rsplit_once('.').map_or("", |(package, _)| package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_path() {
        let path = "/datacovey.identity.v1.UserService/WhoAmI";
        for known in [path, "/grpc.health.v1.Health/Check"] {
            assert_eq!(&*known_method(known), known);
        }
        assert_eq!(
            &*known_method("/datacovey.identity.v1.UserService/Whoever"),
            "unknown"
        );
    }

    #[test]
    fn what_may_be_called_again_is_declared() {
        assert!(has_no_side_effects("/datacovey.identity.v1.UserService/WhoAmI"));
        for other in [
            "/datacovey.identity.v1.UserService/CreateUser",
            "/grpc.health.v1.Health/Check",
            "",
        ] {
            assert!(!has_no_side_effects(other), "{other}");
        }
    }

    #[test]
    fn a_package_is_what_is_before_the_service() {
        assert_eq!(
            package_of("/datacovey.internal.catalog.v1.A/B"),
            "datacovey.internal.catalog.v1"
        );
        for path in ["", "/", "/Service/Method", "x.y.z", "//a.b/c"] {
            assert_eq!(package_of(path), "", "{path}");
        }
    }
}
