//! # A large file, line by line
//!
//! 64 MiB of records are read, one record a line. As a whole they take 64 MiB of memory. Line by line they take about
//! 130 KiB, however large the file is: the reader's buffer of 64 KiB, and as much again in `File`. The price is time,
//! since each line is asked for and checked by itself. But the longest line bounds the memory: for a file without a
//! line break `lines()` takes 128 MiB, more than the file, because its buffer doubles until the line fits. With a cap
//! of 64 KiB on a line it is under 512 KiB for that file too, and the error says which line is too long.
//!
//! asyncio: async for, aiofiles.open, readline
//!
//! real clock: real files
//!
//! ```python
//! async with aiofiles.open(path) as records:
//!     async for record in records: ...                      # a record may be all of the file
//!
//! async with aiofiles.open(path) as records:
//!     while record := await records.readline(65_537):       # 65 537 characters at most
//!         if len(record.removesuffix("\n")) > 65_536: raise ValueError("a line is too long")
//! ```
//!
//! Not the same: there is no `async for`; `while let` asks for the next line until there is none. Python's `readline`
//! takes its cap as an argument, in characters; in Rust `take` sets it on the reader, in bytes (see `http/tcp`). Both
//! return the first part of a line that is too long as if it were a line. So the caller allows more than the cap,
//! looks at the length, and then stops: the rest of the line would be read as the next one.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, Result, ensure};
use chapter::Folder;
use timing::{Timings, law::none, memory::Peak};
use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader},
};
use tracing::{info, warn};

use crate::options::Options;

/// Without its line break, in bytes.
const CAP: usize = 64 * 1024;
/// Each time it is empty, a thread of the pool fills it. The default of 8 KiB would need eight times as many trips.
const BUFFER: usize = 64 * 1024;
const RECORDS: &str = "1911-03-02 Łódź, birth of a daughter, entered by the second clerk\n\
    1911-03-05 Brünn, marriage, two witnesses\n\
    1911-03-05 São Tomé, a letter without a date, returned to its sender, who had moved away in the meantime\n";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let many = folder.path().join("many lines");
    let one = folder.path().join("one line");
    write_file(&many, RECORDS, options.lines_mib)?;
    write_file(&one, &RECORDS.replace('\n', " "), options.lines_mib)?;
    info!("two files of {} KiB", fs::metadata(&many)?.len() / 1024);

    for (label, path, way) in [
        ("as a whole", &many, Way::Whole),
        ("lines()", &many, Way::Lines),
        ("lines(), no line break", &one, Way::Lines),
        ("with a cap", &many, Way::Cap),
        ("with a cap, no line break", &one, Way::Cap),
    ] {
        let mut peak = Peak::from_now();
        let reads = async {
            match way {
                Way::Whole => whole(path, &mut peak).await,
                Way::Lines => line_by_line(path, &mut peak).await,
                Way::Cap => with_a_cap(path, &mut peak).await,
            }
        };
        let lines = t.time(label, none(), reads).await;
        match lines {
            Ok(lines) => t.count("lines", lines),
            Err(error) if way == Way::Cap => {
                warn!("{error}");
                t.count("lines", "refused");
            }
            Err(error) => return Err(error),
        }
        t.count("memory KiB", peak.bytes() / 1024);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Whole,
    Lines,
    Cap,
}

/// These functions have no lanes: the recorder remembers every poll of a lane, and that memory would be counted too.
async fn whole(path: &Path, peak: &mut Peak) -> Result<usize> {
    let text = tokio::fs::read_to_string(path).await?;
    peak.look();
    Ok(text.lines().count())
}

/// `lines()` reads on until there is a line break, however much it has to keep until then.
async fn line_by_line(path: &Path, peak: &mut Peak) -> Result<usize> {
    let mut lines = BufReader::with_capacity(BUFFER, File::open(path).await?).lines();
    let mut number = 0;
    while let Some(_line) = lines.next_line().await? {
        peak.look_each(1_000, number);
        number += 1;
    }
    Ok(number)
}

