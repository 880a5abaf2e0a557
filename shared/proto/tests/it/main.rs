//! What the descriptor sets must hold for the gateway to route and reflect by them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::HashSet;

use datacovey_proto::{DESCRIPTORS, PUBLIC_DESCRIPTORS};
use prost::Message as _;
use prost_types::FileDescriptorSet;

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
