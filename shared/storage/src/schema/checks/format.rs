use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};

use crate::schema::ColumnType;

/// A format that binds a text and leaves it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextFormat {
    Email,
    Uri,
    Ipv4,
    Ipv6,
}

impl TextFormat {
    pub(super) const NAMES: [(&'static str, Self); 4] = [
        ("email", Self::Email),
        ("uri", Self::Uri),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
    ];

    pub(super) fn parse(keywords: &Map<String, Value>, column_type: &ColumnType) -> Option<Self> {
        let name = keywords.get("format").and_then(Value::as_str)?;
        Self::named(name).filter(|_| *column_type == ColumnType::Text)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(it, _)| *it == name)
            .map(|(_, format)| *format)
    }

    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Uri => fluent_uri::Uri::parse(text).is_ok(),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        }
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Email => "is no e-mail address",
            Self::Uri => "is no URI as in https://example.com/a",
            Self::Ipv4 => "is no IPv4 address as in 192.0.2.1",
            Self::Ipv6 => "is no IPv6 address as in 2001:db8::1",
        }
    }
}

/// A mailbox of RFC 5321, in ASCII.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    is_local_part(local.as_bytes()) && is_mail_domain(domain)
}

fn is_local_part(local: &[u8]) -> bool {
    if local.is_empty() || local.len() > 64 {
        return false;
    }
    if let Some(quoted) = local.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")) {
        let mut bytes = quoted.iter();
        while let Some(byte) = bytes.next() {
            let fits = match byte {
                b'\\' => bytes.next().is_some_and(u8::is_ascii_graphic),
                b'"' => false,
                _ => (0x20..=0x7e).contains(byte),
            };
            if !fits {
                return false;
            }
        }
        return true;
    }
    let of_atom = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(byte);
    local
        .split(|byte| *byte == b'.')
        .all(|atom| !atom.is_empty() && atom.iter().all(of_atom))
}

fn is_mail_domain(domain: &str) -> bool {
    let Some(literal) = domain.strip_prefix('[').and_then(|it| it.strip_suffix(']')) else {
        return is_host_name(domain.as_bytes());
    };
    match literal.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => address.parse::<Ipv6Addr>().is_ok(),
        _ => literal.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Labels of letters, digits and hyphens. What an internationalized label (`xn--`) decodes to is not asked.
pub(in crate::schema) fn is_host_name(name: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && label.first() != Some(&b'-')
            && label.last() != Some(&b'-')
            && (label.get(2..4) != Some(b"--") || label.starts_with(b"xn"))
    };
    name.len() <= 253 && name.split(|byte| *byte == b'.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_mail_can_be_sent_to() {
        for text in [
            "ann@example.com",
            "a.b+c@x-y.example",
            "\"a b\"@example.com",
            "a@localhost",
            "a@[192.0.2.1]",
            "a@[IPv6:::1]",
        ] {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a..b@c",
            ".a@c",
            "a@b..c",
            "a@-b",
            "a@b-",
            "a b@c",
            "é@c",
            "a@é",
            "a@b@c",
            "a@ab--c.d",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn uris_have_a_scheme() {
        assert!(TextFormat::Uri.fits("https://example.com/a?b#c"));
        assert!(TextFormat::Uri.fits("urn:isbn:1"));
        assert!(!TextFormat::Uri.fits("//example.com"));
        assert!(!TextFormat::Uri.fits("http://exa mple.com"));
    }
}
