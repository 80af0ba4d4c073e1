//! # Messages over a pipe: the length first, and a limit on it
//!
//! A pipe carries bytes, not messages: three answers that are written one by one come out of one read, 37 bytes. With
//! its length before each, 4 bytes, they are 3 messages, also when they arrive byte by byte. And what arrives may be
//! rubbish. If the other side is killed in the middle of its second answer, reading ends after 1 message with an error.
//! If it prints a line of text, the letters `meas` are taken for a length of 1.8 GB: a limit refuses it at once, and
//! without a limit the reader waits for bytes that never come, here until it is given up after 1 tick.
//!
//! asyncio: readexactly, IncompleteReadError, struct.pack, struct.unpack
//!
//! real clock: the chapter's processes know no other
//!
//! ```python
//! length, = struct.unpack("!I", await stdout.readexactly(4))
//! if length > 1024: raise ValueError(f"a frame of {length} bytes")
//! text = (await stdout.readexactly(length)).decode()
//! ```
//!
//! Not the same: asyncio's IncompleteReadError has what came before the end. `read_exact` returns `UnexpectedEof`, and
//! doesn't tell whether it has read nothing, which is a proper end, or a part. So the first byte is read by itself.
//! A `Connection` of multiprocessing has such frames built in, and unpickles what is in them: whoever can write to that
//! pipe can run code.

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
use tracing::instrument;

/// No message of this chapter is nearly as long.
pub const LONGEST: u32 = 1024;
const LINE: &[u8] = b"measuring part 1\n";
const ANSWERS: [&str; 3] = ["part 1: 12 mm", "part 2: 7 mm", "part 3: 9 mm"];

pub async fn run(t: &mut Timings) -> Result<()> {
    let (mut worker, mut pipe) = duplex(64);
    for answer in ANSWERS {
        worker.write_all(answer.as_bytes()).await?;
    }
    let piece = t.time("no frames", none(), pipe.read(&mut [0; 64])).await?;
    t.count("bytes in one read", piece);

    let bytes: Vec<u8> = ANSWERS.into_iter().flat_map(framed).collect();
    let heard = t.time("frames", none(), hears(&bytes[..], LONGEST)).await;
    count(t, heard);

    let heard = t.time("cut off", none(), hears(&bytes[..25], LONGEST));
    let heard = heard.await;
    count(t, heard);

    // A pipe that holds one byte: the next is written when it was read.
    let (mut worker, pipe) = duplex(1);
    let writes = tokio::spawn(async move { worker.write_all(&bytes).await });
    let heard = t.time("byte by byte", none(), hears(pipe, LONGEST)).await;
    writes.await??;
    count(t, heard);

    // The worker's end stays open: it goes on working.
    let (mut worker, mut pipe) = duplex(64);
    worker.write_all(LINE).await?;
    let heard = hears(&mut pipe, LONGEST);
    let heard = t.time("a line of text", none(), heard).await;
    count(t, heard);

    let (mut worker, mut pipe) = duplex(64);
    worker.write_all(LINE).await?;
    let heard = hears(&mut pipe, u32::MAX); // <- the difference: no limit
    let waits = timeout(ticks(1), heard);
    let heard = t.time("a line, no limit", exactly(1), waits).await;
    let given_up = |_| Heard {
        messages: 0,
        then: "given up".into(),
    };
    count(t, heard.unwrap_or_else(given_up));
    Ok(())
}

/// Four bytes of length, the most significant first, and the text.
pub fn framed(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("no message is as long as 4 GiB");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// The next message; `None` when the pipe ends where none has begun. Not cancel-safe: a part that was read is lost with
/// the future.
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
    // Grows with what arrives. A buffer of `length` would be reserved on the word of the other side.
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
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Pipe(error),
        }
    }
}

/// What was heard: so many messages, and what came after the last of them.
#[derive(Debug)]
struct Heard {
    messages: u32,
    then: String,
}

fn count(t: &mut Timings, heard: Heard) {
    t.count("messages", heard.messages);
    t.count("then", heard.then);
}

#[instrument(ret, skip(pipe))]
async fn hears(mut pipe: impl AsyncRead + Unpin, longest: u32) -> Heard {
    let mut messages = 0;
    let then = loop {
        match next(&mut pipe, longest).await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => break "the end".into(),
            Err(fault) => break fault.to_string(),
        }
    };
    Heard { messages, then }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::report::Ended;

    #[tokio::test]
    async fn without_frames_three_answers_are_one_piece() {
        let t = Timings::of(run).await;
        assert_eq!(
            *t["no frames"].count("bytes in one read"),
            ANSWERS.concat().len()
        );
    }

    #[tokio::test]
    async fn frames_are_messages_however_they_arrive() {
        let t = Timings::of(run).await;
        for label in ["frames", "byte by byte"] {
            assert_eq!(*t[label].count("messages"), 3, "{label}");
            assert_eq!(*t[label].count("then"), "the end", "{label}");
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_told_by_name() {
        let t = Timings::of(run).await;
        assert_eq!(*t["cut off"].count("messages"), 1);
        assert_eq!(*t["cut off"].count("then"), "cut off");
        let told = "a frame of 1835360627 bytes";
        assert_eq!(*t["a line of text"].count("then"), told);
        let no_text = [0, 0, 0, 1, 0xFF];
        let fault = next(&mut &no_text[..], LONGEST).await.unwrap_err();
        assert!(matches!(fault, Fault::NotText));
    }

    #[tokio::test]
    async fn without_a_limit_the_reader_waits_for_what_never_comes() {
        let t = Timings::of(run).await;
        let waits = &t["a line, no limit"];
        assert_eq!(waits.lane("hears").ended, Ended::Cancelled);
        assert_eq!(*waits.count("then"), "given up");
    }

    proptest! {
        #[test]
        fn any_messages_come_out_as_they_went_in(texts in vec("\\PC{0,40}", 0..8), cut in 0..400_usize) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| framed(text)).collect();
            let (one, other) = bytes.split_at(cut.min(bytes.len()));
            let mut pipe = one.chain(other);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for text in texts {
                let next = runtime.block_on(next(&mut pipe, LONGEST)).unwrap();
                prop_assert_eq!(next, Some(text));
            }
            prop_assert!(runtime.block_on(next(&mut pipe, LONGEST)).unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_messages_or_a_fault_and_never_a_panic(bytes in vec(any::<u8>(), 0..64)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let heard = runtime.block_on(hears(&bytes[..], LONGEST));
            prop_assert!(heard.messages <= 16);
        }
    }
}
