use datacovey_types::new_id;
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;

fn signer(name: &str) -> InternalSigner {
    InternalSigner::new(name, SigningKey::generate().unwrap())
}

fn verifier(audience: &str, trusted: &[&InternalSigner]) -> InternalVerifier {
    let trusted = trusted
        .iter()
        .map(|it| TrustedService::new(it.name(), &it.public_key(), None).unwrap());
    InternalVerifier::new(audience, trusted.collect())
}

fn principal() -> Principal {
    Principal {
        tenant_id: new_id(),
        user_id: new_id(),
        role: Role::DatasetEditor,
        scopes: Scopes::from("backfill"),
    }
}

fn purpose(audience: &str) -> Purpose {
    Purpose {
        audience: audience.to_owned(),
        principal: Some(principal()),
        job_id: Some(new_id()),
    }
}

fn refusal(result: Result<InternalCaller, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.reason_name(), "CREDENTIALS_INVALID");
    error.message().to_owned()
}

#[test]
fn the_header_is_what_it_says() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"datacovey-internal+jwt"}"#);
    assert_eq!(header, HEADER);
}

#[test]
fn a_token_carries_the_principal_and_the_job() {
    let gateway = signer("gateway");
    let purpose = purpose("catalog");
    let token = gateway.mint(&purpose, NOW);
    assert!(is_internal_token(&token));
    let verifier = verifier("catalog", &[&gateway]);
    // The second time from the cache.
    for _ in 0..2 {
        let caller = verifier.verify_at(&token, NOW).unwrap();
        assert_eq!(caller.service, "gateway");
        assert_eq!(caller.principal, purpose.principal);
        assert_eq!(caller.job_id, purpose.job_id);
    }
}

#[test]
fn a_service_may_call_what_the_table_says() {
    let (gateway, query) = (signer("gateway"), signer("query"));
    let verifier = verifier("catalog", &[&gateway, &query]);
    let caller = |signer: &InternalSigner| verifier.verify(&signer.token("catalog", None, None)).unwrap();
    assert!(caller(&gateway).may_call("datacovey.catalog.v1"));
    assert!(!caller(&gateway).may_call("datacovey.internal.catalog.v1"));
    assert!(caller(&query).may_call("datacovey.internal.catalog.v1"));
    assert!(!caller(&query).may_call("datacovey.catalog.v1"));
    assert_eq!(caller(&query).principal, None);
}

#[test]
fn one_purpose_has_one_token() {
    let gateway = signer("gateway");
    let (one, other) = (principal(), principal());
    let token = gateway.token("catalog", Some(&one), None);
    assert!(Arc::ptr_eq(&token, &gateway.token("catalog", Some(&one), None)));
    assert_ne!(token, gateway.token("catalog", Some(&other), None));
    assert_ne!(token, gateway.token("query", Some(&one), None));
    assert_ne!(token, gateway.token("catalog", Some(&one), Some(new_id())));
    assert_ne!(token, gateway.token("catalog", None, None));
    let demoted = Principal {
        role: Role::DatasetUser,
        ..one
    };
    assert_ne!(token, gateway.token("catalog", Some(&demoted), None));
}

#[test]
fn a_token_is_for_one_service_and_from_a_trusted_one() {
    let gateway = signer("gateway");
    let token = gateway.token("catalog", None, None);
    let other_audience = verifier("query", &[&gateway]).verify(&token);
    assert_eq!(
        refusal(other_audience),
        "the internal token is for another service"
    );
    let not_signed = "the internal token is not signed by a service that is trusted here";
    assert_eq!(refusal(verifier("catalog", &[]).verify(&token)), not_signed);
    // The right name with another key, and the right key under another name.
    assert_eq!(
        refusal(verifier("catalog", &[&signer("gateway")]).verify(&token)),
        not_signed
    );
    let renamed = InternalSigner::new("query", gateway.key.clone());
    assert_eq!(
        refusal(verifier("catalog", &[&renamed]).verify(&token)),
        not_signed
    );
}

#[test]
fn a_key_is_replaced_by_trusting_both_for_a_while() {
    let (old, new) = (signer("gateway"), signer("gateway"));
    let verifier = verifier("catalog", &[&old, &new]);
    for signer in [old, new] {
        assert!(verifier.verify(&signer.token("catalog", None, None)).is_ok());
    }
}

