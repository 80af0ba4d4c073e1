//! From `tracing` to lanes: a span becomes a lane, every enter and exit a poll, every event a line of narration.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use tokio::time::Instant;
use tracing::Dispatch;
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt, registry::Registry};

use crate::{
    law::Law,
    report::{Level, Said},
};
pub(crate) use recording::Recorded;
use recording::Recording;

mod fields;
mod layer;
mod recording;

/// Spans a variant may open before further ones are refused. More lanes than this nobody reads, and a million of
/// them would be what the lesson measures.
pub const MAX_SPANS: usize = 10_000;

/// Polls a variant keeps.
pub const MAX_POLLS: usize = 200_000;

/// Lines of narration a variant keeps.
pub const MAX_SAID: usize = 10_000;

/// What a listener is told while a lesson runs.
#[derive(Debug)]
pub enum Live<'a> {
    /// A variant begins.
    Begins {
        /// Its label.
        label: &'a str,
        /// Its law.
        law: Option<&'a Law>,
    },
    /// Something was said.
    Said(&'a Said),
    /// The variant has ended.
    Ends,
}

type Listener = Arc<dyn Fn(Live<'_>) + Send + Sync>;

/// Records what happens in spans of the chapters' crates. Cloning gives another handle to the same record.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The variant that runs now.
    variant: Option<Recording>,
    /// Which variant of the process this is: a span that outlives its own must not write into the next.
    epoch: u32,
    /// When the last variant began: what is said after its end is stamped with its clock.
    began: Option<Instant>,
    /// What was said since the last variant ended.
    after: Vec<Said>,
    listener: Option<Listener>,
}

impl Recorder {
    /// Installs a recorder for every thread of the process that has none of its own, and makes a panic inside a span
    /// a line of narration in its lane.
    ///
    /// # Errors
    ///
    /// When the process has a global subscriber already.
    pub fn install() -> Result<Self, tracing::subscriber::SetGlobalDefaultError> {
        let recorder = Self::default();
        tracing::subscriber::set_global_default(Registry::default().with(recorder.clone()))?;
        narrate_panics(recorder.clone());
        Ok(recorder)
    }

    /// Calls `listener` with everything that happens from now on, on the thread where it happens.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use timing::{Timings, law::none, recorder::{Live, Recorder}};
    ///
    /// let recorder = Recorder::install().unwrap();
    /// let heard = Arc::new(Mutex::new(Vec::new()));
    /// let ears = heard.clone();
    /// recorder.listen(move |live| {
    ///     if let Live::Said(said) = live {
    ///         ears.lock().unwrap().push(said.text.clone());
    ///     }
    /// });
    /// Timings::on(recorder).time_blocking("tea", none(), || {
    ///     tracing::info!(target: "ch01_basics", cups = 2, "ready");
    /// });
    /// assert_eq!(*heard.lock().unwrap(), ["ready cups=2"]);
    /// ```
    pub fn listen(&self, listener: impl Fn(Live<'_>) + Send + Sync + 'static) {
        self.state().listener = Some(Arc::new(listener));
    }

    /// Makes this the recorder of the current thread until the guard is dropped.
    pub(crate) fn on_this_thread(&self) -> tracing::subscriber::DefaultGuard {
        // tracing remembers for every span whether anybody wants it. While there is one subscriber in all, it asks the
        // thread that comes first, and a thread without a recorder would answer for the others. With two it asks both.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Registry::default()));
        LazyLock::force(&SECOND);
        tracing::subscriber::set_default(Registry::default().with(self.clone()))
    }

    /// The same, with a layer of somebody else's that gets what it wants of all libraries.
    pub(crate) fn on_this_thread_beside(
        &self,
        layer: impl Layer<Registry> + Send + Sync,
    ) -> tracing::subscriber::DefaultGuard {
        // A layer that never wants a span keeps it from the others, too, unless that is said by a filter of its own.
        let recorder = self.clone().with_filter(filter_fn(layer::from_a_chapter));
        tracing::subscriber::set_default(Registry::default().with(layer).with(recorder))
    }

    pub(crate) fn begin(&self, label: &str, law: Option<&Law>) -> Instant {
        let listener = self.state().listener.clone();
        if let Some(listen) = &listener {
            listen(Live::Begins { label, law });
        }
        let mut state = self.state();
        let start = Instant::now();
        state.epoch += 1;
        state.began = Some(start);
        state.variant = Some(Recording::new(start));
        start
    }

    /// Closes what is open. Harmless when no variant runs.
    pub(crate) fn end(&self) -> Option<Recorded> {
        let (recorded, listener) = {
            let mut state = self.state();
            let variant = state.variant.take()?;
            (variant.finish(), state.listener.clone())
        };
        if let Some(listen) = &listener {
            listen(Live::Ends);
        }
        Some(recorded)
    }

    /// Forgets the last variant: its clock, and what was said since it ended.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.began = None;
        state.after.clear();
    }

    /// What was said since the last variant ended.
    pub(crate) fn take_said_after(&self) -> Vec<Said> {
        std::mem::take(&mut self.state().after)
    }

    fn say(&self, lane: Option<&str>, level: Level, text: String) {
        let (said, listener) = {
            let mut state = self.state();
            let at = state.began.map(|began| began.elapsed()).unwrap_or_default();
            let said = Said {
                at,
                lane: lane.map(str::to_owned),
                level,
                text,
            };
            state.keep_said(&said);
            (said, state.listener.clone())
        };
        // Without the lock: a listener that prints may block, and may itself be instrumented.
        if let Some(listen) = listener {
            listen(Live::Said(&said));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside a lesson is recorded like everything else; it leaves no half-made state.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn keep_said(&mut self, said: &Said) {
        let Some(variant) = &mut self.variant else {
            if self.after.len() < MAX_SAID {
                self.after.push(said.clone());
            }
            return;
        };
        variant.keep_said(said);
    }

    /// The variant of this epoch, if it still runs.
    fn variant(&mut self, epoch: u32) -> Option<&mut Recording> {
        self.variant.as_mut().filter(|_| self.epoch == epoch)
    }
}

/// A panic that a lesson provokes is part of its story: one line in its lane instead of a backtrace on stderr.
fn narrate_panics(recorder: Recorder) {
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("(no message)");
        let lane = layer::current_label();
        recorder.say(
            lane.as_deref(),
            Level::Error,
            format!("panicked: {message}"),
        );
    }));
}
