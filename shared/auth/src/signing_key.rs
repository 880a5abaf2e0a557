use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, VerifyingKey};
use rand::TryRng as _;
use sha2::{Digest as _, Sha256};

/// An Ed25519 key pair that signs tokens. Its private half is never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// Why a key could not be read or made; the text names the file and never the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{}: is no Ed25519 private key in PKCS #8 PEM", path.display())]
    NotAKey { path: PathBuf },
    #[error("{}: others may read it; make it readable for its owner only (chmod 600)", path.display())]
    ReadableByOthers { path: PathBuf },
    #[error("no Ed25519 private key in PKCS #8 PEM")]
    NotPem,
    #[error("no Ed25519 public key: 32 bytes in base64url without padding are expected")]
    NotPublic,
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(String),
}

impl SigningKey {
    /// A new key, from the operating system's random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0_u8; 32];
        rand::rngs::SysRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Reads a private key in PKCS #8 PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim())
            .map(Self)
            .map_err(|_| KeyError::NotPem)
    }

    /// Reads the key of a file that only its owner may read.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let file = |cause| KeyError::File {
            path: path.to_owned(),
            cause,
        };
        let pem = fs::read_to_string(path).map_err(file)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if fs::metadata(path).map_err(file)?.permissions().mode() & 0o007 != 0 {
                return Err(KeyError::ReadableByOthers {
                    path: path.to_owned(),
                });
            }
        }
        Self::from_pem(&pem).map_err(|_| KeyError::NotAKey {
            path: path.to_owned(),
        })
    }

    /// Reads the key of a file, and makes the file with a new key where there is none.
    ///
    /// The file appears whole or not at all, and of several processes that make it at once, all
    /// get the key of the first.
    pub fn from_file_or_new(path: &Path) -> Result<Self, KeyError> {
        match Self::from_file(path) {
            Err(KeyError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {}
            found => return found,
        }
        let key = Self::generate()?;
        // Without the public half, which OpenSSL before 3.2 cannot read beside the private one.
        let pair = KeypairBytes {
            secret_key: key.0.to_bytes(),
            public_key: None,
        };
        let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotPem)?;
        let written = write_once(path, pem.as_bytes());
        match written {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::from_file(path),
            Err(cause) => Err(KeyError::File {
                path: path.to_owned(),
                cause,
            }),
        }
    }

    /// The public half as configuration writes it: 32 bytes in base64url.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }

    /// A short name of the key, the same wherever the key is: half of the SHA-256 of its public half.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(&Sha256::digest(self.0.verifying_key().as_bytes())[..16])
    }

    /// `message.signature`, the signature in base64url as JWS wants it.
    pub(crate) fn sign(&self, message: String) -> String {
        let signature = self.0.sign(message.as_bytes());
        let mut signed = message;
        signed.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut signed);
        signed
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.fingerprint()).finish()
    }
}

/// Reads a public key as [`SigningKey::public_key`] writes it.
pub(crate) fn parse_public_key(text: &str) -> Result<VerifyingKey, KeyError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text.trim())
        .map_err(|_| KeyError::NotPublic)?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::NotPublic)?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotPublic)?;
    // Under a weak key a signature can be made that fits any message.
    if key.is_weak() {
        Err(KeyError::NotPublic)
    } else {
        Ok(key)
    }
}

/// Creates the file with its whole content, readable for its owner only, and the folders above it. Of several
/// processes that do so at once, one succeeds.
///
/// # Errors
///
/// [`std::io::ErrorKind::AlreadyExists`] where it exists, which stays as it is.
pub fn write_once(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension(format!("{}.part", uuid::Uuid::new_v4().simple()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(&part).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    // A link, unlike a rename, does not replace what is there.
    let linked = written.and_then(|()| fs::hard_link(&part, path));
    let removed = fs::remove_file(&part);
    linked.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/service.pem");
        let made = SigningKey::from_file_or_new(&path).unwrap();
        let read = SigningKey::from_file_or_new(&path).unwrap();
        assert_eq!(made.public_key(), read.public_key());
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no part is left behind"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(
                SigningKey::from_file(&path),
                Err(KeyError::ReadableByOthers { .. })
            ));
        }
    }

    #[test]
    fn makers_of_one_file_agree_on_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.pem");
        let keys: Vec<String> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| SigningKey::from_file_or_new(&path).unwrap().public_key()))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.pem");
        write_once(&path, b"hunter2").unwrap();
        let error = SigningKey::from_file_or_new(&path).unwrap_err();
        assert!(matches!(error, KeyError::NotAKey { .. }));
        assert!(!error.to_string().contains("hunter2"));
        for wrong in ["", "AAAA", "not base64!", &URL_SAFE_NO_PAD.encode([0_u8; 32])] {
            assert!(parse_public_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_does_not_print_its_private_half() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({:?})", key.fingerprint()));
    }
}
