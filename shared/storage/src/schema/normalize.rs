//! Texts brought to the one form in which equal ones are equal (`x-normalize`), before they are checked and
//! hashed.

use std::borrow::Cow;

use arrow::array::{Array as _, StringArray, StringBuilder};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};
use serde_json::{Map, Value};

use super::parse::Violations;
use super::{ColumnType, path};

/// A step to the one form of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Without white space at its ends.
    Trim,
    /// In lower case, by Unicode's rules.
    Lowercase,
    /// An e-mail address: trimmed, the whole of it in lower case. What providers make of dots and tags is left
    /// alone, since it differs between them.
    Email,
    /// A phone number in E.164 (`+14155550100`); without a `+`, one as it is dialled within the region.
    Phone(Option<Region>),
}

impl Normalization {
    pub(super) const KEYWORDS: [&str; 2] = ["x-normalize", "x-region"];

    /// Reads the steps of a property, in their order.
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: ColumnType,
        at: &str,
        violations: &mut Violations,
    ) -> Vec<Self> {
        let region = region(keywords, at, violations);
        let Some(given) = keywords.get("x-normalize") else {
            return Vec::new();
        };
        let at = path::member(at, "x-normalize");
        if column_type != ColumnType::Text {
            violations.push(
                at,
                "only a column of the type string, without a format, is normalized",
            );
            return Vec::new();
        }
        let listed = given.as_array();
        let words = listed.map_or(std::slice::from_ref(given), Vec::as_slice);
        if words.is_empty() {
            violations.push(
                &at,
                "names no step: trim, lowercase, email or phone, or a list of them",
            );
        }
        let mut steps = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let step = match word.as_str() {
                Some("trim") => Self::Trim,
                Some("lowercase") => Self::Lowercase,
                Some("email") => Self::Email,
                Some("phone") => Self::Phone(region),
                _ => {
                    let at = listed.map_or_else(|| at.clone(), |_| path::element(&at, index));
                    violations.push(at, "must be trim, lowercase, email or phone, or a list of them");
                    continue;
                }
            };
            if steps.contains(&step) {
                violations.push(path::element(&at, index), "is named twice");
            }
            steps.push(step);
        }
        steps
    }

    fn apply<'t>(&self, text: Cow<'t, str>) -> Result<Cow<'t, str>, &'static str> {
        match self {
            Self::Trim => Ok(trim(text)),
            Self::Lowercase => Ok(lowercase(text)),
            Self::Email => {
                let address = lowercase(trim(text));
                if is_address(&address) {
                    Ok(address)
                } else {
                    Err("is not an e-mail address as in name@example.com")
                }
            }
            Self::Phone(region) => phone(&text, *region).map(Cow::Owned),
        }
    }
}

/// The region of phone numbers that do not say theirs.
fn region(keywords: &Map<String, Value>, at: &str, violations: &mut Violations) -> Option<Region> {
    let given = keywords.get("x-region")?;
    let at = path::member(at, "x-region");
    let is_phone = |word: &Value| word.as_str() == Some("phone");
    let needed = match keywords.get("x-normalize") {
        Some(Value::Array(words)) => words.iter().any(is_phone),
        Some(word) => is_phone(word),
        None => false,
    };
    if !needed {
        violations.push(
            at,
            "is the region of phone numbers: it needs \"x-normalize\": \"phone\"",
        );
        return None;
    }
    let upper = |code: &&str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let code = given.as_str().filter(upper);
    let known = code
        .and_then(|code| Region::from_code(code).ok())
        .filter(|region| PHONE_NUMBER_UTIL.get_supported_regions().any(|it| it == *region));
    if known.is_none() {
        violations.push(at, "must be the two letters of a region, as in US or DE");
    }
    known
}

/// The texts after all steps, in their order. A text that a step cannot take is reported and left out.
pub(crate) fn normalize(
    steps: &[Normalization],
    texts: &StringArray,
    mut report: impl FnMut(usize, &'static str),
) -> StringArray {
    let mut normal = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            normal.append_null();
            continue;
        };
        let all = steps
            .iter()
            .try_fold(Cow::Borrowed(text), |text, step| step.apply(text));
        match all {
            Ok(text) => normal.append_value(text),
            Err(reason) => {
                report(row, reason);
                normal.append_null();
            }
        }
    }
    normal.finish()
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn lowercase(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(text.to_lowercase());
    }
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return text;
    }
    let mut text = text.into_owned();
    text.make_ascii_lowercase();
    Cow::Owned(text)
}

