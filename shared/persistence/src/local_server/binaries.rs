//! Where PostgreSQL's server programs are, and what to install where they are not.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::LocalServerError;

/// SQL-standard function bodies, which the migrations use, came with this version.
const OLDEST: u32 = 14;

/// A folder with `initdb`, `postgres` and `pg_ctl` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// The newest there are; those of version `major` for a cluster that exists.
    pub(super) fn find(major: Option<u32>) -> Result<Self, LocalServerError> {
        let mut found = candidates()
            .into_iter()
            .filter_map(|it| Self::at(&it))
            .collect::<Vec<_>>();
        found.sort_by_key(|it| it.major);
        let newest = found.last().map(|it| it.major);
        match major {
            Some(major) => {
                found
                    .into_iter()
                    .find(|it| it.major == major)
                    .ok_or(LocalServerError::OtherVersion {
                        cluster: major,
                        found: newest,
                    })
            }
            None => match found.pop() {
                Some(it) if it.major >= OLDEST => Ok(it),
                Some(it) => Err(LocalServerError::TooOld {
                    found: it.major,
                    oldest: OLDEST,
                }),
                None => Err(LocalServerError::NotInstalled { hint: install_hint() }),
            },
        }
    }

    fn at(folder: &Path) -> Option<Self> {
        let complete = ["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|it| folder.join(it).is_file());
        let version = complete.then(|| {
            Command::new(folder.join("postgres"))
                .arg("--version")
                .output()
                .ok()
        })??;
        let major = major_version(&String::from_utf8_lossy(&version.stdout))?;
        Some(Self {
            folder: folder.to_owned(),
            major,
        })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or `… 18beta1`.
fn major_version(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL) ")?.1;
    let digits = version
        .find(|it: char| !it.is_ascii_digit())
        .unwrap_or(version.len());
    version[..digits].parse().ok()
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    // Debian and its kin keep the server's programs off the PATH; so do RPM packages and Homebrew's
    // versioned formulas.
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/usr/libexec", "postgresql"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(
            entries
                .filter(|it| it.file_name().to_string_lossy().starts_with(prefix))
                .map(|it| it.path().join("bin")),
        );
    }
    folders.sort();
    folders.dedup();
    folders
}

fn install_hint() -> &'static str {
    if cfg!(target_os = "macos") {
        return "brew install postgresql@17";
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    hint_for(&release)
}

/// By the lines `ID=` and `ID_LIKE=` of `os-release`.
fn hint_for(os_release: &str) -> &'static str {
    let ids = os_release
        .lines()
        .filter_map(|it| it.strip_prefix("ID=").or_else(|| it.strip_prefix("ID_LIKE=")))
        .flat_map(|it| it.trim_matches('"').split(' '))
        .collect::<Vec<_>>();
    for (id, hint) in [
        ("debian", "apt install postgresql"),
        ("ubuntu", "apt install postgresql"),
        ("fedora", "dnf install postgresql-server"),
        ("rhel", "dnf install postgresql-server"),
        ("arch", "pacman -S postgresql"),
        ("alpine", "apk add postgresql"),
        ("suse", "zypper install postgresql-server"),
    ] {
        if ids.contains(&id) {
            return hint;
        }
    }
    "the package of PostgreSQL's server"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_postgres_prints_them() {
        assert_eq!(
            major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("mysqld 8"), None);
    }

    #[test]
    fn the_hint_is_the_platforms() {
        assert_eq!(hint_for("NAME=x\nID=debian\n"), "apt install postgresql");
        assert_eq!(
            hint_for("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            "dnf install postgresql-server"
        );
        assert_eq!(hint_for(""), "the package of PostgreSQL's server");
    }
}
