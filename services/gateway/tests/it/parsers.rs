//! What is read of Arrow Flight holds to its rules: for the seeds of the fuzz target, and for what proptest makes
//! up.

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/flight.rs"]
mod checks;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/seeds.rs"]
mod seeds;

use std::cell::Cell;

use arrow_flight::FlightDescriptor;
use datacovey_gateway::flight_framing::{asked_by_ticket, put_body, put_table};
use proptest::prelude::*;
use prost::Message as _;

use crate::fake;
use crate::flight::{batch, path, sent};

fn body_of_put() -> Vec<u8> {
    let messages = sent(path(&["table", "shop.orders"]), &[batch(3), batch(0)]);
    messages.iter().flat_map(fake::frame).collect()
}

#[test]
fn seeds_hold() {
    seeds::each("flight", checks::flight);
    checks::flight(&body_of_put());
}

/// The seeds are what their names say: else they would hold by being refused.
#[test]
fn good_ones_are_taken() {
    let body = put_body(&body_of_put(), 10).unwrap();
    assert_eq!(put_table(&body.descriptor.unwrap()).unwrap(), "shop.orders");
    assert_eq!(asked_by_ticket(b"query_job/x").unwrap().unwrap(), "query_job/x");
    let taken = Cell::new(0);
    seeds::each("flight", |seed| {
        taken.set(taken.get() + i32::from(put_body(seed, 1).is_ok()));
    });
    assert_eq!(taken.get(), 4);
}

proptest! {
    #[test]
    fn any_bytes_hold(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::flight(&bytes);
    }

    #[test]
    fn a_body_that_was_changed_holds(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = body_of_put();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(cut.index(body.len()) + 1);
        checks::flight(&body);
    }

    #[test]
    fn any_command_holds(
        table in any::<String>(),
        key in "[a-z_]{0,16}",
        value in any::<String>(),
        number in any::<i64>(),
    ) {
        let command = serde_json::json!({"table": table, key: value, "max_bad_records": number}).to_string();
        checks::flight(&FlightDescriptor::new_cmd(command.clone()).encode_to_vec());
        checks::flight(command.as_bytes());
    }
}
