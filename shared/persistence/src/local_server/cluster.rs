//! The files of the server: where they are, and making them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use uuid::Uuid;

use super::account::Account;
use super::binaries::Binaries;
use super::{LocalServerError, LocalServerOptions, SUPERUSER};

/// Where a cluster goes that the server's user cannot reach in the data directory.
const SYSTEM_STATE: &str = "/var/lib/datacovey";

/// In the data directory: where the cluster is, if it is not in there.
const RECORD: &str = "postgres.location";
const PASSWORD: &str = "postgres.password";
const LOCK: &str = "postgres.lock";

/// A cluster that is ready to be started, and the lock on it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) folder: PathBuf,
    pub(super) log: PathBuf,
    pub(super) password: String,
    pub(super) account: Option<Account>,
    pub(super) binaries: Binaries,
    /// Held as long as the cluster is used; the system frees it when the process dies.
    _lock: File,
}

impl Cluster {
    /// Finds the cluster of a data directory, or makes it.
    pub(super) fn prepare(options: &LocalServerOptions) -> Result<Self, LocalServerError> {
        let home = &options.data_dir;
        // The server's user has to pass through; what is in there is nobody's but its owner's.
        passable_folder(home)?;
        let lock = lock(home)?;
        let account = Account::needed(home)?;
        let folder = place(options, account.as_ref())?;
        let password = password(home)?;
        let binaries = Binaries::find(version_of(&folder)?)?;
        let cluster = Self {
            log: home.join("postgres.log"),
            folder,
            password,
            account,
            binaries,
            _lock: lock,
        };
        if version_of(&cluster.folder)?.is_none() {
            cluster.make(options)?;
        }
        Ok(cluster)
    }

    /// A command of PostgreSQL's, run as the server's user.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // The folder we were started in may be out of the user's reach.
        command
            .current_dir("/")
            .env_remove("PGDATA")
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        command
    }

    /// Runs initdb beside the final place and moves the whole there: a run that is killed in the
    /// middle leaves nothing that looks like a cluster.
    fn make(&self, options: &LocalServerOptions) -> Result<(), LocalServerError> {
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        let draft = parent.join(format!(".new-{}", Uuid::now_v7().simple()));
        private_folder(&draft)?;
        let password_file = draft.join("password");
        write_private(&password_file, &self.password)?;
        let data = draft.join("data");
        private_folder(&data)?;
        if let Some(account) = &self.account {
            for path in [&draft, &password_file, &data] {
                account
                    .give(path)
                    .map_err(|cause| LocalServerError::io(path, cause))?;
            }
        }
        let mut initdb = self.command(&self.binaries.program("initdb"));
        initdb
            .arg("--pgdata")
            .arg(&data)
            .arg("--pwfile")
            .arg(&password_file);
        // The password crosses the loopback only; a hash of it would cost each connection thousands of
        // rounds here.
        initdb.args([
            "--username",
            SUPERUSER,
            "--auth",
            "password",
            "--encoding",
            "UTF8",
            "--no-locale",
        ]);
        if !options.durable {
            initdb.arg("--no-sync");
        }
        let output = initdb
            .output()
            .map_err(|cause| LocalServerError::io(&self.binaries.folder, cause))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(LocalServerError::Initdb { said });
        }
        // Left by a run that was killed before the cluster was whole.
        match fs::remove_dir_all(&self.folder) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(LocalServerError::io(&self.folder, cause));
            }
            _ => {}
        }
        fs::rename(&data, &self.folder).map_err(|cause| LocalServerError::io(&self.folder, cause))?;
        fs::remove_dir_all(&draft).map_err(|cause| LocalServerError::io(&draft, cause))
    }
}

