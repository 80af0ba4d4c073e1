use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What the name of every such folder begins with. The process and a number follow: `waitwise-4711-0`.
const PREFIX: &str = "waitwise";

/// Those of this process that are there. Whoever ends it removes them.
static IN_USE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How often a folder is tried to be removed while a thread may still be writing into it.
const TRIES: u32 = 100;

/// A temporary folder. It is removed, with all that is in it, when this is dropped; so also after Ctrl-C. What a
/// killed process leaves is removed by the next one that makes a folder in the same place (on Unix).
///
/// ```
/// let folder = chapter::Folder::temporary()?;
/// let path = folder.path().to_owned();
/// std::fs::write(path.join("page"), "tea")?;
/// drop(folder);
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held as long as the folder is in use. The system releases it when the process ends, however that ends.
    _lock: lock::Lock,
}

impl Folder {
    /// Makes one with a name that nothing else has.
    ///
    /// # Errors
    ///
    /// When the system's folder for temporary files can't be written.
    pub fn temporary() -> io::Result<Self> {
        Self::within(&env::temp_dir())
    }

    /// The same in a folder that is there already.
    ///
    /// # Errors
    ///
    /// When that folder can't be written.
    pub fn within(folder: &Path) -> io::Result<Self> {
        Self::new_within(folder).map_err(|error| {
            // Another folder is named by whoever chose it.
            if folder != env::temp_dir() {
                return error;
            }
            let folder = folder.display();
            let told = format!("no folder can be made in {folder}: {error}");
            let way_out = "set TMPDIR to one that can be written";
            io::Error::new(error.kind(), format!("{told}; {way_out}"))
        })
    }

    fn new_within(folder: &Path) -> io::Result<Self> {
        let mut in_use = in_use();
        let process = std::process::id();
        for number in 0_u64.. {
            let path = folder.join(format!("{PREFIX}-{process}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            match lock::Lock::of(&path) {
                Ok(Some(lock)) => {
                    in_use.push(path.clone());
                    drop(in_use);
                    lock.remove_abandoned(folder);
                    return Ok(Self { path, _lock: lock });
                }
                // In between, another process has found the folder without a lock, and removes it.
                Ok(None) => {}
                Err(error) => {
                    let _ = fs::remove_dir(&path);
                    return Err(error);
                }
            }
        }
        unreachable!("no place holds 2⁶⁴ folders")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A job of a runtime that is still ending may be writing into it. Then it is removed with the last ones.
        if fs::remove_dir_all(&self.path).is_ok() {
            in_use().retain(|path| *path != self.path);
        }
    }
}

fn in_use() -> MutexGuard<'static, Vec<PathBuf>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all folders of this process, whoever still has them. No other can be made as long as the guard is held, so
/// whoever ends the process keeps it.
pub fn remove_all() -> impl Drop {
    let in_use = in_use();
    for path in in_use.iter() {
        // A thread that makes a file at the same time has a try fail, but can't make one in a folder that is gone.
        (0..TRIES).any(|_| fs::remove_dir_all(path).is_ok() || !path.exists());
    }
    in_use
}

#[cfg(unix)]
mod lock {
    use std::{
        fs::{self, DirEntry, File, TryLockError},
        io,
        os::unix::fs::MetadataExt,
        path::Path,
    };

    /// A folder that is opened and locked. Nobody else removes it as long as this is held.
    #[derive(Debug)]
    pub struct Lock(File);

    impl Lock {
        /// `None` when the folder is no longer there, or is about to be removed by somebody else.
        pub fn of(path: &Path) -> io::Result<Option<Self>> {
            let opened = match File::open(path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            match opened.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                // A file system without locks. There nobody can take one, so nobody removes the folder either.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            let lock = Self(opened);
            // It may have been removed before the lock was taken, and another be there under its name.
            Ok(lock.is_of(path).then_some(lock))
        }

        fn is_of(&self, path: &Path) -> bool {
            let (Ok(own), Ok(there)) = (self.0.metadata(), fs::symlink_metadata(path)) else {
                return false;
            };
            (own.dev(), own.ino()) == (there.dev(), there.ino())
        }

        /// Removes the folders that nobody holds any more. What goes wrong here is nothing to the one who only wants
        /// a folder: what can't be removed stays.
        pub fn remove_abandoned(&self, within: &Path) {
            for entry in fs::read_dir(within).into_iter().flatten().flatten() {
                if self.could_be_abandoned(&entry).unwrap_or(false) {
                    remove_if_abandoned(&entry.path());
                }
            }
        }

        /// A folder with such a name and of the same user; neither is asked of what is behind a link.
        fn could_be_abandoned(&self, entry: &DirEntry) -> io::Result<bool> {
            if !is_ours(&entry.file_name().to_string_lossy()) {
                return Ok(false);
            }
            let found = entry.metadata()?;
            Ok(found.is_dir() && found.uid() == self.0.metadata()?.uid())
        }
    }

    fn remove_if_abandoned(path: &Path) {
        let Ok(opened) = File::open(path) else {
            return;
        };
        // Of a process that lives, this one included, it is locked.
        if opened.try_lock().is_err() {
            return;
        }
        let lock = Lock(opened);
        if lock.is_of(path) {
            // Under the lock, so that the one who has made it this moment sees that it is taken, and makes another.
            let _ = fs::remove_dir_all(path);
        }
    }

    /// `waitwise-4711-0`
    fn is_ours(name: &str) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(is_digit);
        let parts: Vec<_> = name.split('-').collect();
        matches!(parts[..], [super::PREFIX, process, number] if is_number(process) && is_number(number))
    }
}

/// Other systems can't open a folder as a file, so what a killed process leaves stays.
#[cfg(not(unix))]
mod lock {
    use std::{io, path::Path};

    #[derive(Debug)]
    pub struct Lock;

    impl Lock {
        pub fn of(_path: &Path) -> io::Result<Option<Self>> {
            Ok(Some(Self))
        }

        pub fn remove_abandoned(&self, _within: &Path) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_removed_when_it_is_dropped_is_removed_at_the_end() {
        let folder = Folder::temporary().unwrap();
        let path = folder.path().to_owned();
        // Stands for a folder into which a thread is writing: it isn't removed like an empty one.
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "").unwrap();
        drop(folder);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        drop(remove_all());
        assert!(!path.exists());
    }
}
