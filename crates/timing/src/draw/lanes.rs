//! One lane as a row of cells.

use std::time::Duration;

use anstyle::Style;

use super::{BOLD, DIM, Pen, RED, painted};
use crate::report::{Ended, Lane, Poll};

/// What a cell of a lane shows. The order is the order of the legend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Empty,
    Waiting,
    Polled,
    Busy,
    /// Busy on the loop's own thread past the threshold.
    Blocking,
    Ended(Mark),
}

/// Endings that aren't a return.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Cancelled,
    Failed,
    Panicked,
    Outlived,
}

impl Cell {
    pub(super) fn glyph(self, pen: Pen) -> char {
        let (full, plain) = match self {
            Self::Empty => (' ', ' '),
            Self::Waiting => ('─', '-'),
            Self::Polled => ('▌', '|'),
            Self::Busy | Self::Blocking => ('█', '#'),
            Self::Ended(Mark::Cancelled) => ('╳', 'x'),
            Self::Ended(Mark::Failed) => ('✗', 'X'),
            Self::Ended(Mark::Panicked) => ('!', '!'),
            Self::Ended(Mark::Outlived) => ('▷', '>'),
        };
        if pen.ascii { plain } else { full }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Self::Empty | Self::Polled | Self::Ended(Mark::Outlived) => Style::new(),
            Self::Waiting => DIM,
            Self::Busy => BOLD,
            Self::Blocking | Self::Ended(_) => RED,
        }
    }

    /// What the legend calls it.
    pub(super) fn meaning(self) -> Option<&'static str> {
        Some(match self {
            Self::Empty | Self::Blocking => return None,
            Self::Waiting => "waiting",
            Self::Polled => "polled",
            Self::Busy => "busy or blocking",
            Self::Ended(Mark::Cancelled) => "cancelled",
            Self::Ended(Mark::Failed) => "failed",
            Self::Ended(Mark::Panicked) => "panicked",
            Self::Ended(Mark::Outlived) => "went on",
        })
    }
}

/// Where things stand on the axis that all variants of a lesson share.
pub(super) enum Axis {
    /// By the clock: this long is the whole width.
    Time { whole: Duration, width: usize },
    /// By the order of polls, where the clock hardly moves: columns from one poll to the next.
    Order { step: usize, width: usize },
}

/// The most columns from one poll to the next.
const WIDEST_STEP: usize = 8;

impl Axis {
    pub(super) fn by_time(whole: Duration, width: usize) -> Self {
        Self::Time { whole, width }
    }

    /// As wide as it takes, and no wider than there is room.
    pub(super) fn by_order(polls: usize, room: usize) -> Self {
        let step = (room / polls.max(1)).clamp(1, WIDEST_STEP);
        Self::Order {
            step,
            width: (polls * step).clamp(3, room),
        }
    }

    fn start(&self, poll: &Poll) -> usize {
        match *self {
            Self::Time { .. } => self.at(poll.start),
            Self::Order { step, width } => (poll.turn as usize * step).min(width - 1),
        }
    }

    fn at(&self, time: Duration) -> usize {
        match *self {
            Self::Time { whole, width } => {
                let share = time.as_secs_f64() / whole.as_secs_f64();
                ((share * (width - 1) as f64).round() as usize).min(width - 1)
            }
            Self::Order { .. } => 0,
        }
    }

    pub(super) fn width(&self) -> usize {
        match *self {
            Self::Time { width, .. } | Self::Order { width, .. } => width,
        }
    }

    /// Whether a poll is long enough to be seen as long.
    fn shows_length(&self, poll: &Poll, slow: Duration) -> bool {
        match *self {
            Self::Time { whole, width } => poll.length() >= (whole / width as u32).min(slow),
            Self::Order { .. } => false,
        }
    }

    fn end(&self, lane: &Lane) -> usize {
        match *self {
            Self::Time { .. } => self.at(lane.end),
            Self::Order { step, width } => {
                let last = lane.polls.last().map_or(0, |poll| self.start(poll));
                let behind = if lane.ended == Ended::Returned {
                    0
                } else {
                    step.div_ceil(2)
                };
                (last + behind).min(width - 1)
            }
        }
    }
}

/// The cells of one lane.
pub(super) fn cells(lane: &Lane, axis: &Axis, pen: Pen) -> Vec<Cell> {
    let mut cells = vec![Cell::Empty; axis.width()];
    let (first, end) = (
        lane.polls.first().map_or(0, |poll| axis.start(poll)),
        axis.end(lane),
    );
    cells[first..=end.max(first)].fill(Cell::Waiting);
    for poll in &lane.polls {
        let start = axis.start(poll);
        if axis.shows_length(poll, pen.slow) {
            let blocking = poll.on_loop && poll.length() >= pen.slow;
            let stop = axis.at(poll.end).max(start + 1).min(cells.len() - 1);
            let busy = if blocking { Cell::Blocking } else { Cell::Busy };
            cells[start..stop].fill(busy);
            cells[stop] = cells[stop].max(Cell::Polled);
        } else {
            cells[start] = cells[start].max(Cell::Polled);
        }
    }
    if let Some(mark) = mark(lane.ended) {
        cells[end.max(first)] = Cell::Ended(mark);
    }
    cells
}

fn mark(ended: Ended) -> Option<Mark> {
    match ended {
        Ended::Returned => None,
        Ended::Failed => Some(Mark::Failed),
        Ended::Panicked => Some(Mark::Panicked),
        Ended::Cancelled => Some(Mark::Cancelled),
        Ended::Outlived => Some(Mark::Outlived),
    }
}

/// Cells of one kind side by side share their colour codes.
pub(super) fn paint(cells: &[Cell], pen: Pen) -> String {
    let cells = &cells[..cells
        .iter()
        .rposition(|&cell| cell != Cell::Empty)
        .map_or(0, |last| last + 1)];
    let runs = cells.chunk_by(|a, b| a == b);
    runs.map(|run| {
        let glyphs: String = run.iter().map(|cell| cell.glyph(pen)).collect();
        if run[0].style() == Style::new() {
            glyphs
        } else {
            painted(run[0].style(), &glyphs)
        }
    })
    .collect()
}
