use std::{future::Future, ops::Index};

use tokio::time::Instant;
use tracing_subscriber::{Layer, registry::Registry};

use crate::{
    law::Law,
    recorder::Recorder,
    report::{Count, Said, Value, Variant, Verdict},
};

/// Measures the variants of one lesson, and holds what was measured.
///
/// `Timings::default()` is what tests use: it records the current thread, so tests run side by side. It therefore
/// stays on its thread, and a test holds one at a time.
///
/// ```
/// use timing::{Timings, law::max, ticks};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut t = Timings::default();
/// let (tea, stew) = t
///     .time("together", max([1, 2]), async {
///         tokio::join!(
///             async { tokio::time::sleep(ticks(1)).await; "tea" },
///             async { tokio::time::sleep(ticks(2)).await; "stew" },
///         )
///     })
///     .await;
/// assert_eq!((tea, stew), ("tea", "stew"));
/// assert_eq!(t["together"].elapsed, ticks(2));
/// # }
/// ```
pub struct Timings {
    recorder: Recorder,
    said: Vec<Said>,
    pub(crate) variants: Vec<Variant>,
    judged: bool,
    _own: Option<tracing::subscriber::DefaultGuard>,
}

impl Default for Timings {
    fn default() -> Self {
        let recorder = Recorder::default();
        let own = Some(recorder.on_this_thread());
        Self {
            _own: own,
            ..Self::on(recorder)
        }
    }
}

impl Timings {
    /// Measures with a recorder that is installed already.
    pub fn on(recorder: Recorder) -> Self {
        // What was said before belongs to the lesson before, and so does its clock.
        recorder.forget();
        Self {
            recorder,
            said: Vec::new(),
            variants: Vec::new(),
            judged: true,
            _own: None,
        }
    }

    /// Runs one variant and hands its output back. `law` is what it promises, or
    /// [`law::none()`](crate::law::none). A variant that is dropped on its way, or panics, leaves no measurement.
    ///
    /// # Panics
    ///
    /// When the lesson has a variant of this label already: the table could not tell them apart.
    pub async fn time<F: Future>(
        &mut self,
        label: impl Into<String>,
        law: impl Into<Option<Law>>,
        future: F,
    ) -> F::Output {
        let running = self.begin(label.into(), law.into());
        let output = future.await;
        let variant = running.end();
        self.variants.push(variant);
        output
    }

    /// The same for work that isn't a future: it runs on this thread, from here to its end.
    ///
    /// ```
    /// # use timing::{Timings, law::at_least};
    /// let mut t = Timings::default();
    /// let answer = t.time_blocking("added up", at_least(0), || 20 + 22);
    /// assert_eq!(answer, 42);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`time`](Self::time).
    pub fn time_blocking<T>(
        &mut self,
        label: impl Into<String>,
        law: impl Into<Option<Law>>,
        work: impl FnOnce() -> T,
    ) -> T {
        let running = self.begin(label.into(), law.into());
        let output = work();
        let variant = running.end();
        self.variants.push(variant);
        output
    }

    /// Puts a figure beside the variant that ran last: how many were in flight, lost, opened.
    ///
    /// ```
    /// # use timing::{Timings, law::none};
    /// # let mut t = Timings::default();
    /// t.time_blocking("without a lock", none(), || ());
    /// t.count("deposits lost", 4);
    /// assert_eq!(*t["without a lock"].count("deposits lost"), 4);
    /// ```
    ///
    /// # Panics
    ///
    /// When no variant has run yet.
    #[track_caller]
    pub fn count(&mut self, what: impl Into<String>, value: impl Into<Value>) {
        let variant = self.variants.last_mut();
        let counts = &mut variant
            .expect("a count stands beside a variant that has run")
            .counts;
        counts.push(Count {
            what: what.into(),
            value: value.into(),
        });
    }

