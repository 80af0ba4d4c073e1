use std::{
    fs::{self, TryLockError},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac_sha256::Hash;
use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
};

/// A file on its way. Until it is whole and its hash is right, it is called `FILE.part`; which version of the page
/// its bytes are of stands in `FILE.part.etag`. Both are still there when the process is killed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let folder = web::Folder::temporary()?;
/// let page = folder.path().join("page");
/// let mut part = web::Part::open(&page).await?;
/// part.begin_again(None).await?;
/// part.append(b"abc").await?;
/// assert!(!page.exists());
/// part.finish("sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:").await?;
/// assert_eq!(std::fs::read(page)?, b"abc");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Part {
    whole: PathBuf,
    part: PathBuf,
    etag: PathBuf,
    file: File,
    bytes: u64,
}

impl Part {
    /// Opens what is there of it already, or begins it.
    ///
    /// # Errors
    ///
    /// When the whole file exists, another process is writing it, or it can't be written.
    pub async fn open(whole: &Path) -> Result<Self> {
        let name = whole.display();
        ensure!(whole.file_name().is_some(), "{name} is no file's name");
        refuse_existing(whole)?;
        let part = whole.with_added_extension("part");
        let mut options = OpenOptions::new();
        let file = options.create(true).read(true).append(true).open(&part);
        let file = file.await.with_context(|| cannot_write(&part))?;
        let bytes = file.metadata().await?.len();

        // Two processes that append to one file would mix their bytes. The system lifts the lock when the file is
        // closed, also for a process that was killed.
        let file = file.into_std().await;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another process is writing {}", part.display());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| cannot_write(&part));
            }
        }
        Ok(Self {
            whole: whole.to_owned(),
            etag: part.with_added_extension("etag"),
            file: File::from_std(file),
            part,
            bytes,
        })
    }

    /// How many bytes are there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The ETag of the page that they are of, if the server gave one.
    pub async fn etag(&self) -> Option<String> {
        tokio::fs::read_to_string(&self.etag).await.ok()
    }

    /// Drops what is there. What is appended from now on is of the page with this ETag.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub async fn begin_again(&mut self, etag: Option<&str>) -> Result<()> {
        // The bytes first: killed after this line, it is empty, and then the old ETag says nothing.
        if self.bytes > 0 {
            let emptied = self.file.set_len(0).await;
            emptied.with_context(|| cannot_write(&self.part))?;
            self.bytes = 0;
        }
        match etag {
            Some(etag) => tokio::fs::write(&self.etag, etag).await,
            None => match tokio::fs::remove_file(&self.etag).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        }
        .with_context(|| cannot_write(&self.etag))
    }

    /// Writes these bytes behind those that are there.
    ///
    /// # Errors
    ///
    /// When they can't be written: the disk is full, for instance. What was there before stays.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        // `write_all` returns before the bytes are written. `flush` waits for that, and it is `flush` that tells of a
        // full disk.
        let written = async {
            self.file.write_all(bytes).await?;
            self.file.flush().await
        };
        written.await.with_context(|| cannot_write(&self.part))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Compares its hash with the one in a `Repr-Digest` header, and gives it its name. With another hash it is
    /// removed, since no more bytes would mend it.
    ///
    /// # Errors
    ///
    /// When the hash is another one, or the file can't be read or renamed.
    pub async fn finish(self, digest: &str) -> Result<()> {
        let digest = digest.to_owned();
        let file = self.file.into_std().await;
        let (whole, part, etag) = (self.whole, self.part, self.etag);
        let finish = move || {
            // What is in the file is hashed, not what came in: part of it may be of an earlier run.
            let found = sha_256(&file).with_context(|| format!("can't read {}", part.display()))?;
            if !digest.split(',').any(|one| one.trim() == found) {
                fs::remove_file(&part).with_context(|| cannot_write(&part))?;
                remove(&etag)?;
                bail!("its hash isn't the page's");
            }
            // On the disk before it has its name: after a power cut a whole name must not stand on half a file.
            file.sync_all().with_context(|| cannot_write(&part))?;
            refuse_existing(&whole)?;
            fs::rename(&part, &whole).with_context(|| cannot_write(&whole))?;
            remove(&etag)
        };
        tokio::task::spawn_blocking(finish).await?
    }
}

/// As a `Repr-Digest` header has it.
fn sha_256(mut file: &fs::File) -> io::Result<String> {
    file.rewind()?;
    let mut hash = Hash::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    let hash = BASE64_STANDARD.encode(hash.finalize());
    Ok(format!("sha-256=:{hash}:"))
}

/// A dangling link counts as existing, too.
fn refuse_existing(path: &Path) -> Result<()> {
    let there = fs::symlink_metadata(path).is_ok();
    ensure!(
        !there,
        "{} exists already; remove it, or name another file",
        path.display()
    );
    Ok(())
}

fn remove(etag: &Path) -> Result<()> {
    match fs::remove_file(etag) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| cannot_write(etag))
        }
        _ => Ok(()),
    }
}

fn cannot_write(path: &Path) -> String {
    format!("can't write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    #[tokio::test]
    async fn what_was_appended_is_there_when_it_is_opened_again() {
        let folder = Folder::temporary().unwrap();
        let page = folder.path().join("page");
        let mut part = Part::open(&page).await.unwrap();
        part.begin_again(Some("\"1\"")).await.unwrap();
        part.append(b"ab").await.unwrap();
        drop(part);
        let mut part = Part::open(&page).await.unwrap();
        assert_eq!((part.bytes(), part.etag().await), (2, Some("\"1\"".into())));
        part.begin_again(None).await.unwrap();
        assert_eq!((part.bytes(), part.etag().await), (0, None));
    }

    #[tokio::test]
    async fn with_another_hash_nothing_is_left() {
        let folder = Folder::temporary().unwrap();
        let page = folder.path().join("page");
        let mut part = Part::open(&page).await.unwrap();
        part.begin_again(Some("\"1\"")).await.unwrap();
        part.append(b"abd").await.unwrap();
        let abc = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
        let error = part.finish(abc).await.unwrap_err();
        assert_eq!(error.to_string(), "its hash isn't the page's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn two_do_not_write_one_file() {
        let folder = Folder::temporary().unwrap();
        let page = folder.path().join("page");
        let _first = Part::open(&page).await.unwrap();
        let error = Part::open(&page).await.unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
    }
}
