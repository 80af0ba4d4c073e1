//! The Chrome trace-event file, for Perfetto and speedscope: a process per variant, a row per lane, a slice per poll.
//!
//! Three habits of the readers decide its shape. Perfetto rounds to whole nanoseconds and drops a slice that overlaps
//! another one of its row without lying inside it; speedscope adds `ts` and `dur` as they stand, and refuses a file in
//! which any event, even one that only names a row, lacks a `ts`. Both keep the file's order where times are equal, so
//! a lane comes before its polls. Rows are numbered through the whole file, since Perfetto names them by that alone.

use std::{io, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use crate::report::{Lane, Lesson, Report, Said, Variant};

/// Writes the trace of a report.
///
/// Every variant begins at 0, so that lengths can be compared by eye. The first row of a variant is its own, with its
/// law and what was said outside of any lane; then come its lanes, in the order of their first polls.
///
/// ```
/// use timing::{report::{Clock, Report}, trace};
///
/// let mut file = Vec::new();
/// trace::write(&Report::new(Clock::Virtual), &mut file)?;
/// assert!(file.starts_with(br#"{"displayTimeUnit":"ms""#));
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// When `to` can't be written.
pub fn write(report: &Report, mut to: impl io::Write) -> io::Result<()> {
    let trace = Trace {
        display_time_unit: "ms",
        other_data: json!({
            "schema": report.schema,
            "tool": report.tool,
            "build": report.build,
            "clock": report.clock,
            "tick_ns": u64::try_from(report.tick.as_nanos()).unwrap_or(u64::MAX),
        }),
        trace_events: events(report),
    };
    serde_json::to_writer(&mut to, &trace)?;
    to.write_all(b"\n")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    // Ahead of the events: some readers look for it in the first piece of the file only.
    display_time_unit: &'a str,
    other_data: Value,
    trace_events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    ph: &'a str,
    pid: usize,
    tid: usize,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// Of an instant: how far its mark reaches, "t" for its row.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    args: Value,
}

/// Where a slice or a mark stands.
#[derive(Clone, Copy)]
struct Row {
    pid: usize,
    tid: usize,
}

fn events(report: &Report) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    // Numbers start at 1: Perfetto takes process 0 and row 0 for the idle system.
    let (mut pid, mut tid) = (1, 1);
    for lesson in &report.lessons {
        for (index, variant) in lesson.variants.iter().enumerate() {
            let own = Row { pid, tid };
            own.name_variant(&mut events, lesson, variant);
            if index == 0 {
                for said in &lesson.said {
                    events.push(own.mark(said, Duration::ZERO));
                }
            }
            for (index, lane) in variant.lanes.iter().enumerate() {
                own.below(index).draw(&mut events, lane);
            }
            for said in &variant.said {
                events.push(own.of(variant, said).mark(said, said.at));
            }
            pid += 1;
            tid += 1 + variant.lanes.len();
        }
    }
    events
}

impl Row {
    /// The row of the lane at this place; `self` is the variant's own.
    fn below(self, index: usize) -> Self {
        let tid = self.tid + 1 + index;
        Self { tid, ..self }
    }

    /// The row of the lane a line was said in. Of several with one label it is the one that was there at the time.
    fn of(self, variant: &Variant, said: &Said) -> Self {
        let Some(label) = &said.lane else { return self };
        let mut lanes = variant.lanes.iter().enumerate();
        let mut named = lanes
            .by_ref()
            .filter(|(_, lane)| lane.label == *label)
            .peekable();
        let first = named.peek().map(|(index, _)| *index);
        let then = named.find(|(_, lane)| (lane.start..=lane.end).contains(&said.at));
        match then.map(|(index, _)| index).or(first) {
            Some(index) => self.below(index),
            None => self,
        }
    }

