//! # A generator: `stream!`, `unfold`, or a task that sends
//!
//! A generator fetches 3 books, 1 tick each, and its reader needs 1 tick to shelve each of them. With `stream!` and
//! `unfold` the next fetch begins when the reader asks for the next book: 6 ticks. A task that sends the books into a
//! channel (see `queues/bounded`) fetches it while the reader is busy: 4 ticks. The other difference shows when the
//! reader leaves in the middle of the second fetch. With `stream!` and `unfold` that fetch is dropped at its
//! `.await`: 0 are left running. The task isn't part of the reader, and its fetch goes on: 1 is left running.
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
//! Not the same: a Python reader that is cancelled raises CancelledError in the generator's `await`, and the
//! generator's clean-up may await; a Rust stream is dropped (see `streams/left-early`). Stable Rust has no `yield`.
//! `stream!` is a macro of the crate async-stream that lets you write it. Without a macro a generator is a state and
//! a function from one state to the next (`unfold`), a task that sends into a channel, or `poll_next` written by hand
//! (see `streams/iterator`).

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
type Form = fn(Vec<u32>) -> Books;

const FORMS: [(&str, Form); 3] = [
    ("stream!", generator),
    ("unfold", unfolded),
    ("channel", sent_by_a_task),
];

pub async fn run(t: &mut Timings) -> Result<()> {
    // A fetch and a shelving for each book; or the first fetch, and then a shelving beside each of the others.
    let laws = [sum([1 + 1; 3]), sum([1 + 1; 3]), sum([1, 1, 1, 1])];
    for ((name, form), law) in FORMS.into_iter().zip(laws) {
        let read = t.time(name, law, reads(form)).await;
        t.count("books read", read);
    }
    for (name, form) in FORMS {
        let label = &*format!("{name}, left");
        let read = t.time(label, exactly(1.5), leaves(form)).await;
        let [dropped, running] =
            [Ended::Cancelled, Ended::Outlived].map(|how| fetches(&t[label], how));
        t.count("books read", read);
        t.count("fetches dropped", dropped);
        t.count("left running", running);
    }
    Ok(())
}

/// `yield` hands out a book and suspends. The loop goes on when the reader asks for one more.
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
        let number = rest.next()?; // no number left: returns `None`, which ends the stream
        Some((fetch(number).await, rest))
    }))
}

/// The task works ahead by as much as the channel holds, and by the book that waits to be sent. Nobody awaits its
/// handle: if it panics, the sender is dropped, and to the reader that is the ordinary end of the stream.
fn sent_by_a_task(numbers: Vec<u32>) -> Books {
    let (sender, receiver) = channel(1);
    tokio::spawn(async move {
        for number in numbers {
            let book = fetch(number).await;
            // Only here does this task find out that the reader is gone.
            if sender.send(book).await.is_err() {
                return;
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Asks for the next book when it has shelved this one.
async fn reads(form: Form) -> usize {
    form(NUMBERS.into()).then(shelve).count().await
}

/// Leaves after 1.5 ticks: the timeout drops the future that holds the stream.
async fn leaves(form: Form) -> usize {
    let mut read = 0;
    let reading = form(NUMBERS.into()).for_each(|_| {
        read += 1;
        std::future::ready(())
    });
    let _too_late = timeout(ticks(1.5), reading).await;
    read
}

#[instrument(ret)]
async fn fetch(number: u32) -> u32 {
    sleep(ticks(1)).await;
    number
}

#[instrument(ret)]
async fn shelve(book: u32) {
    sleep(ticks(1)).await;
}

fn fetches(variant: &Variant, ended: Ended) -> usize {
    let fetches = variant
        .lanes
        .iter()
        .filter(|lane| lane.label.starts_with("fetch"));
    fetches.filter(|lane| lane.ended == ended).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn only_a_task_fetches_while_the_reader_is_busy() {
        let t = Timings::of(run).await;
        for (form, time) in [("stream!", 6), ("unfold", 6), ("channel", 4)] {
            assert_eq!(t[form].elapsed, ticks(time), "{form}");
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
    async fn a_task_that_was_left_ends_after_the_fetch_that_it_has_begun() {
        let mut t = Timings::default();
        let left = async {
            leaves(sent_by_a_task).await;
            sleep(ticks(10)).await;
        };
        t.time("channel", None, left).await;
        let lanes = t["channel"].lanes.iter();
        let lanes: Vec<_> = lanes.map(|lane| (&*lane.label, lane.end)).collect();
        assert_eq!(lanes, [("fetch(31)", ticks(1)), ("fetch(4)", ticks(2))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_works_ahead_of_a_reader_that_does_not_ask() {
        for ((name, form), ahead) in FORMS.into_iter().zip([0, 0, 2]) {
            let mut t = Timings::default();
            let unread = async {
                let _unread = form(NUMBERS.into());
                sleep(ticks(10)).await;
            };
            t.time(name, None, unread).await;
            assert_eq!(fetches(&t[name], Ended::Returned), ahead, "{name}");
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_is_an_ordinary_end_to_its_reader() {
        let (sender, receiver) = channel(1);
        tokio::spawn(async move {
            sender.send(31).await.unwrap();
            panic!("on purpose");
        });
        let books: Vec<u32> = ReceiverStream::new(receiver).collect().await;
        assert_eq!(books, [31]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn all_forms_hand_out_the_same_even_nothing(numbers in vec(0_u32..100, 0..8)) {
            on_virtual_clock(async {
                for (name, form) in FORMS {
                    let read: Vec<_> = form(numbers.clone()).collect().await;
                    prop_assert_eq!(&read, &numbers, "{}", name);
                }
                Ok(())
            })?;
        }
    }
}
