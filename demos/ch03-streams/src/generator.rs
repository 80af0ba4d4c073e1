//! # A generator: `stream!`, `unfold`, or a task that sends
//!
//! A generator fetches 3 books, 1 tick each, and hands out each of them as soon as it has it. All three forms take 3
//! ticks for 3 books. They differ when their reader leaves after 1.5 ticks, in the middle of the second fetch. With
//! `stream!` and `unfold` that fetch is dropped at its `.await`: 0 are left running. The task behind a channel isn't
//! part of the reader, and its fetch goes on: 1 is left running.
//!
//! asyncio: async generator, yield
//!
//! ```python
//! async def books(numbers):
//!     for number in numbers:
//!         yield await fetch(number)
//!
//! async for book in books([31, 4, 15]): print(book)
//! ```
//!
//! Not the same: stable Rust has no `yield`. `stream!` is a macro of the crate async-stream, in which the word
//! works. Without a macro a generator is a state and a function from one state to the next (`unfold`), a task that
//! sends into a channel, or `poll_next` written by hand (see `iterator`).

use std::time::Duration;

use anyhow::Result;
use async_stream::stream;
use futures_util::{
    StreamExt,
    stream::{BoxStream, unfold},
};
use timing::{
    Timings,
    law::{exactly, sum},
    report::{Ended, Variant},
    ticks,
};
use tokio::{
    sync::mpsc::channel,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::instrument;

const NUMBERS: [u32; 3] = [31, 4, 15];

type Books = BoxStream<'static, u32>;
type Form = (&'static str, fn(Vec<u32>) -> Books);

const FORMS: [Form; 3] = [
    ("stream!", generator),
    ("unfold", unfolded),
    ("channel", sent_by_a_task),
];

pub async fn run(t: &mut Timings) -> Result<()> {
    for (form, books) in FORMS {
        let reading = async { reads(books(NUMBERS.into()), ticks(10)).await };
        let books = t.time(form, sum([1; NUMBERS.len()]), reading).await;
        count(t, form, &books);
    }
    for (form, books) in FORMS {
        let label = format!("{form}, left");
        let reading = async { reads(books(NUMBERS.into()), ticks(1.5)).await };
        let books = t.time(&label, exactly(1.5), reading).await;
        count(t, &label, &books);
    }
    Ok(())
}

/// `yield` hands out a book and suspends. The next line runs when the reader asks for one more.
fn generator(numbers: Vec<u32>) -> Books {
    Box::pin(stream! {
        for number in numbers {
            let book = fetch(number).await;
            yield book;
        }
    })
}

/// What the generator keeps in a variable is the state here: the numbers that are still to be fetched. Each call
/// takes the state, and returns an item with the next state, or `None` at the end.
fn unfolded(numbers: Vec<u32>) -> Books {
    Box::pin(unfold(numbers.into_iter(), async |mut rest| {
        let book = fetch(rest.next()?).await;
        Some((book, rest))
    }))
}

/// The task fetches the next book while the reader is busy with this one. It works ahead by as much as the channel
/// holds, and by the book that waits to be sent.
fn sent_by_a_task(numbers: Vec<u32>) -> Books {
    let (sender, receiver) = channel(1);
    tokio::spawn(async move {
        for number in numbers {
            let book = fetch(number).await;
            // The only place where the task finds out that the reader is gone.
            if sender.send(book).await.is_err() {
                return;
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Reads for so long, or until the end. What has been read by then is kept: it isn't part of the future that the
/// timeout drops.
async fn reads(books: Books, patience: Duration) -> Vec<u32> {
    let mut read = Vec::new();
    let reading = books.for_each(|book| {
        read.push(book);
        std::future::ready(())
    });
    // Both outcomes are fine: the stream was read to its end, or the time is up.
    let _outcome = timeout(patience, reading).await;
    read
}

#[instrument(ret)]
async fn fetch(number: u32) -> u32 {
    sleep(ticks(1)).await;
    number
}

fn count(t: &mut Timings, label: &str, books: &[u32]) {
    let fetches = |how| ended(&t[label], how);
    let (dropped, running) = (fetches(Ended::Cancelled), fetches(Ended::Outlived));
    t.count("books read", books.len());
    t.count("fetches dropped", dropped);
    t.count("left running", running);
}

fn ended(variant: &Variant, how: Ended) -> usize {
    let lanes = variant.lanes.iter();
    lanes.filter(|lane| lane.ended == how).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn all_forms_hand_out_a_book_a_tick() {
        let t = Timings::of(run).await;
        for (form, _) in FORMS {
            assert_eq!(t[form].elapsed, ticks(3), "{form}");
            assert_eq!(*t[form].count("books read"), 3, "{form}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_drops_the_fetch_unless_it_is_in_a_task() {
        let t = Timings::of(run).await;
        for (label, dropped, running) in [
            ("stream!, left", 1, 0),
            ("unfold, left", 1, 0),
            ("channel, left", 0, 1),
        ] {
            assert_eq!(t[label].elapsed, ticks(1.5), "{label}");
            assert_eq!(*t[label].count("books read"), 1, "{label}");
            assert_eq!(*t[label].count("fetches dropped"), dropped, "{label}");
            assert_eq!(*t[label].count("left running"), running, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_works_ahead_of_a_reader_that_does_not_ask() {
        for (form, ahead) in [("stream!", 0), ("unfold", 0), ("channel", 2)] {
            let (_, books) = FORMS.into_iter().find(|(name, _)| *name == form).unwrap();
            let mut t = Timings::default();
            t.time(form, exactly(10), async {
                let _unread = books(NUMBERS.into());
                sleep(ticks(10)).await;
            })
            .await;
            assert_eq!(ended(&t[form], Ended::Returned), ahead, "{form}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn all_forms_hand_out_the_same_even_nothing(numbers in vec(0_u32..100, 0..8)) {
            on_virtual_clock(async {
                for (form, books) in FORMS {
                    let read: Vec<_> = books(numbers.clone()).collect().await;
                    prop_assert_eq!(&read, &numbers, "{}", form);
                }
                Ok(())
            })?;
        }
    }
}
