//! One variant while it runs: its lanes, and what every enter and exit means for them.

use std::{thread::ThreadId, time::Duration};

use tokio::{runtime::Handle, time::Instant};

use super::{MAX_POLLS, MAX_SAID, MAX_SPANS};
use crate::report::{Ended, Lane, LeftOut, Poll, Said};

/// A variant while it runs.
pub(super) struct Recording {
    start: Instant,
    /// The thread that drives the variant.
    thread: ThreadId,
    /// Whether it drove a runtime when the variant began; else the variant may still build one.
    on_runtime: bool,
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
    /// The poll before.
    last: Option<Last>,
}

struct Last {
    start: Duration,
    /// Past the cap it was only counted.
    kept: bool,
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

impl Recording {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            thread: std::thread::current().id(),
            on_runtime: Handle::try_current().is_ok(),
            lanes: Vec::new(),
            said: Vec::new(),
            spans: 0,
            turns: 0,
            left_out: LeftOut::default(),
            kept_polls: 0,
        }
    }

    /// Whether one more span may be opened; counts it either way.
    pub(super) fn admit(&mut self) -> bool {
        let admitted = self.spans < MAX_SPANS;
        if admitted {
            self.spans += 1;
        } else {
            self.left_out.spans += 1;
        }
        admitted
    }

    pub(super) fn keep_said(&mut self, said: &Said) {
        if self.said.len() < MAX_SAID {
            self.said.push(said.clone());
        } else {
            self.left_out.said += 1;
        }
    }

    /// The poll that reports its ending is still going on: the lane ends with its exit.
    pub(super) fn note_ending(&mut self, index: usize, ended: Ended) {
        self.lanes[index].ended = Some(ended);
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn open(&mut self, label: &str) -> usize {
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
            last: None,
        });
        self.lanes.len() - 1
    }

    pub(super) fn enter(&mut self, index: usize, unwinding: bool) {
        let turn = self.turns;
        self.turns += 1;
        let on_loop = std::thread::current().id() == self.thread
            && (self.on_runtime || Handle::try_current().is_ok());
        let at = self.now();
        self.lanes[index].entered = Some(Entered {
            at,
            turn,
            on_loop,
            unwinding,
        });
    }

    pub(super) fn exit(&mut self, index: usize, unwinding: bool) {
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
        let kept = self.kept_polls < MAX_POLLS;
        open.last = Some(Last {
            start: entered.at,
            kept,
        });
        if kept {
            self.kept_polls += 1;
            open.lane.polls.push(entered.until(now));
        } else {
            self.left_out.polls += 1;
        }
    }

    /// The span is gone. Without an ending before, its future was dropped, and the last enter was the drop's.
    pub(super) fn close(&mut self, index: usize) {
        let now = self.now();
        let open = &mut self.lanes[index];
        if open.ended.is_some() {
            return;
        }
        let drop = open.last.take();
        if let Some(Last { kept: true, .. }) = drop {
            open.lane.polls.pop();
            self.kept_polls -= 1;
        } else if drop.is_some() {
            self.left_out.polls -= 1;
        }
        open.end(drop.map_or(now, |drop| drop.start), Ended::Cancelled);
    }

    pub(super) fn finish(self) -> Recorded {
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
        // Dropped before it was ever polled: it never ran, and has no lane.
        let mut lanes: Vec<Lane> = lanes.filter(|lane| !lane.polls.is_empty()).collect();
        number_turns(&mut lanes);
        Recorded {
            lanes,
            said: self.said,
            left_out: self.left_out,
        }
    }
}

/// Counts the polls anew: enters that turned out to be drops have left gaps.
fn number_turns(lanes: &mut [Lane]) {
    let mut polls: Vec<&mut Poll> = lanes.iter_mut().flat_map(|lane| &mut lane.polls).collect();
    polls.sort_unstable_by_key(|poll| poll.turn);
    for (turn, poll) in (0..).zip(polls) {
        poll.turn = turn;
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
