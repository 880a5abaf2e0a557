/// Longest name and longest id at an identity provider, in characters.
const MAX_NAME: usize = 200;
/// Longest e-mail address, in characters: what fits into the path of a mail (RFC 5321).
const MAX_EMAIL: usize = 254;
/// Longest part of it before the `@`.
const MAX_EMAIL_LOCAL: usize = 64;

/// A name for people, without the blanks around it: 1 to 200 characters, no control characters.
pub(crate) fn display_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("is required: a name of at least one character that is no blank".to_owned());
    }
    within(name, MAX_NAME)?;
    if name.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(name.to_owned())
}

/// An id at an identity provider (`auth0|5f…`, `org_…`): 1 to 200 characters, compared as they are.
pub(crate) fn external_id(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is required".to_owned());
    }
    within(text, MAX_NAME)?;
    if text.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err("must not contain blanks or control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// An e-mail address, without the blanks around it: one `@` between a name and a domain. Whether
/// somebody reads it, only a mail can tell.
pub(crate) fn email(text: &str) -> Result<String, String> {
    let email = text.trim();
    if email.is_empty() {
        return Err("is required".to_owned());
    }
    within(email, MAX_EMAIL)?;
    let is_address = email.split_once('@').is_some_and(|(local, domain)| {
        let labels_are_words = domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|it| it.is_alphanumeric() || it == '-')
        });
        let is_plain = |it: char| !it.is_whitespace() && !it.is_control() && !"<>()[],;:\\\"@".contains(it);
        !local.is_empty()
            && local.chars().count() <= MAX_EMAIL_LOCAL
            && local.chars().all(is_plain)
            && labels_are_words
    });
    if is_address {
        Ok(email.to_owned())
    } else {
        Err("is no e-mail address, as ada@example.com".to_owned())
    }
}

fn within(text: &str, longest: usize) -> Result<(), String> {
    match text.chars().count() {
        length if length > longest => Err(format!("has {length} characters; at most {longest} are allowed")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(
            display_name("  Ada Lovelace\u{a0}").as_deref(),
            Ok("Ada Lovelace")
        );
        assert_eq!(
            display_name(&"ü".repeat(200)).as_deref(),
            Ok("ü".repeat(200).as_str())
        );
        for bad in ["", " \t\n", "a\nb", "a\0", &"x".repeat(201)] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn external_ids_are_taken_as_they_are() {
        for good in ["auth0|5f7c", "org_AbC", "client@clients", &"x".repeat(200)] {
            assert_eq!(external_id(good).as_deref(), Ok(good));
        }
        for bad in ["", " a", "a b", "a\0", &"x".repeat(201)] {
            assert!(external_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_email_has_a_name_and_a_domain() {
        assert_eq!(email(" ada@example.com ").as_deref(), Ok("ada@example.com"));
        for good in [
            "a@b",
            "first.last+tag@sub.example.com",
            "o'hara@example.com",
            "jörg@büro.example",
        ] {
            assert_eq!(email(good).as_deref(), Ok(good));
        }
        let long = format!("{}@example.com", "x".repeat(65));
        for bad in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.com",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@.com",
            "a@b..c",
            "a@-b",
            "a@b-",
            "a@b_c",
            "<a@b>",
            "a@b\0",
            &long,
            &format!("a@{}", "x".repeat(253)),
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        /// What passes here passes the database's own checks, which would speak less clearly.
        #[test]
        fn what_is_accepted_is_what_the_database_accepts(text in "\\PC{0,30}@?\\PC{0,30}") {
            if let Ok(email) = email(&text) {
                prop_assert_eq!(email.matches('@').count(), 1);
                prop_assert!(!email.contains(char::is_whitespace));
            }
            if let Ok(name) = display_name(&text) {
                prop_assert!(!name.trim().is_empty());
            }
        }
    }
}
