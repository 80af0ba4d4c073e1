use std::time::Duration;

use crate::report::{Lane, Lesson, Poll};

/// The polls of a lesson that took `threshold` or longer, in words, the longest first: the task and how long it kept
/// its thread, which is what asyncio's debug mode logs as a slow callback. On other threads than the loop's nobody is
/// held up; those polls are told if `elsewhere` too.
pub fn slow_polls(lesson: &Lesson, threshold: Duration, elsewhere: bool) -> Vec<String> {
    let lanes = lesson.variants.iter().flat_map(|variant| &variant.lanes);
    let polls = lanes.flat_map(|lane| lane.polls.iter().map(move |poll| (lane, poll)));
    let mut slow: Vec<_> = polls
        .filter(|(_, poll)| poll.length() >= threshold && (elsewhere || poll.on_loop))
        .collect();
    slow.sort_by_key(|(_, poll)| std::cmp::Reverse(poll.length()));
    slow.into_iter()
        .map(|(lane, poll)| sentence(lane, poll))
        .collect()
}

fn sentence(lane: &Lane, poll: &Poll) -> String {
    let label = &lane.label;
    let ms = poll.length().as_secs_f64() * 1e3;
    let ms = if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    };
    if poll.on_loop {
        format!("{label} held the loop for {ms} ms; nothing else could run.")
    } else {
        format!("{label} kept a thread of its own busy for {ms} ms.")
    }
}
