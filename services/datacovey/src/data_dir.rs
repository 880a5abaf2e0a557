//! The folder in which a suite on one machine keeps what it has.
//!
//! ```text
//! database/                 the private PostgreSQL server, where none is configured
//! objects/                  table files, uploads, results
//! keys/<service>.pem        what each service signs its internal tokens with
//! keys/secret.key           what the secrets of projects are sealed with; lost, new imports match no old ones
//! development-issuer.pem    what tokens for people are signed with
//! database-url              how to reach the private server while it runs: as its superuser, and as services do
//! scratch/                  spilled rows of running queries; emptied at start
//! sorting/                  what running imports cannot sort in memory
//! lock                      held by the one suite that runs here
//! ```

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use datacovey_auth::{DevelopmentIssuer, SigningKey};
use datacovey_transfer::SecretKey;

#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Opens the directory, making what is missing.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        // Others may pass through to the database, which another account runs where we are root, and
        // read nothing else.
        create(path, 0o711)?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot open {}", path.display()))?;
        for folder in ["objects", "keys", "scratch", "sorting"] {
            create(&path.join(folder), 0o700)?;
        }
        Ok(Self { path })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("database")
    }

    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    #[must_use]
    pub fn sorting(&self) -> PathBuf {
        self.path.join("sorting")
    }

    /// The issuer that the services of this directory, and no others, trust.
    pub fn issuer(&self) -> anyhow::Result<DevelopmentIssuer> {
        DevelopmentIssuer::open(&self.path).context("the key of the development issuer")
    }

    /// The key of one service; made where it is missing.
    pub fn signing_key(&self, service: &str) -> anyhow::Result<SigningKey> {
        SigningKey::from_file_or_new(&self.path.join("keys").join(format!("{service}.pem")))
            .with_context(|| format!("the key of {service}"))
    }

    /// The file of the key that the secrets of projects are sealed with; made where it is missing.
    pub fn secret_key_file(&self) -> anyhow::Result<PathBuf> {
        let path = self.path.join("keys").join("secret.key");
        SecretKey::make_file(&path).context("the key of the secrets of projects")?;
        Ok(path)
    }

    /// Keeps a second suite out for as long as the lock lives; a killed process holds none.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        self.try_lock()?.with_context(|| {
            format!(
                "another suite runs in {}; stop it, or name another folder with --data-dir",
                self.path.display()
            )
        })
    }

    /// The lock, unless a suite runs here.
    pub fn try_lock(&self) -> anyhow::Result<Option<Lock>> {
        let path = self.path.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

/// Makes the folder, and those above it that are missing, in that mode whatever the process's mask says;
/// one that exists stays as it is.
fn create(path: &Path, mode: u32) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        create(above, mode)?;
    }
    let created = match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
    };
    created.with_context(|| format!("cannot create {}", path.display()))
}

/// The right to run a suite in a data directory.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_suite_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("new/data")).unwrap();
        let lock = data.lock().unwrap();
        assert!(
            data.lock()
                .unwrap_err()
                .to_string()
                .contains("another suite runs")
        );
        drop(lock);
        data.lock().unwrap();
    }
}
