use std::path::PathBuf;
use std::time::Duration;

use datacovey_error::{Violation, Violations};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, RootCertStore};
use x509_cert::der::Decode as _;

/// A file, and the variable that names it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) variable: &'static str,
    pub(super) path: PathBuf,
}

/// The PEM files of one side of a connection.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// Its own certificate, with those between it and the authority.
    pub(super) certificate: Option<Named>,
    pub(super) key: Option<Named>,
    /// The authorities that the other side's certificate must come from.
    pub(super) ca: Option<Named>,
}

/// What was in the files at one time, or why it could not be read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents {
    certificate: Option<Content>,
    key: Option<Content>,
    ca: Option<Content>,
}

type Content = Result<Vec<u8>, String>;

/// What the files say, each understood for itself.
pub(super) struct Material {
    pub(super) identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    pub(super) roots: Option<RootCertStore>,
}

impl Named {
    fn read(&self) -> Content {
        std::fs::read(&self.path).map_err(|error| error.to_string())
    }

    /// Names the variable and the file.
    fn wrong(&self, what: impl std::fmt::Display) -> Violation {
        Violation::new(self.variable, format!("{}: {what}", self.path.display()))
    }

    fn certificates(&self, content: &Content) -> Result<Vec<CertificateDer<'static>>, Violation> {
        let content = content.as_ref().map_err(|it| self.wrong(it))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
        let found = found.map_err(|it| self.wrong(format!("is no PEM: {it}")))?;
        if found.is_empty() {
            return Err(self.wrong("holds no certificate in PEM"));
        }
        Ok(found)
    }

    fn key(&self, content: &Content) -> Result<PrivateKeyDer<'static>, Violation> {
        let content = content.as_ref().map_err(|it| self.wrong(it))?;
        PrivateKeyDer::from_pem_slice(content).map_err(|error| match error {
            pem::Error::NoItemsFound => self.wrong("holds no private key in PEM that is not encrypted"),
            other => self.wrong(format!("is no PEM: {other}")),
        })
    }

    fn roots(&self, content: &Content) -> Result<RootCertStore, Violation> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(content)? {
            roots
                .add(certificate)
                .map_err(|it| self.wrong(format!("holds what is no authority: {it}")))?;
        }
        Ok(roots)
    }
}

impl Files {
    pub(super) fn read(&self) -> Contents {
        let read = |file: &Option<Named>| file.as_ref().map(Named::read);
        Contents {
            certificate: read(&self.certificate),
            key: read(&self.key),
            ca: read(&self.ca),
        }
    }

    /// Takes the files apart; notes everything that is wrong with them.
    pub(super) fn parse(&self, contents: &Contents, violations: &mut Violations) -> Option<Material> {
        fn each<T>(
            file: &Option<Named>,
            content: &Option<Content>,
            parse: impl FnOnce(&Named, &Content) -> Result<T, Violation>,
            violations: &mut Violations,
        ) -> Option<Option<T>> {
            let (Some(file), Some(content)) = (file, content) else {
                return Some(None);
            };
            parse(file, content)
                .map(Some)
                .map_err(|it| violations.push(it))
                .ok()
        }
        let chain = each(
            &self.certificate,
            &contents.certificate,
            Named::certificates,
            violations,
        );
        let key = each(&self.key, &contents.key, Named::key, violations);
        let roots = each(&self.ca, &contents.ca, Named::roots, violations);
        Some(Material {
            identity: chain?.zip(key?),
            roots: roots?,
        })
    }

    /// What is wrong with files that are good each for itself.
    pub(super) fn unusable(&self, error: &Error) -> Violation {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Violation::new("TLS", error.to_string());
        };
        match error {
            Error::InconsistentKeys(_) => {
                let certificate = certificate.path.display();
                key.wrong(format!("is not the key of the certificate in {certificate}"))
            }
            Error::InvalidCertificate(_) | Error::NoCertificatesPresented => {
                certificate.wrong(format!("holds a certificate that cannot be used: {error}"))
            }
            _ => key.wrong(format!("holds a key that cannot be used: {error}")),
        }
    }

    pub(super) fn bad_ca(&self, error: &dyn std::error::Error) -> Violation {
        match &self.ca {
            Some(ca) => ca.wrong(error),
            None => Violation::new("TLS", error.to_string()),
        }
    }
}

impl Material {
    /// Until when its own certificate is good, since 1970.
    pub(super) fn expires(&self) -> Option<Duration> {
        let (chain, _) = self.identity.as_ref()?;
        let certificate = x509_cert::Certificate::from_der(chain.first()?).ok()?;
        Some(certificate.tbs_certificate.validity.not_after.to_unix_duration())
    }
}
