//! Whom the server runs as: it refuses to be root.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};

/// A user without rights, who has an entry in the passwd file: without one initdb refuses to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// Whom root hands the server to. `None` for anybody else: the server is theirs.
    ///
    /// # Errors
    ///
    /// When it can't be told who this is, or root has nobody to hand it to.
    pub fn instead_of_root() -> Result<Option<Self>> {
        if effective_uid().context("who runs this isn't known")? != 0 {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        match Self::among(&passwd) {
            Some(account) => Ok(Some(account)),
            None => bail!(
                "PostgreSQL doesn't run as root, and /etc/passwd has no postgres, nobody or daemon to run it as; \
                 run this as another user"
            ),
        }
    }

    fn among(passwd: &str) -> Option<Self> {
        ["postgres", "nobody", "daemon"].iter().find_map(|wanted| {
            passwd.lines().find_map(|line| {
                let fields: Vec<_> = line.split(':').collect();
                let [name, _, uid, gid, ..] = fields[..] else {
                    return None;
                };
                let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
                let name = name.to_owned();
                (name == *wanted && uid != 0).then_some(Self { name, uid, gid })
            })
        })
    }

    /// Gives the folder to this user.
    ///
    /// # Errors
    ///
    /// When the user can't get there, or couldn't remove it: the folder around it is closed to others.
    pub fn takes(&self, folder: &Path) -> Result<()> {
        let around = folder.parent().unwrap_or(folder);
        self.can_enter(around, "TMPDIR")?;
        let about = fs::metadata(around).with_context(|| around.display().to_string())?;
        if about.permissions().mode() & 0o002 == 0 && about.uid() != self.uid {
            bail!(self.lacks("write", around, "TMPDIR"));
        }
        chown(folder, Some(self.uid), Some(self.gid))
            .with_context(|| format!("{} for {}", folder.display(), self.name))
    }

    /// Looks whether this user may enter all folders on the way to this one; `setting` names another.
    ///
    /// # Errors
    ///
    /// Which one is closed, and the way out.
    pub fn can_enter(&self, folder: &Path, setting: &str) -> Result<()> {
        for above in folder.ancestors() {
            let about = fs::metadata(above).with_context(|| above.display().to_string())?;
            let open = about.permissions().mode() & 0o001 != 0;
            if !open && about.uid() != self.uid {
                bail!(self.lacks("enter", above, setting));
            }
        }
        Ok(())
    }

    fn lacks(&self, right: &str, folder: &Path, setting: &str) -> String {
        format!(
            "PostgreSQL doesn't run as root, and {} may not {right} {}; set {setting} to a folder in which \
             everybody may, or run this as another user",
            self.name,
            folder.display()
        )
    }
}

fn effective_uid() -> io::Result<u32> {
    // Linux gives a process's entry to its effective user.
    if let Ok(own) = fs::metadata("/proc/self") {
        return Ok(own.uid());
    }
    let id = Command::new("id").arg("-u").output()?.stdout;
    let id = String::from_utf8_lossy(&id).trim().parse();
    id.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapter::Folder;

    #[test]
    fn the_first_of_the_three_that_is_not_root_gets_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nnobody:x:65534:65533::/:/bin/false\n";
        let account = Account::among(passwd).unwrap();
        assert_eq!(
            (account.name.as_str(), account.uid, account.gid),
            ("nobody", 65534, 65533)
        );
        assert_eq!(Account::among("postgres:x:0:0::/:/bin/sh\nshort:x\n"), None);
    }

    #[test]
    fn a_folder_that_is_closed_to_the_user_is_named() {
        let folder = Folder::temporary().unwrap();
        let account = Account {
            name: "somebody".into(),
            uid: 4_000_000_000,
            gid: 0,
        };
        let mode = |mode| fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode));
        mode(0o755).unwrap();
        account.can_enter(folder.path(), "TMPDIR").unwrap();
        let refusal = |result: Result<()>| result.unwrap_err().to_string();
        let told = refusal(account.takes(&folder.path().join("pg")));
        let named = |right| {
            let path = folder.path().display();
            format!("somebody may not {right} {path}; set TMPDIR")
        };
        assert!(told.contains(&named("write")), "{told}");
        mode(0o700).unwrap();
        let told = refusal(account.can_enter(folder.path(), "TMPDIR"));
        assert!(told.contains(&named("enter")), "{told}");
    }
}
