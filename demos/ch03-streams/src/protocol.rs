//! # `async fn` in a trait: generic, `dyn`, and spawned
//!
//! Two catalogues answer the same question, one after 1 tick and one after 2. A generic function is compiled for each
//! of them, and each future has a size of its own: over 1 000 bytes for the archive, which holds a page of 1 KiB
//! while it waits, and far less for the card index. Behind `dyn` both need the same size. So each call puts its
//! future in a box, and the caller holds 16 bytes for either (two addresses of 64 bits). If the futures are to be
//! spawned, the trait has to say that they are `Send` (see `tasks/what-spawn-asks`). The card index holds an `Rc`
//! while it waits, so there two archives are asked.
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
//! in a generic function `tokio::spawn` refuses such a future ("future cannot be sent between threads safely"), even
//! if those of all catalogues are `Send`: the compiler goes by the trait. Where it knows the type, it checks the
//! future.

use std::{cell::Cell, hint::black_box, rc::Rc, sync::Arc};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt, LocalBoxFuture, try_join_all};
use timing::{Timings, law::max, ticks};
use tokio::{spawn, time::sleep};
use tracing::instrument;

const BOOK: u32 = 31;

pub async fn run(t: &mut Timings) -> Result<()> {
    let (cards, archive) = (Cards::default(), Archive { time: 2 });
    let both = async { tokio::join!(asks("cards", &cards), asks("archive", &archive)) };
    t.time("generic", max([1, 2]), both).await;
    t.count("bytes: cards", bytes(&cards));
    t.count("bytes: archive", bytes(&archive));

    let both: [Box<dyn DynCatalogue>; 2] = [Box::new(cards), Box::new(archive)];
    // Each call makes a box, and with `**` it is the future in the box that is measured.
    let futures = both.each_ref().map(|catalogue| catalogue.find_boxed(BOOK));
    let held = futures.each_ref().map(size_of_val);
    let boxed = futures.each_ref().map(|future| size_of_val(&**future));
    let [cards, archive] = futures;
    let both = async { tokio::join!(waits_for("cards", cards), waits_for("archive", archive)) };
    t.time("dyn", max([1, 2]), both).await;
    t.count("bytes: cards", held[0]);
    t.count("bytes: archive", held[1]);
    t.count("bytes in boxes", boxed[0] + boxed[1]);

    let archives = || [1, 2].map(|time| Arc::new(Archive { time }));
    let both = spawns(archives());
    t.time("generic, spawned", max([1, 2]), both).await?;

    let both = spawns_any(archives().map(|archive| archive as Arc<dyn DynSharedCatalogue>));
    t.time("dyn, spawned", max([1, 2]), both).await?;
    Ok(())
}

/// Promises nothing about its futures: one may hold an `Rc` while it waits.
trait Catalogue {
    async fn find(&self, book: u32) -> u32;
}

/// Compiled once for every type that it is called with.
#[instrument(ret, skip(catalogue))]
async fn asks(name: &str, catalogue: &impl Catalogue) -> u32 {
    catalogue.find(BOOK).await
}

/// The size of the future, before it is polled and without the span that `asks` puts around it.
fn bytes(catalogue: &impl Catalogue) -> usize {
    size_of_val(&catalogue.find(BOOK))
}

/// For `dyn`, where the type isn't known before the call, and so neither is the size of the future. A box of it has
/// always the same size: the future's address and its vtable's.
trait DynCatalogue {
    fn find_boxed(&self, book: u32) -> LocalBoxFuture<'_, u32>;
}

/// A type that implements `Catalogue` has the boxed form too, without a line of its own.
impl<C: Catalogue> DynCatalogue for C {
    fn find_boxed(&self, book: u32) -> LocalBoxFuture<'_, u32> {
        self.find(book).boxed_local() // `boxed` would ask for a `Send` that `Catalogue` doesn't promise
    }
}

/// No type of a catalogue is named here, and this function is compiled once.
#[instrument(ret, skip(future))]
async fn waits_for(name: &str, future: LocalBoxFuture<'_, u32>) -> u32 {
    future.await
}

trait SharedCatalogue: Send + Sync + 'static {
    // <- the difference: an `async fn` has no place for a bound on its future. This is the same, written out, and has
    // one. The compiler checks it at every `impl`.
    fn find_shared(&self, book: u32) -> impl Future<Output = u32> + Send;
}

