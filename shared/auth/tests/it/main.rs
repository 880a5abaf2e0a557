//! What any token and any configuration of callers holds to: for the seeds of the fuzz targets, and for
//! what proptest makes up.
#![allow(clippy::expect_used, reason = "tests")]

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/auth.rs"]
mod checks;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/seeds.rs"]
mod seeds;

use proptest::prelude::*;

#[test]
fn seeds_hold() {
    seeds::each_text("oidc_token", checks::oidc_token);
    seeds::each_text("internal_token", checks::internal_token);
    seeds::each_text("callers", checks::callers);
}

/// A JSON object with members of these names, of which some have values that fit.
fn object(names: &'static [&'static str], values: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = prop_oneof![
        3 => prop::sample::select(values).prop_map(str::to_owned),
        1 => "-?[1-9][0-9]{0,24}(\\.[0-9]{1,3})?",
        1 => prop::sample::select(vec!["null", "[]", "{}", "true", "\"\\u0000\"", "[\"api\"]"]).prop_map(str::to_owned),
    ];
    let member = (prop::sample::select(names), value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    prop::collection::vec(member, 0..10).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #[test]
    fn any_bearer_token_holds(
        header in object(&["alg", "kid", "typ"], &["\"EdDSA\"", "\"k\"", "\"JWT\""]),
        claims in object(
            &["iss", "aud", "exp", "nbf", "iat", "sub", "org_id", "scope"],
            &["\"https://id.example/\"", "\"api\"", "\"org_1\"", "99999999999", "\"platform backfill\"", "1"],
        ),
    ) {
        checks::oidc_token(&format!("{header}\n{claims}"));
        checks::oidc_token(&format!("{{\"alg\":\"EdDSA\",\"kid\":\"k\"}}\n{claims}"));
    }

    #[test]
    fn any_internal_token_holds(claims in object(
        &["iss", "aud", "exp", "iat", "tenant", "user", "role", "scopes", "job"],
        &["NOW", "\"gateway\"", "\"catalog\"", "99999999999", "\"00000000-0000-0000-0000-000000000001\"", "\"Org admin\"", "1"],
    )) {
        checks::internal_token(&claims);
    }

    #[test]
    fn any_configuration_holds(entries in prop::collection::vec(object(
        &["issuer", "audience", "jwks", "organizations", "scopes", "name", "public_key", "packages"],
        &["\"a\"", "\"any\"", "\"file:x\"", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}"],
    ), 0..3)) {
        checks::callers(&format!("[{}]", entries.join(",")));
    }
}
