//! Where the API is reached, for the document that tells it.

use datacovey_rest::Address;
use http::request::Parts;
use http::uri::Authority;
use url::Url;

/// Reads a configured address, as `https://api.example.com/data`.
pub(crate) fn of_url(text: &str) -> Result<Address, &'static str> {
    const NONE: &str = "is no address, as https://api.example.com";
    let url = Url::parse(text.trim()).map_err(|_| NONE)?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("does not begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials; scheme, host, port and path are all");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query; scheme, host, port and path are all");
    }
    let host = url.host_str().ok_or(NONE)?;
    Ok(Address {
        scheme: url.scheme().to_owned(),
        host: match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        },
        base_path: match url.path().trim_end_matches('/') {
            "" => "/".to_owned(),
            path => path.to_owned(),
        },
    })
}

/// The address by which a request names us, as far as it is one.
pub(super) fn named(request: &Parts, scheme: &str) -> Address {
    let of_header = || {
        let host = request.headers.get(http::header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok()
    };
    let authority = request.uri.authority().cloned().or_else(of_header);
    // Without what may stand before the host, which is nobody's business here.
    let host = authority.map(|it| match it.port() {
        Some(port) => format!("{}:{port}", it.host()),
        None => it.host().to_owned(),
    });
    Address {
        scheme: scheme.to_owned(),
        ..Address::http(host.unwrap_or_else(|| "localhost".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_address_has_scheme_host_and_path() {
        let of = |text| of_url(text).map(|it| (it.scheme, it.host, it.base_path));
        let all = |scheme: &str, host: &str, path: &str| Ok((scheme.into(), host.into(), path.into()));
        assert_eq!(
            of("https://api.example.com"),
            all("https", "api.example.com", "/")
        );
        assert_eq!(of("http://[::1]:8080/data/"), all("http", "[::1]:8080", "/data"));
        for wrong in [
            "",
            "api.example.com",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example?x",
        ] {
            assert!(of_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_names_a_host_and_nothing_else() {
        let of = |host: &str| {
            let request = http::Request::get("/").header("host", host).body(()).unwrap();
            named(&request.into_parts().0, "http").host
        };
        assert_eq!(of("127.0.0.1:8080"), "127.0.0.1:8080");
        assert_eq!(of("user:secret@api.example"), "api.example");
        for wrong in ["", "<script>", "a b", "a/b"] {
            assert_eq!(of(wrong), "localhost", "{wrong}");
        }
    }
}
