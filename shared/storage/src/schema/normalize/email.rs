use super::{lowercase, trim};
use crate::schema::checks::is_host_name;

const MAX_BYTES: usize = 254;
const MAX_NAME_BYTES: usize = 64;

/// An e-mail address without white space at its ends, in lower case, its domain as the name system has it
/// (`bücher.example` is `xn--bcher-kva.example`). What providers make of dots and tags is left alone, since it
/// differs between them.
pub(super) fn normalize(text: &mut String) -> Result<(), &'static str> {
    trim(text);
    lowercase(text);
    if let Some((name, domain)) = text.split_once('@')
        && !domain.is_ascii()
        && let Ok(domain) = idna::domain_to_ascii(domain)
    {
        *text = format!("{name}@{domain}");
    }
    if is_address(text) {
        Ok(())
    } else {
        Err("is not an e-mail address as in name@example.com")
    }
}

/// Whether it looks like an address that somebody has. Quoted names, addresses of machines and names without a
/// domain do not, although mail can be sent to them.
fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else {
        return false;
    };
    let is_special = |c| {
        matches!(
            c,
            '"' | '(' | ')' | ',' | ':' | ';' | '<' | '>' | '@' | '[' | '\\' | ']'
        )
    };
    let in_name = |c: char| !c.is_whitespace() && !c.is_control() && !is_special(c);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_BYTES
        && (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.chars().all(in_name)
        && is_host_name(domain.as_bytes())
        && domain.rsplit_once('.').is_some_and(|(_, last)| !is_number(last))
}
