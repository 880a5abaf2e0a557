//! The operator's key, with which the secrets of projects are sealed before the database sees them.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use datacovey_storage::keys::ProjectSecret;
use rand::TryRng as _;
use uuid::Uuid;
use zeroize::Zeroizing;

/// How what is sealed begins: another way to seal would begin with another byte.
const XCHACHA: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals and opens. Clones share nothing that is ever printed.
#[derive(Clone)]
pub struct SecretKey(XChaCha20Poly1305);

/// Why a key cannot be used, or something sealed not be opened; the text names files and projects, and never
/// a key.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{}: others may read it; make it readable for its owner only (chmod 600)", path.display())]
    ReadableByOthers { path: PathBuf },
    #[error("is no key: 32 bytes in base64 are expected, as `openssl rand -base64 32` makes them")]
    NotAKey,
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(String),
    #[error("the secret could not be sealed")]
    Sealing,
    #[error(
        "the secret of the project {project_id} cannot be opened: it was sealed with another key than the one that is configured"
    )]
    AnotherKey { project_id: Uuid },
}

impl SecretKey {
    /// Reads a key as configuration gives it: 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, SecretKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        // A buffer of the exact length leaves no copy behind.
        match STANDARD.decode_slice(text.trim(), key.as_mut_slice()) {
            Ok(32) => Ok(Self(XChaCha20Poly1305::new((&*key).into()))),
            _ => Err(SecretKeyError::NotAKey),
        }
    }

    /// Reads the key of a file that only its owner may read.
    pub fn from_file(path: &Path) -> Result<Self, SecretKeyError> {
        let file = |cause| SecretKeyError::File {
            path: path.to_owned(),
            cause,
        };
        let text = Zeroizing::new(fs::read_to_string(path).map_err(file)?);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if fs::metadata(path).map_err(file)?.permissions().mode() & 0o007 != 0 {
                return Err(SecretKeyError::ReadableByOthers {
                    path: path.to_owned(),
                });
            }
        }
        Self::parse(&text)
    }

    /// Makes the file with a new key where there is none. Of several processes that make it at once, the
    /// first one's stays.
    pub fn make_file(path: &Path) -> Result<(), SecretKeyError> {
        if path.exists() {
            return Ok(());
        }
        let text = Zeroizing::new(STANDARD.encode(*random::<32>()?));
        match datacovey_auth::write_once(path, text.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(SecretKeyError::File {
                path: path.to_owned(),
                cause: error,
            }),
            _ => Ok(()),
        }
    }

    /// A secret for a project that has none, from the operating system's random bytes.
    pub(crate) fn new_secret() -> Result<ProjectSecret, SecretKeyError> {
        random().map(ProjectSecret::new)
    }

    /// Sealed for that project alone.
    pub(crate) fn seal(&self, project_id: Uuid, secret: &ProjectSecret) -> Result<Vec<u8>, SecretKeyError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: project_id.as_bytes(),
        };
        let closed = self.0.encrypt(&XNonce::from(*nonce), payload);
        let closed = closed.map_err(|_| SecretKeyError::Sealing)?;
        Ok([&[XCHACHA], nonce.as_slice(), &closed].concat())
    }

    /// What was sealed for that project.
    pub(crate) fn open(&self, project_id: Uuid, sealed: &[u8]) -> Result<ProjectSecret, SecretKeyError> {
        let open = || {
            let (nonce, closed) = sealed
                .strip_prefix(&[XCHACHA])?
                .split_first_chunk::<NONCE_BYTES>()?;
            let payload = Payload {
                msg: closed,
                aad: project_id.as_bytes(),
            };
            let opened = Zeroizing::new(self.0.decrypt(&XNonce::from(*nonce), payload).ok()?);
            let mut secret = Zeroizing::new([0; 32]);
            (opened.len() == secret.len()).then(|| secret.copy_from_slice(&opened))?;
            Some(ProjectSecret::new(secret))
        };
        open().ok_or(SecretKeyError::AnotherKey { project_id })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, SecretKeyError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::rngs::SysRng
        .try_fill_bytes(bytes.as_mut_slice())
        .map_err(|error| SecretKeyError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::parse(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_project_and_key_alone() {
        let [project, other] = [1, 2].map(Uuid::from_u128);
        let secret = SecretKey::new_secret().unwrap();
        let sealed = key(1).seal(project, &secret).unwrap();
        assert_eq!(
            key(1).open(project, &sealed).unwrap().as_bytes(),
            secret.as_bytes()
        );
        assert!(!sealed.windows(32).any(|bytes| bytes == secret.as_bytes()));
        assert_ne!(key(1).seal(project, &secret).unwrap(), sealed);
        let said = key(2).open(project, &sealed).unwrap_err().to_string();
        assert!(said.contains("another key"), "{said}");
        assert!(key(1).open(other, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open(project, &changed).is_err(), "byte {at}");
            assert!(key(1).open(project, &sealed[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_key_is_32_bytes_in_base64_and_never_printed() {
        for text in [
            "",
            "x",
            "AAAA",
            &STANDARD.encode([0; 31]),
            &STANDARD.encode([0; 33]),
        ] {
            let error = SecretKey::parse(text).unwrap_err();
            assert!(matches!(error, SecretKeyError::NotAKey), "{error}");
        }
        let text = format!("{}\n", STANDARD.encode([7; 32]));
        assert_eq!(format!("{:?}", SecretKey::parse(&text).unwrap()), "SecretKey");
    }

    #[test]
    fn a_file_is_made_once_and_kept_from_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        assert!(matches!(
            SecretKey::from_file(&path),
            Err(SecretKeyError::File { .. })
        ));
        SecretKey::make_file(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        SecretKey::make_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        SecretKey::from_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = SecretKey::from_file(&path).unwrap_err();
        assert!(
            matches!(error, SecretKeyError::ReadableByOthers { .. }),
            "{error}"
        );
    }
}