#[test]
fn a_token_ends_after_its_life_and_the_skew() {
    let gateway = signer("gateway");
    let token = gateway.mint(&purpose("catalog"), NOW);
    let at = |seconds: i64| verifier("catalog", &[&gateway]).verify_at(&token, NOW + seconds);
    assert!(at(TOKEN_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS - 1).is_ok());
    assert_eq!(
        refusal(at(TOKEN_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS)),
        "the internal token has expired"
    );
    assert!(at(-CLOCK_SKEW_SECONDS).is_ok());
    assert_eq!(
        refusal(at(-CLOCK_SKEW_SECONDS - 1)),
        "the internal token is not valid yet"
    );
    // A cached token ends at the same moment.
    let verifier = verifier("catalog", &[&gateway]);
    assert!(verifier.verify_at(&token, NOW).is_ok());
    assert!(
        verifier
            .verify_at(&token, NOW + TOKEN_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS)
            .is_err()
    );
}

#[test]
fn nobody_signs_for_longer_than_agreed() {
    let gateway = signer("gateway");
    let claims = |iat, exp| Claims {
        iss: "gateway".to_owned(),
        aud: "catalog".to_owned(),
        iat,
        exp,
        tenant: None,
        user: None,
        role: None,
        scopes: Scopes::NONE,
        job: None,
    };
    let at = |iat, exp| verifier("catalog", &[&gateway]).verify_at(&gateway.sign(&claims(iat, exp)), NOW);
    assert_eq!(
        refusal(at(NOW - 1000, i64::MAX)),
        "the internal token has expired"
    );
    assert_eq!(
        refusal(at(i64::MAX, i64::MAX)),
        "the internal token is not valid yet"
    );
    assert_eq!(refusal(at(i64::MIN, i64::MIN)), "the internal token has expired");
    let half = Claims {
        tenant: Some(new_id()),
        ..claims(NOW, NOW + 10)
    };
    let token = gateway.sign(&half);
    let half = verifier("catalog", &[&gateway]).verify_at(&token, NOW);
    assert_eq!(refusal(half), "the internal token names half a principal");
}

#[test]
fn every_changed_byte_is_noticed() {
    let gateway = signer("gateway");
    let token = gateway.mint(&purpose("catalog"), NOW);
    let verifier = verifier("catalog", &[&gateway]);
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verifier.verify_at(&changed, NOW).is_err(), "byte {index}");
    }
}

#[test]
fn configuration_names_all_that_is_wrong() {
    let key = signer("gateway").public_key();
    let good = format!(r#"[{{"name": "gateway", "public_key": "{key}"}}]"#);
    assert!(TrustedService::parse_all(&good).unwrap()[0].packages.len() > 3);
    let bad = format!(
        r#"[{{"name": "gateway", "public_key": "{key}="}}, {{"name": "mine", "public_key": "{key}"}}, {{}}]"#
    );
    let violations = TrustedService::parse_all(&bad).unwrap_err();
    let fields: Vec<_> = violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "trusted_services[0].public_key",
            "trusted_services[1].packages",
            "trusted_services[2]"
        ]
    );
}

proptest! {
    #[test]
    fn what_is_no_token_is_refused_and_nothing_panics(text in ".{0,200}", tail in "[A-Za-z0-9_.-]{0,200}") {
        let gateway = signer("gateway");
        let verifier = verifier("catalog", &[&gateway]);
        prop_assert!(verifier.verify(&text).is_err());
        let with_header = format!("{HEADER}.{tail}");
        prop_assert!(verifier.verify(&with_header).is_err());
    }

    #[test]
    fn claims_of_any_shape_are_judged_without_panic(
        payload in r#"\{("(iss|aud|iat|exp|tenant|role)":("gateway"|"catalog"|-?[0-9]{1,25}|null|\[\]),?){0,6}\}"#,
    ) {
        let gateway = signer("gateway");
        let message = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let token = gateway.key.sign(message);
        let _ = verifier("catalog", &[&gateway]).verify(&token);
    }
}
