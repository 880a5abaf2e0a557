use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};
use rustls::pki_types::ServerName;

/// Where the processes of a service are: one URL as `http://catalog:50052`, whose name stands for
/// every address that it resolves to, or several with commas between them.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerUrls(Arc<[Target]>);

/// What is wrong with the URLs of a service: all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct BadPeerUrls(Vec<String>);

/// One of the URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) authority: Authority,
    /// As it is looked up: an address of version 6 without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Where it is called over TLS, of whom its certificate must be.
    pub(super) secure: Option<ServerName<'static>>,
}

impl PeerUrls {
    /// More are refused: each is looked up again and again.
    const MAX: usize = 64;

    /// Whether one of them begins with https.
    pub(crate) fn need_tls(&self) -> bool {
        self.0.iter().any(|target| target.secure.is_some())
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.0
    }
}

impl BadPeerUrls {
    /// One sentence for each thing that is wrong.
    pub fn descriptions(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for PeerUrls {
    type Err = BadPeerUrls;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        if parts.len() > Self::MAX {
            let most = format!("holds {} URLs; the most are {}", parts.len(), Self::MAX);
            return Err(BadPeerUrls(vec![most]));
        }
        let mut targets = Vec::new();
        let mut wrong = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            match Target::from_str(part) {
                Ok(target) if targets.contains(&target) => {
                    wrong.push(format!("URL {}: is there twice", index + 1));
                }
                Ok(target) => targets.push(target),
                // What is written may hold credentials, so it is told by its place.
                Err(why) if parts.len() > 1 => wrong.push(format!("URL {}: {why}", index + 1)),
                Err(why) => wrong.push(why.to_owned()),
            }
        }
        if wrong.is_empty() {
            Ok(Self(targets.into()))
        } else {
            Err(BadPeerUrls(wrong))
        }
    }
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "is no URL with http or https and a host, as http://identity:50051";
        let uri = Uri::from_str(text).map_err(|_| "is no URL")?;
        let scheme = uri.scheme().ok_or(EXPECTED)?;
        if ![Scheme::HTTP, Scheme::HTTPS].contains(scheme) {
            return Err(EXPECTED);
        }
        let authority = uri.authority().ok_or(EXPECTED)?;
        if authority.as_str().contains('@') {
            return Err("holds credentials; http://host:port is all");
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err("has a path; http://host:port is all");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(EXPECTED);
        }
        let host = host.to_owned();
        let (secure, port) = if *scheme == Scheme::HTTPS {
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|_| "has a host that no certificate can be of")?;
            (Some(name), 443)
        } else {
            (None, 80)
        };
        Ok(Self {
            authority: authority.clone(),
            host,
            port: authority.port_u16().unwrap_or(port),
            secure,
        })
    }
}

impl Target {
    pub(super) fn scheme(&self) -> Scheme {
        match self.secure {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        }
    }

    /// The address, where the host is one already.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        let ip = self.host.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl fmt::Display for PeerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, target) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}://{}", target.scheme(), target.authority)?;
        }
        Ok(())
    }
}

impl fmt::Debug for PeerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_and_port() {
        for right in [
            "http://identity:50051",
            "http://identity:50051/",
            "http://[::1]:1",
            "http://identity",
            "https://identity:50051",
            "https://[::1]:1",
        ] {
            assert!(right.parse::<PeerUrls>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "ftp://identity:1",
            "https://no_-:1",
            "identity:1",
            "/path",
            "http://:1",
            "http://identity:1/path",
            "http://identity:1/?query",
            "http://name:password@identity:1",
        ] {
            assert!(wrong.parse::<PeerUrls>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_told_from_a_name() {
        let literal = |text: &str| text.parse::<PeerUrls>().unwrap().targets()[0].literal();
        assert_eq!(literal("http://[::1]:7"), Some("[::1]:7".parse().unwrap()));
        assert_eq!(literal("http://127.0.0.1"), Some("127.0.0.1:80".parse().unwrap()));
        assert_eq!(literal("http://identity:7"), None);
    }

    #[test]
    fn several_are_read_and_all_that_is_wrong_is_said() {
        let urls: PeerUrls = "http://a:1, https://b:2/".parse().unwrap();
        assert_eq!(urls.to_string(), "http://a:1,https://b:2");
        assert!(urls.need_tls());
        let wrong = "http://a:1,ftp://b,http://c:1/path,,http://a:1".parse::<PeerUrls>();
        assert_eq!(
            wrong.unwrap_err().descriptions().collect::<Vec<_>>(),
            [
                "URL 2: is no URL with http or https and a host, as http://identity:50051",
                "URL 3: has a path; http://host:port is all",
                "URL 4: is no URL",
                "URL 5: is there twice",
            ]
        );
        let many = vec!["http://a:1"; 65].join(",").parse::<PeerUrls>();
        assert_eq!(many.unwrap_err().to_string(), "holds 65 URLs; the most are 64");
    }
}