/// The folder of the cluster: in the data directory where the server's user can reach it, else under
/// the system's state, with a record of it in the data directory.
fn place(options: &LocalServerOptions, account: Option<&Account>) -> Result<PathBuf, LocalServerError> {
    let home = &options.data_dir;
    let inside = home.join("postgres");
    let record = home.join(RECORD);
    match fs::read_to_string(&record) {
        Ok(path) => return Ok(PathBuf::from(path.trim())),
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(LocalServerError::io(&record, cause));
        }
        Err(_) => {}
    }
    let Some(account) = account else {
        return Ok(absolute(&inside));
    };
    let state = if options.temporary {
        // What is temporary goes where the server's user may remove it by itself.
        let folders = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
        folders.into_iter().find(|folder| account.can_write(folder))
    } else if account.can_reach(home) {
        return Ok(absolute(&inside));
    } else {
        let folders = [SYSTEM_STATE, "/var/tmp", "/tmp"].into_iter().map(PathBuf::from);
        folders
            .filter(|folder| passable_folder(folder).is_ok())
            .find(|folder| account.can_reach(folder))
    };
    let state = state.unwrap_or_else(std::env::temp_dir);
    let outside = state.join(format!("datacovey-postgres-{}", Uuid::now_v7().simple()));
    fs::write(&record, outside.to_string_lossy().as_bytes())
        .map_err(|cause| LocalServerError::io(&record, cause))?;
    Ok(outside)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The version of a whole cluster; none where there is none.
fn version_of(folder: &Path) -> Result<Option<u32>, LocalServerError> {
    let file = folder.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(LocalServerError::io(&file, cause)),
    }
}

/// The superuser's password: made once, readable by us alone.
fn password(home: &Path) -> Result<String, LocalServerError> {
    let file = home.join(PASSWORD);
    match fs::read_to_string(&file) {
        Ok(password) => return Ok(password.trim().to_owned()),
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(LocalServerError::io(&file, cause)),
        Err(_) => {}
    }
    let password = random_password();
    write_private(&file, &password)?;
    Ok(password)
}

/// Hexadecimal, so that it needs no quoting anywhere.
pub(super) fn random_password() -> String {
    rand::random::<[u8; 24]>()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect()
}

fn lock(home: &Path) -> Result<File, LocalServerError> {
    let path = home.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(|cause| LocalServerError::io(&path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LocalServerError::InUse {
            data_dir: home.to_owned(),
        }),
        Err(fs::TryLockError::Error(cause)) => Err(LocalServerError::io(&path, cause)),
    }
}

fn private_folder(path: &Path) -> Result<(), LocalServerError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| LocalServerError::io(path, cause))
}

/// Makes the folder, and those above it that are missing, so that others can pass through whatever the
/// process's mask says; one that exists stays as it is.
fn passable_folder(path: &Path) -> Result<PathBuf, LocalServerError> {
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if let Some(above) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        passable_folder(above)?;
    }
    match fs::create_dir(path) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => Err(cause),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(0o711)),
    }
    .map_err(|cause| LocalServerError::io(path, cause))?;
    Ok(path.to_owned())
}

fn write_private(path: &Path, text: &str) -> Result<(), LocalServerError> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|cause| LocalServerError::io(path, cause))?;
    file.write_all(text.as_bytes())
        .map_err(|cause| LocalServerError::io(path, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(data_dir: &Path, temporary: bool) -> LocalServerOptions {
        LocalServerOptions {
            temporary,
            ..LocalServerOptions::new(data_dir)
        }
    }

    #[test]
    fn what_is_temporary_goes_where_anybody_may_write() {
        let home = tempfile::tempdir().unwrap();
        passable_folder(&home.path().join("a/b")).unwrap();
        let stranger = Account::stranger();
        let place = place(&options(home.path(), true), Some(&stranger)).unwrap();
        assert!(stranger.can_write(place.parent().unwrap()), "{place:?}");
        assert!(!place.starts_with(SYSTEM_STATE) && !place.starts_with(home.path()));
    }

    #[test]
    fn a_folder_is_passable_or_it_is_not() {
        let home = tempfile::tempdir().unwrap();
        let inner = passable_folder(&home.path().join("a/b")).unwrap();
        let stranger = Account::stranger();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.can_reach(&inner));
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(stranger.can_reach(&inner) && !stranger.can_write(&inner));
    }
}
