use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};
use serde_json::{Map, Value};

use crate::schema::parse::Violations;
use crate::schema::path;

/// The region of phone numbers that do not say theirs (`x-region`).
pub(super) fn region(keywords: &Map<String, Value>, at: &str, violations: &mut Violations) -> Option<Region> {
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

/// A phone number in E.164, as in `+14155550100`: one that is assigned to somebody, or could be.
pub(super) fn normalize(text: &mut String, region: Option<Region>) -> Result<(), &'static str> {
    const WRONG: &str = "is not a phone number";
    let number = PHONE_NUMBER_UTIL.parse(text.as_str(), region).map_err(|_| match region {
        None => {
            "is not a phone number with a +, as in +14155550100; without one, the schema has to say x-region"
        }
        Some(_) => WRONG,
    })?;
    if !number.extension().is_empty() {
        return Err("has an extension, for which E.164 has no place");
    }
    if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
        return Err(WRONG);
    }
    let normal = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
    text.clear();
    text.push_str(&normal);
    Ok(())
}