/// Whether it looks like an address that mail could be sent to. Quoted names and addresses of machines, which
/// nobody has as theirs, do not.
fn is_address(text: &str) -> bool {
    const LONGEST: usize = 254;
    const LONGEST_NAME: usize = 64;
    const LONGEST_LABEL: usize = 63;
    let Some((name, domain)) = text.split_once('@') else {
        return false;
    };
    let in_name = |c: char| !c.is_whitespace() && !c.is_control() && !"\"(),:;<>@[\\]".contains(c);
    let is_label = |label: &str| {
        let inner = |c: char| {
            c.is_alphanumeric() || c == '-' || !c.is_ascii() && !c.is_whitespace() && !c.is_control()
        };
        (1..=LONGEST_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(inner)
    };
    text.len() <= LONGEST
        && (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(in_name)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

fn phone(text: &str, region: Option<Region>) -> Result<String, &'static str> {
    const WRONG: &str = "is not a phone number";
    let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| match region {
        None => {
            "is not a phone number with a +, as in +14155550100; without one, the schema has to say x-region"
        }
        Some(_) => WRONG,
    })?;
    if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
        return Err(WRONG);
    }
    let normal = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
    normal.map(Cow::into_owned).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::TableSchema;
    use super::*;

    fn one(steps: &[Normalization], text: &str) -> Result<String, &'static str> {
        let mut reason = None;
        let normal = normalize(steps, &StringArray::from(vec![text]), |_, why| reason = Some(why));
        match reason {
            Some(reason) => Err(reason),
            None => Ok(normal.value(0).to_owned()),
        }
    }

    #[test]
    fn steps_run_in_their_order() {
        let steps = [Normalization::Trim, Normalization::Lowercase];
        assert_eq!(one(&steps, " \u{a0}ÄB c\n"), Ok("äb c".to_owned()));
        assert_eq!(one(&[Normalization::Trim], " Ab "), Ok("Ab".to_owned()));
        let texts = StringArray::from(vec![None, Some("B")]);
        let normal = normalize(&steps, &texts, |_, _| {});
        assert_eq!(normal, StringArray::from(vec![None, Some("b")]));
    }

    #[test]
    fn addresses_are_in_lower_case_and_as_their_owners_write_them() {
        for (given, expected) in [
            (" Ann.Lee+News@Example.COM ", "ann.lee+news@example.com"),
            ("o'neil@mail.example.co.uk", "o'neil@mail.example.co.uk"),
            ("jürgen@BÜCHER.example", "jürgen@bücher.example"),
            ("a..b@docomo.example.jp", "a..b@docomo.example.jp"),
        ] {
            assert_eq!(
                one(&[Normalization::Email], given),
                Ok(expected.to_owned()),
                "{given}"
            );
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for given in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "ann@example..com",
            "ann@-example.com",
            "ann lee@example.com",
            "ann@exa mple.com",
            "Ann <ann@example.com>",
            "ann@example.com, bob@example.com",
            "ann@b@example.com",
            "ann@[127.0.0.1]",
            &long,
        ] {
            assert!(one(&[Normalization::Email], given).is_err(), "{given}");
        }
    }

    #[test]
    fn phone_numbers_are_the_same_however_they_are_written() {
        let us = [Normalization::Phone(Region::from_code("US").ok())];
        for given in [
            "(650) 253-0000",
            "650.253.0000",
            "+1 650 253 0000",
            "1-650-253-0000",
            "tel:+1-650-253-0000",
        ] {
            assert_eq!(one(&us, given), Ok("+16502530000".to_owned()), "{given}");
        }
        assert_eq!(one(&us, "+44 (0)20 7946 0000"), Ok("+442079460000".to_owned()));
        for given in ["", "none", "911", "650 253", "+999 123", "+1 000 000 0000"] {
            assert!(one(&us, given).is_err(), "{given}");
        }
        let anywhere = [Normalization::Phone(None)];
        assert_eq!(one(&anywhere, "+1 650 253 0000"), Ok("+16502530000".to_owned()));
        assert!(one(&anywhere, "650 253 0000").unwrap_err().contains("x-region"));
    }

    #[test]
    fn what_cannot_be_normalized_is_refused_by_its_path() {
        let document = json!({ "type": "object", "properties": {
            "a": { "type": "integer", "x-normalize": "trim" },
            "b": { "type": "string", "format": "date", "x-normalize": "trim" },
            "c": { "type": "string", "x-normalize": ["trim", "upper"] },
            "d": { "type": "string", "x-normalize": true },
            "e": { "type": "string", "x-normalize": [] },
            "f": { "type": "string", "x-normalize": "phone", "x-region": "us" },
            "g": { "type": "string", "x-normalize": "phone", "x-region": "ZZ" },
            "h": { "type": "string", "x-normalize": "email", "x-region": "US" },
            "i": { "type": "string", "x-normalize": ["trim", "trim"] },
            "j": { "type": "string", "x-normalize": ["trim", "phone"], "x-region": "DE" },
        } });
        let paths: Vec<String> = TableSchema::parse(&document)
            .unwrap_err()
            .into_iter()
            .map(|it| it.path)
            .collect();
        let expected = [
            "a.x-normalize",
            "b.x-normalize",
            "c.x-normalize[1]",
            "d.x-normalize",
            "e.x-normalize",
            "f.x-region",
            "g.x-region",
            "h.x-region",
            "i.x-normalize[1]",
        ];
        assert_eq!(paths, expected.map(|it| format!("$.properties.{it}")));
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_as_it_is(text in "[ A-Za-z0-9@.+äÖİß-]{0,24}") {
            let de = Normalization::Phone(Region::from_code("DE").ok());
            for step in [Normalization::Trim, Normalization::Lowercase, Normalization::Email, de] {
                if let Ok(normal) = one(&[step], &text) {
                    prop_assert_eq!(one(&[step], &normal), Ok(normal.clone()));
                }
            }
        }
    }
}
