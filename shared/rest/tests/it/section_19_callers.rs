use datacovey_rest::Error;

use crate::ask::{fault, header};

#[test]
fn callers_that_are_not_known_are_told_how_to_be() {
    let quoted = "Bearer error=\"invalid_token\", error_description=\"JWT expired\"";
    for (error, code, message, challenge) in [
        (
            Error::anonymous(),
            "PGRST302",
            "Anonymous access is disabled",
            "Bearer",
        ),
        (
            Error::bad_token("Expected 3 parts in JWT; got 2"),
            "PGRST301",
            "Expected 3 parts in JWT; got 2",
            "Bearer error=\"invalid_token\", error_description=\"Expected 3 parts in JWT; got 2\"",
        ),
        (
            Error::bad_claims("JWT expired"),
            "PGRST303",
            "JWT expired",
            quoted,
        ),
    ] {
        assert_eq!(fault(&error), (401, code));
        assert_eq!(error.message, message);
        assert_eq!(header(&error.answer(false), "www-authenticate"), Some(challenge));
    }
}

#[test]
fn a_description_stays_within_its_quotes() {
    let found = Error::bad_token("a \"b\\ \u{e4}\n").answer(true);
    let challenge = header(&found, "www-authenticate").unwrap();
    assert_eq!(challenge.matches('"').count(), 4, "{challenge}");
}
