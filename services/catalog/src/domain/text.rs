use super::path::shortened;

/// Longest name of a project, in characters.
pub(crate) const MAX_DISPLAY_NAME: usize = 200;
/// Longest description, in characters.
pub(crate) const MAX_DESCRIPTION: usize = 4000;
/// Longest name that SQL addresses, in characters.
pub(crate) const MAX_IDENTIFIER: usize = 128;

/// A name for people: 1 to 200 characters, not only blanks, no control characters.
pub(crate) fn display_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("is required: a name of at least one character that is no blank".to_owned());
    }
    within(text, MAX_DISPLAY_NAME)?;
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// A text for people: at most 4000 characters; of control characters only line ends and tabs.
pub(crate) fn description(text: &str) -> Result<String, String> {
    within(text, MAX_DESCRIPTION)?;
    if text
        .chars()
        .any(|it| it.is_control() && !matches!(it, '\n' | '\r' | '\t'))
    {
        return Err("must not contain control characters other than line ends and tabs".to_owned());
    }
    Ok(text.to_owned())
}

/// A name that SQL addresses as `dataset.table`: ASCII letters, digits and underscores, beginning
/// with a letter or an underscore, at most 128 characters. Upper and lower case are kept and differ;
/// SQL folds names to lower case unless they are quoted.
pub(crate) fn identifier(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is required".to_owned());
    }
    within(text, MAX_IDENTIFIER)?;
    if let Some(odd) = text.chars().find(|it| !it.is_ascii_alphanumeric() && *it != '_') {
        return Err(format!(
            "may hold ASCII letters, digits and underscores, for SQL addresses it; {odd:?} is none of them"
        ));
    }
    if text.starts_with(|it: char| it.is_ascii_digit()) {
        return Err("must begin with a letter or an underscore".to_owned());
    }
    // Engines answer it themselves, whatever is registered under the name.
    if text.eq_ignore_ascii_case("information_schema") {
        return Err(format!("{:?} is reserved in SQL", shortened(text)));
    }
    Ok(text.to_owned())
}

fn within(text: &str, longest: usize) -> Result<(), String> {
    match text.chars().count() {
        length if length > longest => Err(format!("has {length} characters; at most {longest} are allowed")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for good in ["flights", "_x", "Flights_2013", &"x".repeat(128)] {
            assert_eq!(identifier(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "2013",
            "a b",
            "a.b",
            "a-b",
            "flüge",
            "a\0",
            "a\"",
            "Information_Schema",
            &"x".repeat(129),
        ] {
            assert!(identifier(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_for_people() {
        for good in ["a", "Über den Wolken ✈", &"ü".repeat(200)] {
            assert_eq!(display_name(good).as_deref(), Ok(good));
        }
        for bad in ["", " \t", "a\nb", "a\0", &"x".repeat(201)] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
        assert!(description("two\nlines\tand a tab").is_ok());
        assert!(description("").is_ok());
        assert!(description("a\0").is_err());
        assert!(description(&"x".repeat(4001)).is_err());
    }
}
