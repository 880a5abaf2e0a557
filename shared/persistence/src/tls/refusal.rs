use std::error::Error;
use std::fmt;

use rustls::CertificateError;

use super::files::{Files, Roots};

/// Why there is no connection, and what to do where it is for TLS.
#[derive(Debug)]
pub(crate) struct Refusal {
    cause: tokio_postgres::Error,
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(cause: tokio_postgres::Error, files: &Files) -> Self {
        let hint = hint(&cause, files);
        Self { cause, hint }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.hint, self.cause.source()) {
            (Some(hint), Some(why)) => write!(f, "{hint} ({why})"),
            _ => self.cause.fmt(f),
        }
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // What is said of it is the driver's error itself, or why it was.
        self.cause.source().filter(|_| self.hint.is_none())
    }
}

fn hint(cause: &tokio_postgres::Error, files: &Files) -> Option<String> {
    let why = cause.source()?;
    // The driver has no other word for it.
    if why.to_string() == "server does not support TLS" {
        return Some(
            "the database's server does not offer TLS; turn it on there (ssl = on), or allow sslmode=prefer"
                .to_owned(),
        );
    }
    let io = why.downcast_ref::<std::io::Error>()?;
    let error = io.get_ref()?.downcast_ref::<rustls::Error>()?;
    let roots = match &files.roots {
        Some(Roots::File(path)) => path.display().to_string(),
        _ => "system".to_owned(),
    };
    Some(match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "the certificate of the database's server is not for the host of the URL; name the host that it \
              is for, or give the server another certificate"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            format!(
                "the certificate of the database's server is of no authority in sslrootcert={roots}; is that \
                 the server's authority, and is the server the right one?"
            )
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the certificate of the database's server has expired; renew it there".to_owned(),
        rustls::Error::InvalidCertificate(_) => {
            "the certificate of the database's server cannot be used; give it another".to_owned()
        }
        rustls::Error::AlertReceived(_) if files.own.is_some() => {
            "the database's server refuses TLS with us; does it know the authority of sslcert?".to_owned()
        }
        rustls::Error::AlertReceived(_) => {
            "the database's server refuses TLS with us; does it ask for a certificate (sslcert, sslkey)?"
                .to_owned()
        }
        _ => return None,
    })
}
