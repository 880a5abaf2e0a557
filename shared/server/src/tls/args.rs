use std::path::PathBuf;

use datacovey_error::Violations;

use super::{ClientTls, Files, Named, ServerTls};
use crate::config::ServerArgs;

const CERTIFICATE: &str = "DATACOVEY_TLS_CERT_FILE";
const KEY: &str = "DATACOVEY_TLS_KEY_FILE";
const CLIENT_CA: &str = "DATACOVEY_TLS_CLIENT_CA_FILE";
const PEER_CA: &str = "DATACOVEY_PEER_CA_FILE";
const PEER_CERTIFICATE: &str = "DATACOVEY_PEER_CERT_FILE";
const PEER_KEY: &str = "DATACOVEY_PEER_KEY_FILE";

impl ServerArgs {
    /// TLS of the server, if it is configured; none at all if something is wrong with it.
    pub(crate) fn tls(&self, violations: &mut Violations) -> Option<Option<ServerTls>> {
        let files = Files {
            certificate: named(CERTIFICATE, &self.tls_cert_file),
            key: named(KEY, &self.tls_key_file),
            ca: named(CLIENT_CA, &self.tls_client_ca_file),
        };
        let mut complete = has_both(&files, [CERTIFICATE, KEY], violations);
        if files.certificate.is_none() && files.key.is_none() {
            if files.ca.is_none() {
                return Some(None);
            }
            let what = format!("is missing; {CLIENT_CA} is for connections over TLS alone");
            violations.add(CERTIFICATE, what);
            complete = false;
        }
        if !complete {
            files.parse(&files.read(), violations);
            return None;
        }
        ServerTls::open(files, violations).map(Some)
    }

    /// TLS of the connections to peers, likewise. `needed_by` is a peer whose address begins with https.
    pub(crate) fn peer_tls(
        &self,
        needed_by: Option<&str>,
        violations: &mut Violations,
    ) -> Option<Option<ClientTls>> {
        let files = Files {
            certificate: named(PEER_CERTIFICATE, &self.peer_cert_file),
            key: named(PEER_KEY, &self.peer_key_file),
            ca: named(PEER_CA, &self.peer_ca_file),
        };
        let mut complete = has_both(&files, [PEER_CERTIFICATE, PEER_KEY], violations);
        if files.ca.is_none() {
            let why = match needed_by {
                Some(peer) => format!("the address of {peer} begins with https"),
                None if files.certificate.is_none() && files.key.is_none() => return Some(None),
                None => format!("{PEER_CERTIFICATE} is shown to verified services alone"),
            };
            violations.add(PEER_CA, format!("is missing; {why}"));
            complete = false;
        }
        if !complete {
            files.parse(&files.read(), violations);
            return None;
        }
        ClientTls::open(files, violations).map(Some)
    }
}

fn named(variable: &'static str, path: &Option<String>) -> Option<Named> {
    let path = PathBuf::from(path.as_ref()?);
    Some(Named { variable, path })
}

/// A certificate and its key are of no use without each other.
fn has_both(files: &Files, [certificate, key]: [&str; 2], violations: &mut Violations) -> bool {
    let (missing, given) = match (&files.certificate, &files.key) {
        (None, Some(_)) => (certificate, key),
        (Some(_), None) => (key, certificate),
        _ => return true,
    };
    violations.add(missing, format!("is missing; {given} is of no use without it"));
    false
}
