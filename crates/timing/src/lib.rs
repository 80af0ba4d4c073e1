//! The small timing helper that every chapter shares: measure variants of a job, record every poll on the way, judge
//! the times against their laws, and draw what happened.
//!
//! * [`Timings`] measures: `t.time("label", law, future).await`.
//! * [`law`] says what a variant promises; [`judge`] whether it kept it.
//! * [`Recorder`](recorder::Recorder) turns the spans of `#[instrument(ret)]` into lanes and every enter into a poll.
//! * [`beside_ticker`] tells how long the loop stood still beside some work.
//! * [`AtOnce`] counts how many are in one place at once.
//! * [`report`] is the result as plain data; [`draw`] makes the table and the timeline of it, [`trace`] the file that
//!   Perfetto and speedscope open.
//!
//! Measuring, judging and drawing don't know each other: they meet in the [`report`].

mod at_once;
pub mod draw;
pub mod judge;
pub mod law;
pub mod memory;
mod of;
mod rate;
pub mod recorder;
pub mod report;
mod tick;
mod ticker;
mod timings;
pub mod trace;
mod virtual_clock;

pub use at_once::{AtOnce, Inside};
pub use tick::{TickError, check_tick, set_tick, tick, ticks};
pub use ticker::{Ticked, beside_ticker};
pub use timings::{Measured, Timings};
pub use virtual_clock::on_virtual_clock;