    fn name_variant<'a>(self, events: &mut Vec<Event<'a>>, lesson: &Lesson, variant: &'a Variant) {
        let process = format!("{} · {}", lesson.name, variant.label);
        events.push(self.metadata("process_name", json!({ "name": process })));
        events.push(self.metadata("process_sort_index", json!({ "sort_index": self.pid })));
        self.name_row(events, "variant");
        let args = json!({
            "law": variant.law.as_ref().map(|law| &law.text),
            "verdict": variant.verdict,
            "left_out": variant.left_out,
        });
        events.push(self.slice(&variant.label, Duration::ZERO, variant.elapsed, args));
    }

    fn draw<'a>(self, events: &mut Vec<Event<'a>>, lane: &'a Lane) {
        self.name_row(events, &lane.label);
        let ended = json!({ "ended": lane.ended });
        events.push(self.slice(&lane.label, lane.start, lane.end, ended));
        for poll in &lane.polls {
            let args = json!({ "on_loop": poll.on_loop, "turn": poll.turn });
            events.push(self.slice("poll", poll.start, poll.end, args));
        }
    }

    fn name_row(self, events: &mut Vec<Event<'_>>, name: &str) {
        events.push(self.metadata("thread_name", json!({ "name": name })));
        events.push(self.metadata("thread_sort_index", json!({ "sort_index": self.tid })));
    }

    fn metadata(self, name: &'static str, args: Value) -> Event<'static> {
        self.event(name, "M", 0.0, args)
    }

    fn mark(self, said: &Said, at: Duration) -> Event<'_> {
        let args = json!({ "level": said.level, "lane": said.lane });
        Event {
            s: Some("t"),
            ..self.event(&said.text, "i", micros(at), args)
        }
    }

    fn slice(self, name: &str, start: Duration, end: Duration, args: Value) -> Event<'_> {
        let ts = micros(start);
        Event {
            dur: Some(micros(end) - ts),
            ..self.event(name, "X", ts, args)
        }
    }

    fn event<'a>(self, name: &'a str, ph: &'static str, ts: f64, args: Value) -> Event<'a> {
        Event {
            name,
            ph,
            pid: self.pid,
            tid: self.tid,
            ts,
            dur: None,
            s: None,
            args,
        }
    }
}

/// In microseconds, the format's unit, to the nearest 4096th. Such numbers add and subtract without a rest for the first
/// 25 days, so a poll that ends with its lane does so to the last bit; thousandths would overrun it now and then. A
/// time is off by an eighth of a nanosecond at most and a length by a quarter: rounded, both are whole nanoseconds again.
fn micros(time: Duration) -> f64 {
    (time.as_nanos() as f64 * 4.096).round() / 4096.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times as a clock gives them: anything up to a day, in no pattern.
    fn times() -> impl Iterator<Item = (Duration, Duration)> {
        let mut state = 1_u64;
        let mut next = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) % below
        };
        (0..200_000).map(move |round| {
            let longest = 10_u64.pow(2 + round % 12);
            let start = Duration::from_nanos(next(longest));
            (start, start + Duration::from_nanos(next(longest)))
        })
    }

    #[test]
    fn start_and_length_add_up_to_the_end_to_the_last_bit() {
        for (start, end) in times() {
            let (ts, to) = (micros(start), micros(end));
            assert_eq!(ts + (to - ts), to, "{start:?} to {end:?}");
        }
    }

    #[test]
    fn a_reader_that_rounds_gets_the_whole_nanoseconds_back() {
        let rounded = |micros: f64| Duration::from_nanos((micros * 1000.0).round() as u64);
        for (start, end) in times() {
            let (ts, dur) = (micros(start), micros(end) - micros(start));
            assert_eq!((rounded(ts), rounded(dur)), (start, end - start));
        }
    }

    #[test]
    fn thousandths_of_a_microsecond_would_not_add_up() {
        let thousandths = |time: Duration| time.as_nanos() as f64 / 1000.0;
        let overruns = |(start, end): (Duration, Duration)| {
            thousandths(start) + thousandths(end - start) > thousandths(end)
        };
        assert!(times().any(overruns));
    }
}
