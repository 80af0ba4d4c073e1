use std::{collections::BTreeSet, fmt::Write, time::Duration};

use super::{
    BOLD, DIM, Pen, WIDTH,
    lanes::{Axis, Cell, cells, paint},
    painted, pick,
    table::Unit,
    widest,
};
use crate::report::{Lane, Lesson, Variant};

/// Below this the clock tells nothing and the order of polls is drawn instead.
const STANDS_STILL: Duration = Duration::from_millis(1);

/// Lane labels are indented below their variant's.
const INDENT: &str = "  ";

/// The timeline of a lesson: a row a lane, on one scale for all variants. Where all of them take less than a
/// millisecond, as on a clock that stands still, the polls are drawn in their order. Empty when nothing was recorded.
pub fn timeline(lesson: &Lesson, pen: Pen) -> String {
    let drawn: Vec<(&Variant, Vec<&Lane>)> = lesson
        .variants
        .iter()
        .map(|variant| (variant, pick::lanes(variant)))
        .collect();
    if drawn.iter().all(|(_, lanes)| lanes.is_empty()) {
        return String::new();
    }
    let longest = lesson
        .variants
        .iter()
        .map(|variant| variant.elapsed)
        .max()
        .unwrap_or_default();
    let polls = most_polls(&lesson.variants);
    // What promises to take no time is about the order, however long the machine takes for it.
    let timeless = |variant: &Variant| variant.law.as_ref().is_some_and(|law| law.bound.is_zero());
    let by_order = longest < STANDS_STILL || lesson.variants.iter().all(timeless);
    let end = if by_order {
        format!("{polls} polls")
    } else {
        Unit::of([longest].into_iter()).show(longest)
    };
    let labels = label_width(&drawn, pen);
    let left = 2 + labels + " 0 ".len();
    let room = WIDTH - left - 1 - end.len();
    let axis = if by_order {
        Axis::by_order(polls, room)
    } else {
        Axis::by_time(longest, room)
    };

    let mut out = String::new();
    let mut used = BTreeSet::from([Cell::Waiting, Cell::Polled]);
    let ruler = painted(DIM, &ruler(axis.width(), &end, pen));
    line(&mut out, &format!("  {:labels$} {ruler}", ""));
    for (variant, lanes) in &drawn {
        // Paint after cutting: what is trimmed at the end of a line mustn't be inside the colour codes.
        line(
            &mut out,
            &format!("  {}", painted(BOLD, &pen.fit(&variant.label, labels))),
        );
        for lane in lanes {
            let label = pen.column(&format!("{INDENT}{}", lane.label), labels);
            let cells = cells(lane, &axis, pen);
            line(&mut out, &format!("  {label}   {}", paint(&cells, pen)));
            used.extend(cells);
        }
        let hidden = variant.lanes.len() - lanes.len();
        if let Some(more) = more(hidden, variant, pen) {
            line(&mut out, &format!("  {INDENT}{more}"));
        }
    }
    line(&mut out, &legend(used, by_order, pen));
    out
}

fn most_polls(variants: &[Variant]) -> usize {
    let polls = |variant: &Variant| {
        let turns = variant
            .lanes
            .iter()
            .flat_map(|lane| &lane.polls)
            .map(|poll| poll.turn);
        turns.max().map_or(0, |last| last as usize + 1)
    };
    variants.iter().map(polls).max().unwrap_or(0)
}

/// Wide enough for the longest label, as long as half the line is left for the lanes.
fn label_width(drawn: &[(&Variant, Vec<&Lane>)], pen: Pen) -> usize {
    let texts: Vec<String> = drawn
        .iter()
        .flat_map(|(variant, lanes)| {
            let lanes = lanes.iter().map(|lane| format!("{INDENT}{}", lane.label));
            lanes.chain([variant.label.clone()])
        })
        .map(|text| pen.text(&text).into_owned())
        .collect();
    widest(texts.iter().map(String::as_str)).min(WIDTH / 2 - 8)
}

/// Drawn apart from the lanes: on a line of its own, and not in their strokes.
fn ruler(width: usize, end: &str, pen: Pen) -> String {
    let (corner, between) = if pen.ascii {
        ('+', '.')
    } else {
        ('┬', '┄')
    };
    let between: String = std::iter::repeat_n(between, width - 2).collect();
    format!("0 {corner}{between}{corner} {}", pen.text(end))
}

/// What of a variant isn't drawn, or wasn't recorded.
fn more(hidden: usize, variant: &Variant, pen: Pen) -> Option<String> {
    let mut parts = Vec::new();
    if hidden > 0 {
        parts.push(format!("{hidden} more lanes"));
    }
    if variant.left_out.spans > 0 {
        parts.push(format!("{} not recorded", variant.left_out.spans));
    }
    if variant.left_out.polls > 0 {
        parts.push(format!("{} polls not kept", variant.left_out.polls));
    }
    if parts.is_empty() {
        return None;
    }
    Some(pen.text(&format!("… {}", parts.join(", "))).into_owned())
}

fn legend(used: BTreeSet<Cell>, by_order: bool, pen: Pen) -> String {
    let blocking = used.contains(&Cell::Blocking).then_some(Cell::Busy);
    let shown: BTreeSet<Cell> = used.into_iter().chain(blocking).collect();
    let mut legend = String::from("  ");
    if by_order {
        legend.push_str("polls in their order:  ");
    }
    let parts: Vec<String> = shown
        .into_iter()
        .filter_map(|cell| {
            let meaning = cell.meaning()?;
            Some(format!(
                "{} {meaning}",
                painted(cell.style(), &cell.glyph(pen).to_string())
            ))
        })
        .collect();
    // Writing to a String can't fail.
    let _ = write!(legend, "{}", parts.join("  "));
    legend
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
