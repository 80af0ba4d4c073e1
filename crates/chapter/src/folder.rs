use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A temporary folder. It is removed, with all that is in it, when this is dropped; so also after Ctrl-C.
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
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one with a name that nothing else has.
    ///
    /// # Errors
    ///
    /// When the system's folder for temporary files can't be written.
    pub fn temporary() -> io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// The same in a folder that is there already.
    ///
    /// # Errors
    ///
    /// When that folder can't be written.
    pub fn within(folder: &Path) -> io::Result<Self> {
        let mut number = 0;
        loop {
            let name = format!("waitwise-{}-{number}", std::process::id());
            let path = folder.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Of this process, or left behind by one that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed stays in the folder for temporary files, and the system clears that.
        let _ = fs::remove_dir_all(&self.0);
    }
}
