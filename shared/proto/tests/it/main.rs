//! What the descriptor sets must hold for the gateway to route and reflect by them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::HashSet;

use datacovey_proto::{DESCRIPTORS, PUBLIC_DESCRIPTORS};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

fn decode(bytes: &[u8]) -> FileDescriptorSet {
    FileDescriptorSet::decode(bytes).unwrap()
}

#[test]
fn internal_packages_are_not_public() {
    let internal = |set: &FileDescriptorSet| {
        set.file
            .iter()
            .filter(|file| file.package().starts_with("datacovey.internal."))
            .count()
    };
    assert!(internal(&decode(DESCRIPTORS)) > 0);
    assert_eq!(internal(&decode(PUBLIC_DESCRIPTORS)), 0);
}

/// Reflection clients resolve every import from the set alone.
#[test]
fn sets_contain_what_they_import() {
    for bytes in [DESCRIPTORS, PUBLIC_DESCRIPTORS] {
        let set = decode(bytes);
        let names: HashSet<_> = set.file.iter().map(|file| file.name()).collect();
        let imports: HashSet<_> = set
            .file
            .iter()
            .flat_map(|file| &file.dependency)
            .map(String::as_str)
            .collect();
        assert_eq!(
            imports.difference(&names).collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
    }
}

/// Details of errors are typed by name only; whoever learns the API by reflection finds them here.
#[test]
fn details_of_errors_can_be_decoded() {
    for bytes in [DESCRIPTORS, PUBLIC_DESCRIPTORS] {
        let set = decode(bytes);
        let files = set.file.iter().filter(|file| file.package() == "google.rpc");
        let names: HashSet<_> = files
            .flat_map(|file| file.message_type.iter().map(|message| message.name()))
            .collect();
        for name in [
            "Status",
            "ErrorInfo",
            "BadRequest",
            "ResourceInfo",
            "PreconditionFailure",
            "QuotaFailure",
            "RetryInfo",
        ] {
            assert!(names.contains(name), "google.rpc.{name}");
        }
    }
}

/// What is declared so may be called again by whoever gets no answer; a reading that is not, fails
/// with the process that it was sent to.
#[test]
fn readings_and_nothing_else_are_declared_free_of_side_effects() {
    const READINGS: [&str; 10] = [
        "Check", "Download", "Get", "List", "Read", "Resolve", "Select", "Wait", "Watch", "WhoAmI",
    ];
    for file in decode(DESCRIPTORS).file {
        for service in &file.service {
            for method in &service.method {
                let reads = READINGS.iter().any(|it| method.name().starts_with(it));
                let level = method.options.as_ref().map(|it| it.idempotency_level());
                let declared = level == Some(IdempotencyLevel::NoSideEffects);
                assert_eq!(declared, reads, "{}.{}", service.name(), method.name());
            }
        }
    }
}