async fn with_a_cap(path: &Path, peak: &mut Peak) -> Result<usize> {
    let mut reader = BufReader::with_capacity(BUFFER, File::open(path).await?);
    let mut number = 0;
    // One for all lines, where `lines()` makes a `String` for each. It grows to the longest, which the cap bounds.
    let mut line = Vec::new();
    loop {
        let read = next_line(&mut reader, &mut line, number + 1).await;
        peak.look_each(1_000, number); // before the `?`, for the line that is refused
        let Some(_line) = read? else {
            return Ok(number);
        };
        number += 1;
    }
}

/// The next line, without its line break; its bytes are in `line`.
async fn next_line<'a>(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &'a mut Vec<u8>,
    number: usize,
) -> Result<Option<&'a str>> {
    line.clear();
    // Room for `\r\n` behind the longest line. The rest stays in the reader.
    let mut capped = reader.take(CAP as u64 + 2); // <- the difference
    if capped.read_until(b'\n', line).await? == 0 {
        return Ok(None); // the end of the file
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r'); // `lines()` takes it away too
    }
    ensure!(line.len() <= CAP, "line {number} has more than {CAP} bytes");
    // After the length: the last character of a line that is cut may be a half.
    let line = str::from_utf8(line).with_context(|| format!("line {number} isn't UTF-8"))?;
    Ok(Some(line))
}

fn write_file(path: &Path, text: &str, mib: u32) -> Result<()> {
    let block = text.repeat(1024 * 1024 / text.len() + 1);
    let mut file = fs::File::create(path)?;
    for _ in 0..mib {
        let written = file.write_all(block.as_bytes());
        written.with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::runtime::Builder;

    /// With a buffer of its own size: where it ends must make no difference.
    async fn all_lines(mut text: &[u8], buffer: usize) -> Result<Vec<String>> {
        let mut reader = BufReader::with_capacity(buffer, &mut text);
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        while let Some(line) = next_line(&mut reader, &mut line, lines.len() + 1).await? {
            lines.push(line.to_owned());
        }
        Ok(lines)
    }

    proptest! {
        #[test]
        fn the_lines_are_those_of_lines(text in "(?s)([a-zż\u{1F980}]|\r|\n|\r\n){0,40}", buffer in 1..9_usize) {
            let runtime = Builder::new_current_thread().build().unwrap();
            let (capped, plain) = runtime.block_on(async {
                let mut lines = text.as_bytes().lines();
                let mut plain = Vec::new();
                while let Some(line) = lines.next_line().await.unwrap() {
                    plain.push(line);
                }
                (all_lines(text.as_bytes(), buffer).await.unwrap(), plain)
            });
            prop_assert_eq!(capped, plain);
        }
    }

    #[tokio::test]
    async fn the_longest_line_is_read_and_one_byte_more_is_refused_by_its_number() {
        let longest = "a".repeat(CAP);
        for end in ["", "\n", "\r\n"] {
            let text = format!("first\n{longest}{end}");
            let lines = all_lines(text.as_bytes(), BUFFER).await.unwrap();
            assert_eq!(lines, ["first", longest.as_str()]);

            let text = format!("first\n{longest}a{end}");
            let error = all_lines(text.as_bytes(), BUFFER).await.unwrap_err();
            assert_eq!(error.to_string(), "line 2 has more than 65536 bytes");
        }
    }

    #[tokio::test]
    async fn the_cap_counts_bytes_and_may_fall_into_a_character() {
        let text = format!("a{}", "ż".repeat(CAP / 2 + 1));
        assert!(!text.is_char_boundary(CAP + 2));
        let error = all_lines(text.as_bytes(), BUFFER).await.unwrap_err();
        assert_eq!(error.to_string(), "line 1 has more than 65536 bytes");
    }

    #[tokio::test]
    async fn what_is_not_utf_8_is_refused_by_its_number() {
        let error = all_lines(b"first\n\xff\n", BUFFER).await.unwrap_err();
        assert_eq!(error.to_string(), "line 2 isn't UTF-8");
    }
}
