use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::verify::WithoutName;

/// What of a server's certificate has to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    Nothing,
    /// Who made it.
    Authority,
    /// That, and whose it is.
    Name,
}

#[derive(Clone)]
pub(super) enum Roots {
    /// Read once: they change with the machine.
    System(Arc<RootCertStore>),
    File(PathBuf),
}

/// What a configuration of TLS is made of.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) verify: Verify,
    pub(super) roots: Option<Roots>,
    /// The certificate that we show, and its key.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(_) => f.write_str("system"),
            Self::File(path) => path.fmt(f),
        }
    }
}

impl Roots {
    pub(super) fn system() -> Result<Self, String> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found
                .errors
                .first()
                .map(|it| format!(": {it}"))
                .unwrap_or_default();
            return Err(format!(
                "sslrootcert=system, but this machine has no authorities{why}; install ca-certificates, \
                 or name a file"
            ));
        }
        Ok(Self::System(Arc::new(roots)))
    }

    fn read(&self) -> Result<Arc<RootCertStore>, String> {
        let path = match self {
            Self::System(roots) => return Ok(Arc::clone(roots)),
            Self::File(path) => path,
        };
        let wrong = |why: &dyn fmt::Display| format!("sslrootcert={}: {why}", path.display());
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path).map_err(|it| wrong(&it))? {
            roots
                .add(certificate)
                .map_err(|it| wrong(&format!("it holds what is no authority: {it}")))?;
        }
        Ok(Arc::new(roots))
    }
}

impl Files {
    /// Whether there is any file to read again.
    pub(super) fn can_change(&self) -> bool {
        self.own.is_some() || matches!(self.roots, Some(Roots::File(_)))
    }

    /// Reads them; an error names the parameter of the URL and the file.
    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|it| it.to_string())?;
        let roots = self.roots.as_ref().map(Roots::read).transpose()?;
        let builder = match (self.verify, roots) {
            (Verify::Name, Some(roots)) => builder.with_root_certificates(roots),
            (Verify::Name | Verify::Authority, None) => return Err("sslrootcert is missing".to_owned()),
            (Verify::Authority, roots @ Some(_)) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(WithoutName { roots, algorithms })),
            (Verify::Nothing, _) => {
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(WithoutName {
                        roots: None,
                        algorithms,
                    }))
            }
        };
        let Some((certificate, key)) = &self.own else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate);
        let chain = chain.map_err(|it| format!("sslcert={}: {it}", certificate.display()))?;
        let wrong_key = |why: &dyn fmt::Display| format!("sslkey={}: {why}", key.display());
        let secret = std::fs::read(key).map_err(|it| wrong_key(&it))?;
        let secret = PrivateKeyDer::from_pem_slice(&secret).map_err(|it| {
            wrong_key(&format!(
                "it holds no private key in PEM that is not encrypted: {it}"
            ))
        })?;
        builder
            .with_client_auth_cert(chain, secret)
            .map_err(|it| match it {
                rustls::Error::InconsistentKeys(_) => wrong_key(&format!(
                    "it is not the key of the certificate in {}",
                    certificate.display()
                )),
                other => wrong_key(&other),
            })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let content = std::fs::read(path).map_err(|it| it.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    let found = found.map_err(|it| format!("it is no PEM: {it}"))?;
    if found.is_empty() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    Ok(found)
}
