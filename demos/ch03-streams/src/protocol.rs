//! # `async fn` in a trait: generic, `dyn`, and spawned
//!
//! Two catalogues answer the same question, one after 1 tick and one after 2. A generic function is compiled for each
//! of them, and each future has a size of its own: over 1 000 bytes for the archive, which holds a page of 1 KiB
//! while it waits, and far less for the card index. Behind `dyn` both need the same size. So each call makes a box, 2
//! in all, and the caller holds 16 bytes for either future (two addresses of 64 bits). Neither form starts a task.
//! For the 2 tasks of the third form the trait has to say that its futures are `Send`.
//!
//! asyncio: ABC, Protocol, abstractmethod
//!
//! ```python
//! class Catalogue(typing.Protocol):
//!     async def find(self, book: int) -> int: ...
//!
//! async def asks(catalogue: Catalogue): return await catalogue.find(31)
//! ```
//!
//! Not the same: in Python `asks` takes any catalogue, from a list or in a task, since all coroutines are objects of
//! one type. In Rust a trait with an `async fn` can't be `dyn` (E0038), because its futures have different types. And
//! in a generic function `tokio::spawn` refuses such a future ("cannot be sent between threads safely", E0277), even
//! if those of all catalogues are `Send`: the compiler goes by the trait. Where the type is known, it looks itself.

use std::{cell::Cell, collections::HashSet, hint::black_box, rc::Rc, sync::Arc};

use anyhow::Result;
use futures_util::future::{FutureExt, LocalBoxFuture, join_all};
use timing::{Timings, law::max, ticks};
use tokio::{
    task::{Id, JoinSet, try_id},
    time::sleep,
};
use tracing::instrument;

const BOOK: u32 = 31;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (cards, archive) = (Cards::default(), Archive { time: 2 });
    let found = t
        .time("generic", max([1, 2]), async {
            let (one, other) = tokio::join!(asks(&cards), asks(&archive));
            vec![one, other]
        })
        .await;
    count(t, &found);
    t.count("bytes: cards", bytes(&cards));
    t.count("bytes: archive", bytes(&archive));

    let both: [Box<dyn DynCatalogue>; 2] = [Box::new(cards), Box::new(archive)];
    // Each call makes a box, and with `*` it is the future in the box that is measured.
    let futures = both.each_ref().map(|catalogue| catalogue.find_boxed(BOOK));
    let here = futures.each_ref().map(size_of_val);
    let inside = futures.each_ref().map(|future| size_of_val(&**future));
    let boxes = futures.len();
    let found = join_all(futures.map(waits_for));
    let found = t.time("dyn", max([1, 2]), found).await;
    count(t, &found);
    t.count("bytes: cards", here[0]);
    t.count("bytes: archive", here[1]);
    t.count("boxes", boxes);
    t.count("bytes in boxes", inside[0] + inside[1]);

    // Two archives: the card index has an `Rc`, so its futures aren't `Send`, and the compiler refuses the `impl` of
    // `SharedCatalogue` for it.
    let both = [1, 2].map(|time| Arc::new(Archive { time }));
    let found = t.time("spawned", max([1, 2]), spawns(both)).await?;
    count(t, &found);
    Ok(())
}

/// Promises nothing about its futures: one may hold an `Rc` while it waits.
trait Catalogue {
    async fn find(&self, book: u32) -> Found;
}

/// Compiled once for every type that it is called with.
#[instrument(ret, skip_all)]
async fn asks(catalogue: &impl Catalogue) -> Found {
    catalogue.find(BOOK).await
}

/// The size of the future, before it is polled and without the span that `asks` puts around it.
fn bytes(catalogue: &impl Catalogue) -> usize {
    size_of_val(&catalogue.find(BOOK))
}

/// For `dyn`, where the type isn't known before the call, and so neither is the size of the future. A box of it has a
/// size that is always the same: an address, and that of a table of its functions.
trait DynCatalogue {
    fn find_boxed(&self, book: u32) -> LocalBoxFuture<'_, Found>;
}

/// A type that implements `Catalogue` has the boxed form too, without a line of its own.
impl<C: Catalogue> DynCatalogue for C {
    fn find_boxed(&self, book: u32) -> LocalBoxFuture<'_, Found> {
        self.find(book).boxed_local() // `boxed` would ask for a `Send` that `Catalogue` doesn't promise
    }
}

/// No type of a catalogue is named here, and this function is compiled once.
#[instrument(ret, skip_all)]
async fn waits_for(boxed: LocalBoxFuture<'_, Found>) -> Found {
    boxed.await
}

