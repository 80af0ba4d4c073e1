use std::{cmp::Reverse, time::Duration};

use unicode_width::UnicodeWidthStr;

use super::{Pen, WIDTH};
use crate::report::{Lane, Lesson, Poll, Variant};

/// The polls of a lesson that took `pen.slow` or longer, in words, the longest first: the variant, the lane and how long
/// it kept its thread, which is what asyncio's debug mode logs as a slow callback. Where one lane polls another on the
/// loop's thread, the inner one is named; the outer one only if it was slow by itself, too. On other threads than the
/// loop's nobody is held up; those polls are told if `elsewhere` too. Each sentence leaves two columns for a margin.
pub fn slow_polls(lesson: &Lesson, pen: Pen, elsewhere: bool) -> Vec<String> {
    let mut slow: Vec<_> = lesson
        .variants
        .iter()
        .flat_map(|variant| {
            let polls = to_blame(variant, pen.slow, elsewhere).into_iter();
            polls.map(move |(lane, poll)| (variant, lane, poll))
        })
        .collect();
    slow.sort_by_key(|(_, _, poll)| Reverse(poll.length()));
    slow.into_iter()
        .map(|(variant, lane, poll)| sentence(variant, lane, poll, pen))
        .collect()
}

/// The slow polls of a variant, without those that only polled a slow one.
fn to_blame(variant: &Variant, slow: Duration, elsewhere: bool) -> Vec<(&Lane, &Poll)> {
    let polls = variant.lanes.iter();
    let polls = polls.flat_map(|lane| lane.polls.iter().map(move |poll| (lane, poll)));
    let (mut on_loop, others): (Vec<_>, Vec<_>) = polls
        .filter(|(_, poll)| poll.length() >= slow)
        .partition(|(_, poll)| poll.on_loop);
    on_loop.sort_by_key(|(_, poll)| poll.turn);

    // One thread: two polls that overlap are one inside the other.
    let mut inside = vec![Duration::ZERO; on_loop.len()];
    let mut around: Vec<usize> = Vec::new();
    for (index, (_, poll)) in on_loop.iter().enumerate() {
        while around
            .pop_if(|outer| on_loop[*outer].1.end <= poll.start)
            .is_some()
        {}
        if let Some(&outer) = around.last() {
            inside[outer] += poll.length();
        }
        around.push(index);
    }
    let by_itself = |&((_, poll), inside): &((&Lane, &Poll), Duration)| {
        poll.length().saturating_sub(inside) >= slow
    };
    let on_loop = on_loop.into_iter().zip(inside).filter(by_itself);
    let others = others.into_iter().filter(|_| elsewhere);
    on_loop.map(|(named, _)| named).chain(others).collect()
}

fn sentence(variant: &Variant, lane: &Lane, poll: &Poll, pen: Pen) -> String {
    let ms = poll.length().as_secs_f64() * 1e3;
    let ms = if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    };
    let what = if poll.on_loop {
        format!(" held the loop for {ms} ms")
    } else {
        format!(" kept another thread for {ms} ms")
    };
    let place = format!("{}: ", pen.fit(&variant.label, 28));
    let room = (WIDTH - 2).saturating_sub(place.width() + what.width());
    format!("{place}{}{what}", pen.fit(&lane.label, room))
}