/// Also for catalogues that are written later. So the compiler can't look into their futures here, and knows only
/// what the trait says: without its `Send` this doesn't compile.
async fn spawns<C: SharedCatalogue>(catalogues: [Arc<C>; 2]) -> Result<Vec<u32>> {
    let tasks = catalogues.map(|catalogue| spawn(asks_shared(catalogue)));
    Ok(try_join_all(tasks).await?)
}

#[instrument(ret, skip_all)]
async fn asks_shared(catalogue: Arc<impl SharedCatalogue>) -> u32 {
    catalogue.find_shared(BOOK).await
}

/// For `dyn` and in a task: the `Send` is in the type of the box.
trait DynSharedCatalogue: Send + Sync {
    fn find_sent(&self, book: u32) -> BoxFuture<'_, u32>;
}

impl<C: SharedCatalogue> DynSharedCatalogue for C {
    fn find_sent(&self, book: u32) -> BoxFuture<'_, u32> {
        self.find_shared(book).boxed()
    }
}

async fn spawns_any(catalogues: [Arc<dyn DynSharedCatalogue>; 2]) -> Result<Vec<u32>> {
    let tasks = catalogues.map(|catalogue| spawn(asks_any(catalogue)));
    Ok(try_join_all(tasks).await?)
}

#[instrument(ret, skip_all)]
async fn asks_any(catalogue: Arc<dyn DynSharedCatalogue>) -> u32 {
    catalogue.find_sent(BOOK).await
}

#[derive(Default)]
struct Cards {
    drawers_open: Rc<Cell<u32>>,
}

impl Catalogue for Cards {
    async fn find(&self, book: u32) -> u32 {
        let open = self.drawers_open.clone(); // held while it waits
        open.update(|count| count + 1);
        sleep(ticks(1)).await;
        open.update(|count| count - 1);
        book / 10
    }
}

struct Archive {
    time: u32,
}

impl Catalogue for Archive {
    async fn find(&self, book: u32) -> u32 {
        let page = [0_u8; 1024];
        sleep(ticks(self.time)).await;
        black_box(&page); // counts as a use after the wait, so the future has to hold the page
        book / 10
    }
}

impl SharedCatalogue for Archive {
    // An `impl` may still say `async fn`.
    async fn find_shared(&self, book: u32) -> u32 {
        self.find(book).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended::Returned, Variant};

    #[track_caller]
    fn number(variant: &Variant, what: &str) -> i64 {
        variant.count(what).whole()
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
        for what in ["bytes: cards", "bytes: archive"] {
            assert_eq!(*boxed.count(what), 2 * size_of::<usize>(), "two addresses");
        }
        let unboxed = number(generic, "bytes: cards") + number(generic, "bytes: archive");
        assert_eq!(
            *boxed.count("bytes in boxes"),
            unboxed,
            "both, and nothing is saved"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn every_form_waits_for_both_side_by_side() {
        let t = Timings::of(run).await;
        for label in ["generic", "dyn", "generic, spawned", "dyn, spawned"] {
            assert_eq!(t[label].elapsed, ticks(2), "{label}");
            let ended: Vec<_> = t[label].lanes.iter().map(|lane| lane.ended).collect();
            assert_eq!(ended, [Returned; 2], "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_form_answers_the_same() {
        let (cards, archive) = (Cards::default(), Archive { time: 2 });
        assert_eq!(
            [asks("cards", &cards).await, asks("archive", &archive).await],
            [3, 3]
        );
        assert_eq!(waits_for("cards", cards.find_boxed(BOOK)).await, 3);
        let archive = Arc::new(archive);
        let both = [archive.clone(), archive.clone()];
        assert_eq!(spawns(both).await.unwrap(), [3, 3]);
        assert_eq!(
            spawns_any([archive.clone(), archive]).await.unwrap(),
            [3, 3]
        );
    }

    /// The compiler is the test: where the type is known, it looks into the future itself.
    #[tokio::test(start_paused = true)]
    async fn a_known_type_needs_no_send_in_the_trait() {
        let found = spawn(async { Archive { time: 1 }.find(BOOK).await });
        assert_eq!(found.await.unwrap(), 3);
    }
}
