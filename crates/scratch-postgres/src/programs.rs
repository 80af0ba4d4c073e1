//! Where a server's programs are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// Where the systems put what isn't on PATH: a folder for each version, whose name the star stands for. Debian and
/// Ubuntu; Fedora; Homebrew on both kinds of Mac; Postgres.app.
const USUAL: [&str; 5] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// What `just postgres` fills, in the workspace that this was built in.
const CACHE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../.cache/postgres/*/pginstall/bin"
);

/// The folder of `initdb` and `postgres`: the first of `PG_BIN_DIR`, PATH, the usual places (the newest version
/// first) and `.cache/postgres`. `None`: there is none.
///
/// # Errors
///
/// When `PG_BIN_DIR` names a folder without them.
pub fn find() -> Result<Option<PathBuf>> {
    if let Some(folder) = env::var_os("PG_BIN_DIR").filter(|folder| !folder.is_empty()) {
        match programs_in(Path::new(&folder)) {
            Some(folder) => return Ok(Some(folder)),
            None => bail!(
                "PG_BIN_DIR {}: no initdb and postgres there; name the folder that holds both, or unset it",
                folder.display()
            ),
        }
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).find_map(|folder| programs_in(&folder));
    let installed = || {
        USUAL
            .into_iter()
            .flat_map(every)
            .find_map(|folder| programs_in(&folder))
    };
    let cached = || {
        every(CACHE)
            .into_iter()
            .find_map(|folder| programs_in(&folder))
    };
    Ok(on_path.or_else(installed).or_else(cached))
}

/// The folder in which both stand, which a link to `initdb` leads to: `postgres` finds its own files from there.
fn programs_in(folder: &Path) -> Option<PathBuf> {
    let initdb = fs::canonicalize(folder.join("initdb")).ok()?;
    let folder = initdb.parent()?;
    folder.join("postgres").is_file().then(|| folder.into())
}

/// The paths that fit a pattern with one star, the highest number first.
fn every(pattern: &str) -> Vec<PathBuf> {
    let (before, after) = pattern.split_once('*').expect("each has a star");
    let (parent, prefix) = before.rsplit_once('/').expect("each is absolute");
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| {
            let version = name.strip_prefix(prefix)?;
            let major: u32 = version.split('.').next()?.parse().unwrap_or(0);
            Some((major, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapter::Folder;

    #[test]
    fn the_newest_version_comes_first_and_ten_is_newer_than_nine() {
        let folder = Folder::temporary().unwrap();
        for version in ["9.6", "15", "10"] {
            fs::create_dir_all(folder.path().join(format!("pg-{version}/bin"))).unwrap();
        }
        fs::create_dir(folder.path().join("other")).unwrap();
        let found = every(&format!("{}/pg-*/bin", folder.path().display()));
        let expected = ["pg-15/bin", "pg-10/bin", "pg-9.6/bin"];
        assert_eq!(found, expected.map(|name| folder.path().join(name)));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_initdb_leads_to_the_folder_that_holds_both() {
        let folder = Folder::temporary().unwrap();
        let (real, linked) = (folder.path().join("real"), folder.path().join("linked"));
        fs::create_dir(&real).unwrap();
        fs::create_dir(&linked).unwrap();
        fs::write(real.join("initdb"), "").unwrap();
        std::os::unix::fs::symlink(real.join("initdb"), linked.join("initdb")).unwrap();
        assert_eq!(programs_in(&linked), None, "half of it is not enough");
        fs::write(real.join("postgres"), "").unwrap();
        assert_eq!(programs_in(&linked), fs::canonicalize(real).ok());
    }
}
