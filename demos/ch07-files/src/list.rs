//! # Listing a folder: what its entries are, and what they aren't
//!
//! A folder has four entries: three records and a link to one of them. `read_dir` gives their names as `OsString`,
//! which need not be text. Code that drops what it can't make a `String` of finds 3 names of 4, without an error.
//! `entry.file_type()` counts 3 files and 1 link; `fs::metadata` follows the link and counts 4 files. And a listing
//! is out of date at once: of 4 names, one is removed before it is read, so 3 are read and 1 has gone.
//!
//! asyncio: aiofiles.os.listdir, aiofiles.os.scandir, listdir, scandir, DirEntry
//!
//! real clock: real files
//!
//! ```python
//! names = sorted(await aiofiles.os.listdir("archive"))
//! with await aiofiles.os.scandir("archive") as entries:
//!     files = [entry.name for entry in entries if entry.is_file()]    # also a link to a file
//! async with aiofiles.open(f"archive/{names[0]}") as file:
//!     record = await file.read()    # FileNotFoundError before it, if the file has gone
//! ```
//!
//! Not the same: for a path of type `str` Python gives every name as a `str`. A byte that isn't UTF-8 becomes a lone
//! surrogate: `open` takes such a name, and `print` raises UnicodeEncodeError. Rust keeps the bytes, and `display`
//! shows a replacement character. Python's `DirEntry.is_file` follows a link; `is_file` of a `file_type` doesn't. The
//! same in both: no order is promised, so a program that needs one sorts the names.

use std::{
    ffi::{OsStr, OsString},
    fs::FileType,
    io::{self, ErrorKind::NotFound},
    path::Path,
};

use anyhow::Result;
use chapter::Folder;
use timing::{Timings, law::none};
use tokio::fs::{self, DirEntry};
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let path = folder.path();
    fill(path).await?;

    let names = t.time("names as text", none(), list_text(path)).await?;
    t.count("names", names.len());
    let names = t.time("names as they are", none(), list(path)).await?;
    t.count("names", names.len());

    // Of each entry itself, so a link is a link wherever it leads.
    let kinds = count_kinds(path, async |entry| entry.file_type().await);
    let (files, links) = t.time("file_type", none(), kinds).await?;
    t.count("files", files);
    t.count("links", links);

    // Of what each path leads to: `entry.metadata()` wouldn't follow a link. One that leads to nothing is an error.
    let kinds = count_kinds(path, async |entry| {
        Ok(fs::metadata(entry.path()).await?.file_type()) // <- the difference
    });
    let (files, links) = t.time("metadata", none(), kinds).await?;
    t.count("files", files);
    t.count("links", links);

    // Stands for another program, which removes it between the listing and the reading.
    fs::remove_file(path.join("deaths.txt")).await?;
    let reads = read_each(path, names);
    let (read, gone) = t.time("read, one removed", none(), reads).await?;
    t.count("read", read);
    t.count("gone", gone);
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn list_text(path: &Path) -> Result<Vec<String>> {
    let names = read_names(path).await?.into_iter();
    // `into_string` fails for a name that isn't UTF-8, and `ok` drops that file from the list.
    let names: Vec<_> = names
        .filter_map(|name| name.into_string().ok()) // <- the difference
        .collect();
    info!("{}", names.join(", "));
    Ok(names)
}

#[instrument(ret, err, skip_all)]
async fn list(path: &Path) -> Result<Vec<OsString>> {
    let names = read_names(path).await?;
    // To be read, not to be opened: a path made of what this shows would name a different file.
    info!("{}", names.join(OsStr::new(", ")).display());
    Ok(names)
}

async fn read_names(path: &Path) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    let mut entries = fs::read_dir(path).await?;
    while let Some(entry) = entries.next_entry().await? {
        names.push(entry.file_name());
    }
    // They come in the order of the file system, which may be another one on another machine.
    names.sort();
    Ok(names)
}

/// How many files there are, and how many links, as `kind` tells them.
#[instrument(ret, err, skip_all)]
async fn count_kinds(
    path: &Path,
    kind: impl AsyncFn(&DirEntry) -> io::Result<FileType>,
) -> Result<(usize, usize)> {
    let (mut files, mut links) = (0, 0);
    let mut entries = fs::read_dir(path).await?;
    while let Some(entry) = entries.next_entry().await? {
        let kind = kind(&entry).await?;
        files += usize::from(kind.is_file());
        links += usize::from(kind.is_symlink());
    }
    Ok((files, links))
}

/// How many were read, and how many had gone. To ask first whether a file exists is no help: it can go after that.
#[instrument(ret, err, skip_all)]
async fn read_each(path: &Path, names: Vec<OsString>) -> Result<(usize, usize)> {
    let (mut read, mut gone) = (0, 0);
    for name in names {
        match fs::read_to_string(path.join(&name)).await {
            Ok(_) => read += 1,
            Err(error) if error.kind() == NotFound => {
                info!("{} has gone", name.display());
                gone += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((read, gone))
}

async fn fill(path: &Path) -> Result<()> {
    for name in ["births.txt", "deaths.txt"] {
        fs::write(path.join(name), "1912: 3, 1913: 5\n").await?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        fs::symlink(path.join("births.txt"), path.join("link.txt")).await?;
        // "Ämter" in Latin-1, as older systems wrote it. The file systems of macOS refuse such a name.
        let name = OsString::from_vec(b"\xC4mter.txt".to_vec());
        if let Err(error) = fs::write(path.join(name), "1912: 2\n").await {
            info!("here every name has to be UTF-8: {error}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "other systems refuse such a name")]
    async fn a_name_that_is_not_utf_8_is_lost_by_code_that_wants_text() {
        let t = Timings::of_default(run).await;
        let text = &t["names as text"];
        assert_eq!(*text.count("names"), 3);
        assert_eq!(text.said[0].text, "births.txt, deaths.txt, link.txt");
        let all = &t["names as they are"];
        assert_eq!(*all.count("names"), 4);
        assert!(all.said[0].text.ends_with("link.txt, \u{FFFD}mter.txt"));
    }

    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "other systems refuse such a name")]
    async fn file_type_sees_a_link_and_metadata_what_is_behind_it() {
        let t = Timings::of_default(run).await;
        for (variant, files, links) in [("file_type", 3, 1), ("metadata", 4, 0)] {
            assert_eq!(*t[variant].count("files"), files);
            assert_eq!(*t[variant].count("links"), links);
        }
    }

    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "other systems refuse such a name")]
    async fn what_is_removed_after_the_listing_is_gone_and_the_others_are_read() {
        let t = Timings::of_default(run).await;
        let removed = &t["read, one removed"];
        assert_eq!(*removed.count("read"), 3);
        assert_eq!(*removed.count("gone"), 1);
        assert!(removed.said[0].text.contains("deaths.txt has gone"));
    }

    #[tokio::test]
    async fn the_names_are_sorted_whatever_the_order_of_the_folder() {
        let folder = Folder::temporary().unwrap();
        for number in 0..100 {
            let name = format!("{:02}", number * 37 % 100);
            fs::write(folder.path().join(name), "").await.unwrap();
        }
        let names = read_names(folder.path()).await.unwrap();
        let expected = (0..100).map(|number| OsString::from(format!("{number:02}")));
        assert!(names.into_iter().eq(expected));
    }
}
