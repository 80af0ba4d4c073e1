//! # Messages over a pipe: the length first, and a cap on it
//!
//! A pipe carries bytes, not messages: three answers that are all written before anybody reads come out of one read,
//! 37 bytes. Text can end each message with a line break (`http/tcp`). Here 4 bytes of length stand before each
//! answer, and the two together are a frame: 3 messages, also when they arrive byte by byte. And what arrives may be
//! rubbish. When it ends in the middle of the second answer, as if the writer was killed, reading ends after 1
//! message with an error. When the writer prints a line of text, its first letters, `meas`, are taken for a length of
//! 1.8 GB: a cap refuses it at once. Without a cap the reader waits for bytes that never come, here until it is given
//! up after 1 tick. The pipes of this lesson are in memory.
//!
//! asyncio: readexactly, IncompleteReadError, struct.pack, struct.unpack, recv_bytes
//!
//! ```python
//! length, = struct.unpack("!I", await stdout.readexactly(4))
//! if length > 1024: raise ValueError(f"a frame of {length} bytes")
//! text = (await stdout.readexactly(length)).decode()
//! ```
//!
//! Not the same: asyncio's IncompleteReadError has the bytes that came before the end in `partial`. `read_exact`
//! returns `UnexpectedEof` for a proper end between two messages as well as for one in the middle, so the first byte
//! is read by itself. A `Connection` of multiprocessing has such frames built in, and `recv_bytes(1024)` has the cap;
//! but `recv` unpickles what it reads, so anybody who can write to that pipe can run code.

use std::{fmt, io};

use anyhow::Result;
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, duplex},
    time::timeout,
};

/// No message of this chapter is nearly as long.
pub const LONGEST: u32 = 1024;
const LINE: &[u8] = b"measuring part 1\n";
const ANSWERS: [&str; 3] = ["part 1: 12 mm", "part 2: 7 mm", "part 3: 9 mm"];

pub async fn run(t: &mut Timings) -> Result<()> {
    // `duplex` makes the two ends of a pipe in memory, which holds so many bytes.
    let (mut writer, mut pipe) = duplex(64);
    for answer in ANSWERS {
        writer.write_all(answer.as_bytes()).await?;
    }
    let bytes_read = t.time("no frames", none(), pipe.read(&mut [0; 64])).await?;
    t.count("bytes in one read", bytes_read);

    let bytes: Vec<u8> = ANSWERS.into_iter().flat_map(framed).collect();
    let heard = t.time("frames", none(), hears(&bytes[..], LONGEST)).await;
    count(t, heard);

    let cut_off = hears(&bytes[..25], LONGEST);
    let heard = t.time("cut off", none(), cut_off).await;
    count(t, heard);

    // This pipe holds one byte: the next is written when that was read.
    let (mut writer, pipe) = duplex(1);
    let writes = tokio::spawn(async move { writer.write_all(&bytes).await });
    let heard = t.time("byte by byte", none(), hears(pipe, LONGEST)).await;
    writes.await??;
    count(t, heard);

    let (mut writer, pipe) = duplex(64);
    writer.write_all(LINE).await?;
    let heard = t.time("a line of text", none(), hears(pipe, LONGEST)).await;
    count(t, heard);

    // `writer` lives to the end of the lesson, so this pipe doesn't end.
    let (mut writer, pipe) = duplex(64);
    writer.write_all(LINE).await?;
    let waits = timeout(ticks(1), hears(pipe, u32::MAX)); // <- the difference: no cap
    let heard = t.time("a line, no cap", exactly(1), waits).await;
    count(t, heard.unwrap_or((0, "given up".into())));
    Ok(())
}

/// How many messages came, and what came after the last of them.
async fn hears(mut pipe: impl AsyncRead + Unpin, longest: u32) -> (u32, String) {
    let mut messages = 0;
    loop {
        match next(&mut pipe, longest).await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return (messages, "the end".into()),
            Err(fault) => return (messages, fault.to_string()),
        }
    }
}

fn count(t: &mut Timings, (messages, then): (u32, String)) {
    t.count("messages", messages);
    t.count("then", then);
}

