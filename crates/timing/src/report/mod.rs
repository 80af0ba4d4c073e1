//! What was measured, as plain data: nothing here measures, judges or draws. Durations are whole nanoseconds in JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::law::Law;
pub use count::{Count, Value};

mod count;
pub(crate) mod nanos;

/// The version of the JSON document; its schema is `crates/timing/schema/report-1.json`.
pub const SCHEMA: u32 = 1;

/// One invocation of a chapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program and its version.
    pub tool: String,
    /// `debug` or `release`.
    pub build: Build,
    /// The clock the lessons ran on.
    pub clock: Clock,
    /// How long a tick lasted.
    #[serde(rename = "tick_ns", with = "nanos")]
    pub tick: Duration,
    /// In the order they ran.
    pub lessons: Vec<Lesson>,
}

impl Report {
    /// A report without lessons, of this build and this process's tick.
    ///
    /// ```
    /// use timing::report::{Clock, Report};
    /// let json = serde_json::to_value(Report::new(Clock::Virtual)).unwrap();
    /// assert_eq!(json["clock"], "virtual");
    /// assert_eq!(json["tick_ns"], 100_000_000);
    /// ```
    pub fn new(clock: Clock) -> Self {
        Self {
            schema: SCHEMA,
            tool: concat!("waitwise ", env!("CARGO_PKG_VERSION")).into(),
            build: Build::THIS,
            clock,
            tick: crate::tick(),
            lessons: Vec::new(),
        }
    }
}

/// How the program was built. Speed is only worth comparing between builds of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// Without optimisation.
    Debug,
    /// Optimised.
    Release,
}

impl Build {
    /// This program's.
    pub const THIS: Self = if cfg!(debug_assertions) {
        Self::Debug
    } else {
        Self::Release
    };
}

/// Which clock the durations were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The machine's.
    Real,
    /// Tokio's paused clock, which jumps to the next timer when nothing else can run.
    Virtual,
}

/// One lesson, run once or, with `--repeat`, several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Chapter and lesson: `basics/sleep`.
    pub name: String,
    /// The first line of its file.
    pub title: String,
    /// The asyncio names it answers to.
    pub asyncio: Vec<String>,
    /// Whether it ran.
    pub outcome: Outcome,
    /// What was said before the first variant began.
    pub said: Vec<Said>,
    /// In the order they ran.
    pub variants: Vec<Variant>,
}

/// Whether a lesson ran to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "why")]
pub enum Outcome {
    /// To its end.
    Ran,
    /// Not at all, for this reason.
    Skipped(String),
    /// It returned an error or panicked.
    Failed(String),
}

/// One way of doing a lesson's work, and what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Unique within its lesson.
    pub label: String,
    /// What it promised, if anything.
    pub law: Option<Law>,
    /// How long it took; of several runs, the one in the middle.
    #[serde(rename = "elapsed_ns", with = "nanos")]
    pub elapsed: Duration,
    /// How long every run took, in the order they ran.
    #[serde(rename = "runs_ns", with = "nanos::list")]
    pub runs: Vec<Duration>,
    /// Whether the promise was kept.
    pub verdict: Verdict,
    /// Figures beside the time.
    pub counts: Vec<Count>,
    /// In the order of their first polls.
    pub lanes: Vec<Lane>,
    /// In the order it was said.
    pub said: Vec<Said>,
    /// What was not kept, so that memory stays bounded.
    pub left_out: LeftOut,
}

impl Variant {
    /// The first lane whose label contains `part`.
    ///
    /// ```
    /// use timing::{Timings, law::none};
    ///
    /// #[tracing::instrument(ret, target = "ch01_basics")]
    /// fn pour(cups: u32) {}
    ///
    /// let mut t = Timings::default();
    /// t.time_blocking("tea", none(), || pour(2));
    /// assert_eq!(t["tea"].lane("pour").label, "pour(2)");
    /// ```
    ///
    /// # Panics
    ///
    /// When there is none: the message names those there are.
    #[track_caller]
    pub fn lane(&self, part: &str) -> &Lane {
        let lane = self.lanes.iter().find(|lane| lane.label.contains(part));
        lane.unwrap_or_else(|| {
            let labels: Vec<_> = self.lanes.iter().map(|lane| &lane.label).collect();
            panic!(
                "no lane of {:?} contains {part:?}; it has {labels:?}",
                self.label
            )
        })
    }

    /// The figure of this name; [`Timings::count`](crate::Timings::count) shows one.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn count(&self, what: &str) -> &Value {
        let count = self.counts.iter().find(|count| count.what == what);
        &count
            .unwrap_or_else(|| panic!("{:?} counts no {what:?}: {:?}", self.label, self.counts))
            .value
    }
}

/// The judgement on a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is no law, or the conditions for it weren't given.
    NotJudged,
    /// Kept.
    Kept,
    /// Broken; of several runs, at least once.
    Broken,
}

/// One run of an instrumented function: from its first poll to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The function and its arguments: `cook("tea", 1)`.
    pub label: String,
    /// Its first poll, from the variant's start.
    #[serde(rename = "start_ns", with = "nanos")]
    pub start: Duration,
    /// When it ended, or was ended.
    #[serde(rename = "end_ns", with = "nanos")]
    pub end: Duration,
    /// How it ended.
    pub ended: Ended,
    /// Every time it was given the thread. Between them it waited.
    pub polls: Vec<Poll>,
}

impl Lane {
    /// The longest poll: how long the lane kept its thread without a break. Zero for a lane without polls.
    pub fn longest_poll(&self) -> Duration {
        self.polls
            .iter()
            .map(Poll::length)
            .max()
            .unwrap_or_default()
    }
}

/// How a lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It ran to its end.
    Returned,
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// Its future was dropped before it was done.
    Cancelled,
    /// It was still there when the variant ended, and is drawn to there.
    Outlived,
}

/// One poll: from when a lane got the thread to when it gave it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// From the variant's start.
    #[serde(rename = "start_ns", with = "nanos")]
    pub start: Duration,
    /// From the variant's start.
    #[serde(rename = "end_ns", with = "nanos")]
    pub end: Duration,
    /// The place among all polls of the variant, by their starts: tells the order where the clock stands still.
    pub turn: u32,
    /// Whether it ran on the thread that drives the variant's event loop. A long poll there holds up everything else.
    pub on_loop: bool,
}

impl Poll {
    /// How long the thread was kept.
    pub fn length(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

/// A line of narration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// From the variant's start.
    #[serde(rename = "at_ns", with = "nanos")]
    pub at: Duration,
    /// The label of the lane it was said in.
    pub lane: Option<String>,
    /// How loud.
    pub level: Level,
    /// The message and its fields.
    pub text: String,
}

/// How loud a line was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// An `info!`.
    Info,
    /// A `warn!`.
    Warn,
    /// An `error!`, an `Err` that a lane returned, or a panic.
    Error,
}

/// What a variant did that its record doesn't hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Spans refused past the cap: they have no lane.
    pub spans: u64,
    /// Polls past the cap: their lanes look as if they had waited.
    pub polls: u64,
    /// Lines of narration past the cap.
    pub said: u64,
}
