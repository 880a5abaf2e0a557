//! As whom the server runs: PostgreSQL refuses to run as root.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::LocalServerError;

/// An unprivileged user that exists on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The user to run the server as; none where this process is no root and runs it itself.
    ///
    /// `probe` is a folder of ours: what is made in it tells who we are.
    pub(super) fn needed(probe: &Path) -> Result<Option<Self>, LocalServerError> {
        if effective_uid(probe).map_err(|cause| LocalServerError::io(probe, cause))? != 0 {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::choose(&passwd).map(Some).ok_or(LocalServerError::NoAccount)
    }

    fn choose(passwd: &str) -> Option<Self> {
        ["postgres", "_postgres", "nobody"].into_iter().find_map(|name| {
            passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                let (found, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
                // macOS writes the ids of nobody as -2.
                let id = |it: &str| {
                    it.parse::<u32>()
                        .ok()
                        .or_else(|| it.parse::<i32>().ok().map(i32::cast_unsigned))
                };
                let account = Self {
                    name: name.to_owned(),
                    uid: id(uid)?,
                    gid: id(gid)?,
                };
                (found == name && account.uid != 0).then_some(account)
            })
        })
    }

    #[cfg(test)]
    pub(super) fn stranger() -> Self {
        Self {
            name: "stranger".to_owned(),
            uid: 54_321,
            gid: 54_321,
        }
    }

    /// Makes a command run as this user, without any group of ours.
    pub(super) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Whether this user can pass through every folder down to `folder`, which exists.
    pub(super) fn can_reach(&self, folder: &Path) -> bool {
        let Ok(folder) = folder.canonicalize() else {
            return false;
        };
        folder
            .ancestors()
            .all(|it| fs::metadata(it).is_ok_and(|metadata| self.may_pass(&metadata)))
    }

    /// Whether this user can also make and remove entries there.
    pub(super) fn can_write(&self, folder: &Path) -> bool {
        self.can_reach(folder) && fs::metadata(folder).is_ok_and(|metadata| self.may(0o2, &metadata))
    }

    fn may_pass(&self, folder: &Metadata) -> bool {
        self.may(0o1, folder)
    }

    fn may(&self, what: u32, folder: &Metadata) -> bool {
        let needed = match folder {
            it if it.uid() == self.uid => what << 6,
            it if it.gid() == self.gid => what << 3,
            _ => what,
        };
        folder.mode() & needed != 0
    }
}

/// The standard library does not tell; a file belongs to whoever makes it.
fn effective_uid(folder: &Path) -> io::Result<u32> {
    let probe = folder.join(format!(".whoami-{}", std::process::id()));
    fs::write(&probe, "")?;
    let uid = fs::metadata(&probe)?.uid();
    fs::remove_file(&probe)?;
    Ok(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_comes_before_nobody_and_root_never() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody:*:-2:-2::/:/bin/false\n";
        let nobody = Account {
            name: "nobody".to_owned(),
            uid: u32::MAX - 1,
            gid: u32::MAX - 1,
        };
        assert_eq!(Account::choose(passwd), Some(nobody));
        let both = format!("{passwd}postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n");
        assert_eq!(
            Account::choose(&both).map(|it| (it.name, it.uid, it.gid)),
            Some(("postgres".to_owned(), 101, 104))
        );
        assert_eq!(Account::choose("postgres:x:0:0::/:/bin/sh\n"), None);
    }
}
