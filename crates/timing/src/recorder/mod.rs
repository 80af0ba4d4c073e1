//! From `tracing` to lanes: a span becomes a lane, every enter and exit a poll, every event a line of narration.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread::ThreadId,
    time::Duration,
};

use tokio::time::Instant;
use tracing_subscriber::{layer::SubscriberExt, registry::Registry};

use crate::{
    law::Law,
    report::{Ended, Lane, LeftOut, Level, Poll, Said},
};

mod fields;
mod layer;

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

/// A variant while it runs.
struct Recording {
    start: Instant,
    loop_thread: ThreadId,
    lanes: Vec<OpenLane>,
    said: Vec<Said>,
    spans: usize,
    turns: u32,
    left_out: LeftOut,
    kept_polls: usize,
}

struct OpenLane {
    lane: Lane,
    /// The poll that is going on.
    entered: Option<Entered>,
    /// Ended in the poll that is going on, or before it.
    ended: Option<Ended>,
}

struct Entered {
    at: Duration,
    turn: u32,
    on_loop: bool,
    unwinding: bool,
}

/// What a variant left behind.
#[derive(Default)]
pub(crate) struct Recorded {
    pub lanes: Vec<Lane>,
    pub said: Vec<Said>,
    pub left_out: LeftOut,
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
    pub fn listen(&self, listener: impl Fn(Live<'_>) + Send + Sync + 'static) {
        self.state().listener = Some(Arc::new(listener));
    }

    /// Makes this the recorder of the current thread until the guard is dropped.
    pub(crate) fn on_this_thread(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(Registry::default().with(self.clone()))
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
        if variant.said.len() < MAX_SAID {
            variant.said.push(said.clone());
        } else {
            variant.left_out.said += 1;
        }
    }

    /// The variant of this epoch, if it still runs.
    fn variant(&mut self, epoch: u32) -> Option<&mut Recording> {
        self.variant.as_mut().filter(|_| self.epoch == epoch)
    }
}

impl Recording {
    fn new(start: Instant) -> Self {
        Self {
            start,
            loop_thread: std::thread::current().id(),
            lanes: Vec::new(),
            said: Vec::new(),
            spans: 0,
            turns: 0,
            left_out: LeftOut::default(),
            kept_polls: 0,
        }
    }

    /// Whether one more span may be opened; counts it either way.
    fn admit(&mut self) -> bool {
        let admitted = self.spans < MAX_SPANS;
        if admitted {
            self.spans += 1;
        } else {
            self.left_out.spans += 1;
        }
        admitted
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn open(&mut self, label: &str) -> usize {
        let start = self.now();
        let lane = Lane {
            label: label.to_owned(),
            start,
            end: start,
            ended: Ended::Outlived,
            polls: Vec::new(),
        };
        self.lanes.push(OpenLane {
            lane,
            entered: None,
            ended: None,
        });
        self.lanes.len() - 1
    }

    fn enter(&mut self, index: usize, unwinding: bool) {
        let turn = self.turns;
        self.turns += 1;
        let on_loop = std::thread::current().id() == self.loop_thread;
        let at = self.now();
        self.lanes[index].entered = Some(Entered {
            at,
            turn,
            on_loop,
            unwinding,
        });
    }

    fn exit(&mut self, index: usize, unwinding: bool) {
        let now = self.now();
        let open = &mut self.lanes[index];
        let Some(entered) = open.entered.take() else {
            return;
        };
        // An instrumented future is dropped inside its span. After its end, or while another lane's panic unwinds,
        // that is no poll.
        let done = open.ended.is_some() && open.lane.ended != Ended::Outlived;
        if done || entered.unwinding {
            if open.ended.is_none() {
                open.end(now, Ended::Cancelled);
            }
            return;
        }
        if unwinding {
            open.ended = Some(Ended::Panicked);
        }
        if let Some(ended) = open.ended {
            open.end(now, ended);
        }
        if self.kept_polls < MAX_POLLS {
            self.kept_polls += 1;
            open.lane.polls.push(entered.until(now));
        } else {
            self.left_out.polls += 1;
        }
    }

    /// The span is gone. Without an ending before, its future was dropped, and the last enter was the drop's.
    fn close(&mut self, index: usize) {
        let now = self.now();
        let open = &mut self.lanes[index];
        if open.ended.is_some() {
            return;
        }
        let dropped = open.lane.polls.pop().map_or(now, |drop| {
            self.kept_polls -= 1;
            drop.start
        });
        open.end(dropped, Ended::Cancelled);
    }

    fn finish(self) -> Recorded {
        let now = self.now();
        let lanes = self.lanes.into_iter().map(|mut open| {
            if let Some(entered) = open.entered.take() {
                open.lane.polls.push(entered.until(now));
            }
            if open.ended.is_none() {
                open.lane.end = now;
            }
            open.lane
        });
        Recorded {
            // Dropped before it was ever polled: it never ran, and has no lane.
            lanes: lanes.filter(|lane| !lane.polls.is_empty()).collect(),
            said: self.said,
            left_out: self.left_out,
        }
    }
}

impl OpenLane {
    fn end(&mut self, now: Duration, ended: Ended) {
        self.ended = Some(ended);
        self.lane.end = now;
        self.lane.ended = ended;
    }
}

impl Entered {
    fn until(self, end: Duration) -> Poll {
        Poll {
            start: self.at,
            end,
            turn: self.turn,
            on_loop: self.on_loop,
        }
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
