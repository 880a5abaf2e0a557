use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::files::{Files, Roots, Verify};
use crate::StartError;

/// What of TLS is in a URL, before it is understood.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// Takes out of a URL what the driver does not know.
pub(super) fn parse(text: &str) -> Result<(Config, Files), StartError> {
    let (rest, parameters) = split(text)?;
    let mut config = rest.parse::<Config>().map_err(StartError::Url)?;
    let files = understand(parameters, &mut config).map_err(StartError::Tls)?;
    Ok((config, files))
}

fn split(text: &str) -> Result<(String, Parameters), StartError> {
    let mut parameters = Parameters::default();
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    // A password may hold a question mark; the driver reads on to the @, too.
    let host = text.find('@').map_or(0, |it| it + 1);
    let Some(query) = text[host..].find('?').filter(|_| is_url) else {
        return Ok((text.to_owned(), parameters));
    };
    let (base, query) = (&text[..host + query], &text[host + query + 1..]);
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let parameter = match name {
            "sslmode" => &mut parameters.mode,
            "sslrootcert" => &mut parameters.root,
            "sslcert" => &mut parameters.certificate,
            "sslkey" => &mut parameters.key,
            _ => {
                rest.push(pair);
                continue;
            }
        };
        let value = percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| StartError::Tls(format!("{name} is no UTF-8")))?;
        // As in libpq, an empty one is as good as none.
        *parameter = Some(value.into_owned()).filter(|it| !it.is_empty());
    }
    let rest = match rest.is_empty() {
        true => base.to_owned(),
        false => format!("{base}?{}", rest.join("&")),
    };
    Ok((rest, parameters))
}

fn understand(parameters: Parameters, config: &mut Config) -> Result<Files, String> {
    let roots = match parameters.root.as_deref() {
        None => None,
        Some("system") => Some(Roots::system()?),
        Some(path) => Some(Roots::File(path.into())),
    };
    let is_system = matches!(roots, Some(Roots::System(_)));
    let default = if is_system { "verify-full" } else { "prefer" };
    let by_roots = if roots.is_some() {
        Verify::Authority
    } else {
        Verify::Nothing
    };
    let (driver, verify) = match parameters.mode.as_deref().unwrap_or(default) {
        "verify-full" => (SslMode::Require, Verify::Name),
        mode @ ("prefer" | "require" | "verify-ca") if is_system => {
            return Err(format!(
                "sslmode={mode} would take a certificate that anybody can get; say sslmode=verify-full \
                 with sslrootcert=system"
            ));
        }
        // Of the keywords' form, whose words the driver has read.
        "prefer" if parameters.mode.is_none() => (config.get_ssl_mode(), by_roots),
        "disable" => (SslMode::Disable, Verify::Nothing),
        "prefer" => (SslMode::Prefer, by_roots),
        "require" => (SslMode::Require, by_roots),
        "verify-ca" => (SslMode::Require, Verify::Authority),
        other => {
            return Err(format!(
                "sslmode={other} is none of disable, prefer, require, verify-ca and verify-full"
            ));
        }
    };
    config.ssl_mode(driver);
    if verify != Verify::Nothing && roots.is_none() {
        return Err(
            "sslmode=verify-ca and verify-full need sslrootcert: a file of authorities (PEM), or system"
                .to_owned(),
        );
    }
    let own = match (parameters.certificate, parameters.key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        _ => return Err("sslcert and sslkey need each other".to_owned()),
    };
    Ok(Files { verify, roots, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(query: &str) -> String {
        match parse(&format!("postgres://u@h/d?{query}")) {
            Err(StartError::Tls(wrong)) => wrong,
            Err(other) => panic!("{query}: {other}"),
            Ok(_) => panic!("{query} is taken"),
        }
    }

    #[test]
    fn modes_are_those_of_libpq() {
        let modes = |query: &str| {
            let (config, files) = parse(&format!("postgres://u@h/d{query}")).unwrap();
            (config.get_ssl_mode(), files.verify)
        };
        assert_eq!(modes(""), (SslMode::Prefer, Verify::Nothing));
        assert_eq!(modes("?sslmode=disable"), (SslMode::Disable, Verify::Nothing));
        assert_eq!(modes("?sslmode="), (SslMode::Prefer, Verify::Nothing));
        assert_eq!(modes("?sslmode=require"), (SslMode::Require, Verify::Nothing));
        assert_eq!(
            modes("?sslmode=require&sslrootcert=/ca"),
            (SslMode::Require, Verify::Authority)
        );
        assert_eq!(modes("?sslrootcert=/ca"), (SslMode::Prefer, Verify::Authority));
        assert_eq!(
            modes("?sslrootcert=/ca&sslmode=verify-ca"),
            (SslMode::Require, Verify::Authority)
        );
        assert_eq!(
            modes("?sslrootcert=/ca&sslmode=verify-full"),
            (SslMode::Require, Verify::Name)
        );
        // Not a URL: what the driver itself knows.
        let (config, _) = parse("host=h sslmode=require").unwrap();
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn everything_else_of_a_url_stays_as_it_is() {
        let (rest, parameters) =
            split("postgres://u:p?w@h:1/d?connect_timeout=3&sslrootcert=%2Fa%20b&application_name=x%26y")
                .unwrap();
        assert_eq!(
            rest,
            "postgres://u:p?w@h:1/d?connect_timeout=3&application_name=x%26y"
        );
        assert_eq!(parameters.root.as_deref(), Some("/a b"));
        assert_eq!(split("postgres://h?sslmode=prefer").unwrap().0, "postgres://h");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (query, says) in [
            ("sslmode=allow", "sslmode=allow is none of"),
            ("sslmode=verify-full", "need sslrootcert"),
            ("sslmode=verify-ca", "need sslrootcert"),
            ("sslcert=/a", "need each other"),
            ("sslmode=require&sslkey=/a", "need each other"),
            ("sslrootcert=%FF", "sslrootcert is no UTF-8"),
        ] {
            assert!(wrong(query).contains(says), "{query}: {}", wrong(query));
        }
    }
}