    /// Says that the laws of this lesson can't be judged in this run, since the other side isn't ours: a server on
    /// the internet waits as long as it likes.
    ///
    /// ```
    /// # use timing::Timings;
    /// let mut t = Timings::default();
    /// t.judge_nothing();
    /// assert!(!t.finish().judged);
    /// ```
    pub fn judge_nothing(&mut self) {
        self.judged = false;
    }

    /// What was measured, when the lesson is over.
    pub fn finish(mut self) -> Measured {
        self.settle();
        Measured {
            said: self.said,
            variants: self.variants,
            judged: self.judged,
        }
    }

    /// Until the guard is dropped, `layer` is told of this thread's spans and events, those of libraries too, and the
    /// lesson is recorded as before.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// # use {timing::{Timings, law::none}, tracing::{Event, Subscriber, info}};
    /// # use tracing_subscriber::{Layer, layer::Context};
    /// struct Counts;
    /// static EVENTS: AtomicU32 = AtomicU32::new(0);
    /// impl<S: Subscriber> Layer<S> for Counts {
    ///     fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) { EVENTS.fetch_add(1, Relaxed); }
    /// }
    /// # let mut t = Timings::default();
    /// let _until_dropped = t.record_beside(Counts);
    /// t.time_blocking("tea", none(), || {
    ///     info!(target: "a_library", "heating");
    ///     info!(target: "ch01_basics", "ready");
    /// });
    /// assert_eq!(EVENTS.load(Relaxed), 2);
    /// assert_eq!(t["tea"].said.len(), 1);
    /// ```
    pub fn record_beside(
        &self,
        layer: impl Layer<Registry> + Send + Sync,
    ) -> tracing::subscriber::DefaultGuard {
        self.recorder.on_this_thread_beside(layer)
    }

    fn begin(&mut self, label: String, law: Option<Law>) -> Running {
        assert!(
            self.variants.iter().all(|variant| variant.label != label),
            "two variants are called {label:?}"
        );
        self.begin_again(label, law)
    }

    /// The same for a label that may have run already.
    pub(crate) fn begin_again(&mut self, label: String, law: Option<Law>) -> Running {
        self.settle();
        let start = self.recorder.begin(&label, law.as_ref());
        Running {
            recorder: self.recorder.clone(),
            label,
            law,
            start,
        }
    }

    /// Gives what was said since the last variant to that variant.
    pub(crate) fn settle(&mut self) {
        let said = self.recorder.take_said_after();
        match self.variants.last_mut() {
            Some(variant) => variant.said.extend(said),
            None => self.said.extend(said),
        }
    }
}

/// A variant of this label; panics when there is none. Lines said after it ended join it when the next one begins.
impl Index<&str> for Timings {
    type Output = Variant;

    #[track_caller]
    fn index(&self, label: &str) -> &Variant {
        let found = self.variants.iter().find(|variant| variant.label == label);
        found.unwrap_or_else(|| {
            let labels: Vec<_> = self.variants.iter().map(|variant| &variant.label).collect();
            panic!("no variant is called {label:?}; there are {labels:?}")
        })
    }
}

/// What [`Timings::finish`] hands over.
#[derive(Debug)]
pub struct Measured {
    /// What was said before the first variant.
    pub said: Vec<Said>,
    /// In the order they ran.
    pub variants: Vec<Variant>,
    /// Whether the laws can be judged at all.
    pub judged: bool,
}

/// A variant on its way. Dropping it closes its record, so that the next one starts clean.
pub(crate) struct Running {
    recorder: Recorder,
    label: String,
    law: Option<Law>,
    start: Instant,
}

impl Running {
    pub(crate) fn end(mut self) -> Variant {
        let elapsed = self.start.elapsed();
        let recorded = self.recorder.end().unwrap_or_default();
        Variant {
            label: std::mem::take(&mut self.label),
            law: self.law.take(),
            elapsed,
            runs: vec![elapsed],
            verdict: Verdict::NotJudged,
            counts: Vec::new(),
            lanes: recorded.lanes,
            said: recorded.said,
            left_out: recorded.left_out,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.recorder.end();
    }
}