/// Four bytes of length, the most significant first, and the text.
pub fn framed(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("no message is as long as 4 GiB");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// The next message; `None` when the pipe ends where none has begun. Not cancel-safe: when the future is dropped the
/// bytes it has read are lost, and what follows them is taken for a length.
pub async fn next(
    pipe: &mut (impl AsyncRead + Unpin),
    longest: u32,
) -> Result<Option<String>, Fault> {
    let mut length = [0; 4];
    if pipe.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    pipe.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length);
    if length > longest {
        return Err(Fault::TooLong(length));
    }
    // Grows with what arrives: `vec![0; length]` would ask for as much memory as the writer claims to send.
    let mut text = Vec::new();
    let read = pipe.take(length.into()).read_to_end(&mut text).await?;
    if read < length as usize {
        return Err(Fault::CutOff);
    }
    let text = String::from_utf8(text).map_err(|_| Fault::NotText)?;
    Ok(Some(text))
}

/// Why there is no next message.
#[derive(Debug)]
pub enum Fault {
    TooLong(u32),
    CutOff,
    NotText,
    Pipe(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => write!(f, "a frame of {length} bytes"),
            Self::CutOff => f.write_str("cut off"),
            Self::NotText => f.write_str("not UTF-8"),
            Self::Pipe(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::CutOff;
        }
        Self::Pipe(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::{collection::vec, prelude::*};
    use std::pin::pin;
    use timing::memory::Usage;

    #[tokio::test(start_paused = true)]
    async fn three_answers_are_one_piece_and_in_frames_three_messages() {
        let t = Timings::of(run).await;
        assert_eq!(*t["no frames"].count("bytes in one read"), 37);
        for label in ["frames", "byte by byte"] {
            assert_eq!(*t[label].count("messages"), 3, "{label}");
            assert_eq!(*t[label].count("then"), "the end", "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_fault_has_its_name() {
        let t = Timings::of(run).await;
        assert_eq!(*t["cut off"].count("messages"), 1);
        assert_eq!(*t["cut off"].count("then"), "cut off");
        let too_long = "a frame of 1835360627 bytes";
        assert_eq!(*t["a line of text"].count("then"), too_long);
        let (_, then) = hears(&[0, 0, 0, 1, 0xFF][..], LONGEST).await;
        assert_eq!(then, "not UTF-8");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_cap_the_reader_waits_in_vain_and_reserves_little() {
        let t = Timings::of(run).await;
        let waits = &t["a line, no cap"];
        assert_eq!(waits.elapsed, ticks(1));
        assert_eq!(*waits.count("then"), "given up");

        let before = Usage::now();
        let (mut writer, mut pipe) = duplex(64);
        writer.write_all(LINE).await.unwrap();
        let mut waits = pin!(next(&mut pipe, u32::MAX));
        assert!(timeout(ticks(1), &mut waits).await.is_err());
        // The other tests of this program reserve memory, too, but no gigabyte.
        assert!(before.growth().asked < 1 << 30);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_dropped_reader_has_read_is_missing_from_the_next_message() {
        let (mut writer, mut pipe) = duplex(64);
        let (one, other) = (framed("12 mm"), framed("7 mm"));
        writer.write_all(&one[..6]).await.unwrap();
        let dropped = timeout(ticks(1), next(&mut pipe, LONGEST)).await;
        assert!(dropped.is_err());
        writer
            .write_all(&[&one[6..], &other].concat())
            .await
            .unwrap();
        let fault = next(&mut pipe, LONGEST).await.unwrap_err();
        let length = u32::from_be_bytes(*b" mm\0");
        assert!(matches!(fault, Fault::TooLong(it) if it == length));
    }

    proptest! {
        #[test]
        fn any_messages_come_out_as_they_went_in(texts in vec("\\PC{0,40}", 0..8), cut in 0..400_usize) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| framed(text)).collect();
            let (one, other) = bytes.split_at(cut.min(bytes.len()));
            let mut pipe = one.chain(other);
            let mut next = || next(&mut pipe, LONGEST).now_or_never().unwrap().unwrap();
            for text in texts {
                prop_assert_eq!(next(), Some(text));
            }
            prop_assert_eq!(next(), None);
        }

        #[test]
        fn any_bytes_are_messages_or_a_fault_and_never_a_panic(bytes in vec(any::<u8>(), 0..64)) {
            let (messages, _) = hears(&bytes[..], LONGEST).now_or_never().unwrap();
            // The shortest is an empty one, its 4 bytes of length.
            prop_assert!(messages as usize <= bytes.len() / 4);
        }
    }
}