trait SharedCatalogue: Send + Sync + 'static {
    // <- the difference: an `async fn` has no place for a bound on its future. This is the same, written out, and has
    // one. The compiler checks it at every `impl`.
    fn find(&self, book: u32) -> impl Future<Output = Found> + Send;
}

/// Also for catalogues that are written later. So the compiler can't look into their futures here, and knows only
/// what the trait says.
async fn spawns<C: SharedCatalogue>(catalogues: [Arc<C>; 2]) -> Result<Vec<Found>> {
    let mut look_ups = JoinSet::new();
    for catalogue in catalogues {
        look_ups.spawn(asks_shared(catalogue)); // E0277 without the `Send` in the trait
    }
    let mut all = Vec::new();
    while let Some(found) = look_ups.join_next().await {
        all.push(found?);
    }
    Ok(all)
}

#[instrument(ret, skip_all)]
async fn asks_shared(catalogue: Arc<impl SharedCatalogue>) -> Found {
    catalogue.find(BOOK).await
}

#[derive(Default)]
struct Cards {
    drawers_open: Rc<Cell<u32>>,
}

impl Catalogue for Cards {
    async fn find(&self, book: u32) -> Found {
        let open = self.drawers_open.clone(); // held while it waits
        open.update(|count| count + 1);
        sleep(ticks(1)).await;
        open.update(|count| count - 1);
        Found::on_shelf(book / 10)
    }
}

struct Archive {
    time: u32,
}

impl Catalogue for Archive {
    async fn find(&self, book: u32) -> Found {
        let page = [0_u8; 1024];
        sleep(ticks(self.time)).await;
        black_box(&page); // counts as a use after the wait, so the future has to hold the page
        Found::on_shelf(book / 10)
    }
}

impl SharedCatalogue for Archive {
    // An `impl` may still say `async fn`.
    async fn find(&self, book: u32) -> Found {
        Catalogue::find(self, book).await
    }
}

#[derive(Clone, Copy, Debug)]
struct Found {
    shelf: u32,
    /// The task that found it, if it was one.
    task: Option<Id>,
}

impl Found {
    fn on_shelf(shelf: u32) -> Self {
        let task = try_id();
        Self { shelf, task }
    }
}

fn count(t: &mut Timings, found: &[Found]) {
    let shelves: HashSet<u32> = found.iter().map(|found| found.shelf).collect();
    let tasks: HashSet<Id> = found.iter().filter_map(|found| found.task).collect();
    t.count("different answers", shelves.len());
    t.count("tasks", tasks.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended::Returned, Value, Variant};

    #[track_caller]
    fn number(variant: &Variant, what: &str) -> i64 {
        match variant.count(what) {
            Value::Whole(number) => *number,
            other => panic!("{other:?} is not a whole number"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn generic_futures_have_sizes_of_their_own() {
        let t = Timings::of(run).await;
        assert!(number(&t["generic"], "bytes: archive") > 1024, "the page");
        assert!(number(&t["generic"], "bytes: cards") < 512);
    }

    #[tokio::test(start_paused = true)]
    async fn dyn_has_one_size_for_all_and_makes_a_box_for_each_call() {
        let t = Timings::of(run).await;
        let (generic, boxed) = (&t["generic"], &t["dyn"]);
        assert_eq!(*boxed.count("boxes"), 2);
        for what in ["bytes: cards", "bytes: archive"] {
            assert_eq!(
                *boxed.count(what),
                2 * size_of::<usize>(),
                "an address and a table"
            );
        }
        let unboxed = number(generic, "bytes: cards") + number(generic, "bytes: archive");
        assert_eq!(*boxed.count("bytes in boxes"), unboxed, "nothing is saved");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_trait_that_says_send_makes_tasks_in_a_generic_function() {
        let t = Timings::of(run).await;
        for (label, tasks) in [("generic", 0), ("dyn", 0), ("spawned", 2)] {
            assert_eq!(*t[label].count("tasks"), tasks, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_form_answers_the_same_in_the_same_time() {
        let t = Timings::of(run).await;
        for label in ["generic", "dyn", "spawned"] {
            assert_eq!(t[label].elapsed, ticks(2), "{label}");
            assert_eq!(*t[label].count("different answers"), 1, "{label}");
            let ended: Vec<_> = t[label].lanes.iter().map(|lane| lane.ended).collect();
            assert_eq!(ended, [Returned; 2], "{label}");
        }
    }

    /// The compiler is the test: where the type is known, it looks into the future itself.
    #[tokio::test(start_paused = true)]
    async fn a_known_type_needs_no_send_in_the_trait() {
        let found = tokio::spawn(async { Catalogue::find(&Archive { time: 1 }, BOOK).await });
        assert_eq!(found.await.unwrap().shelf, 3);
    }
}
