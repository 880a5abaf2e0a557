//! What any header and any answer of a peer holds to: for the seeds of the fuzz targets, and for what
//! proptest makes up.

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/server.rs"]
mod checks;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/seeds.rs"]
mod seeds;

use datacovey_error::{DOMAIN, Error};
use proptest::prelude::*;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

#[test]
fn seeds_hold() {
    seeds::each("headers", checks::headers);
    seeds::each("peer_status", checks::peer_status);
}

/// A status as the checks read it.
fn written(status: &Status) -> Vec<u8> {
    let code = u8::try_from(i32::from(status.code())).expect("a code");
    [&[code], status.message().as_bytes(), b"\n", status.details()].concat()
}

#[test]
fn every_reason_of_the_suite_holds_with_every_code() {
    for reason in [
        "NOT_FOUND",
        "OVERLOADED",
        "TOO_LARGE",
        "ETAG_MISMATCH",
        "INTERNAL",
        "UNHEARD_OF",
    ] {
        for code in 0..17 {
            let mut details =
                ErrorDetails::with_error_info(reason, DOMAIN, [("a".to_owned(), "b".to_owned())]);
            details.add_bad_request_violation("x".repeat(9000), "y".repeat(9000));
            details.set_resource_info("table", "z".repeat(9000), "", "");
            let message = "ü".repeat(2000);
            let status = Status::with_error_details(Code::from_i32(code), message, details);
            checks::peer_status(&written(&status));
        }
    }
    checks::peer_status(&written(&Error::not_found("table", "x").into()));
}

proptest! {
    #[test]
    fn any_header_holds(text in "[0-9]{0,10}[HMSmuna ]{0,2}", bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        checks::headers(text.as_bytes());
        checks::headers(&bytes);
    }

    #[test]
    fn any_answer_holds(code in 0_u8..17, message in ".{0,40}", details in prop::collection::vec(any::<u8>(), 0..60)) {
        checks::peer_status(&[&[code], message.as_bytes(), b"\n", details.as_slice()].concat());
    }
}
