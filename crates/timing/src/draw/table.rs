use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr;

use super::{GREEN, Pen, RED, WIDTH, painted};
use crate::{
    law::{Kind, Law},
    report::{Count, Lesson, Value, Variant, Verdict},
};

/// Below this a quotient tells the noise of the machine.
const COMPARABLE: Duration = Duration::from_millis(1);

/// The table of a lesson: what was measured, the law, the speed-up over the first variant; and below it, where
/// the lesson counted something, the counts. Empty when no variant ran.
pub fn table(lesson: &Lesson, pen: Pen) -> String {
    if lesson.variants.is_empty() {
        return String::new();
    }
    let times = times(&lesson.variants, pen);
    let (kept, broken) = (pen.text("✓"), pen.text("✗"));
    let painted_times = times
        .replace(
            &format!(" {kept} "),
            &format!(" {} ", painted(GREEN, &kept)),
        )
        .replace(
            &format!(" {broken} "),
            &format!(" {} ", painted(RED, &broken)),
        );
    match counts(&lesson.variants, pen) {
        Some(counts) => format!("{painted_times}\n{counts}"),
        None => painted_times,
    }
}

fn times(variants: &[Variant], pen: Pen) -> String {
    let unit = Unit::of(variants.iter().flat_map(|variant| &variant.runs).copied());
    let repeated = variants.iter().any(|variant| variant.runs.len() > 1);
    let compared = variants.iter().skip(1).any(|variant| {
        speed_up(variant, &variants[0]).is_some() && promises_differ(variant, &variants[0])
    });
    let with_law = variants.iter().any(|variant| variant.law.is_some());

    let mut table = bare_table();
    let mut head = if repeated {
        vec!["min", "median", "max"]
    } else {
        vec!["measured"]
    };
    let figures = head.len();
    let law_head = format!("law, in ticks of {}", length(crate::tick()));
    head.extend(with_law.then_some(law_head.as_str()));
    head.extend(compared.then_some("speed-up"));
    head.push("variant");
    table.add_row(head.iter().map(|name| pen.text(name).into_owned()));

    for variant in variants {
        let mut row = if repeated {
            let runs = || variant.runs.iter().copied();
            [runs().min(), Some(variant.elapsed), runs().max()]
                .map(|time| unit.show(time.unwrap_or_default()))
                .to_vec()
        } else {
            vec![unit.show(variant.elapsed)]
        };
        row.extend(with_law.then(|| law(variant, unit, pen)));
        row.extend(compared.then(|| speed_up(variant, &variants[0]).unwrap_or_default()));
        row.push(variant.label.clone());
        table.add_row(row.iter().map(|cell| pen.text(cell).into_owned()));
    }
    for column in (0..figures).chain(compared.then_some(figures + usize::from(with_law))) {
        right_aligned(&mut table, column);
    }
    // Only the labels may wrap: a law in two lines is hard to compare.
    for column in 0..table.column_count() - 1 {
        let column = table.column_mut(column).expect("there are so many");
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    indented(table)
}

/// A tick's length: whole milliseconds below a second.
fn length(tick: Duration) -> String {
    match tick.as_secs() {
        0 => format!("{} ms", tick.as_millis()),
        _ => format!("{} s", tick.as_secs_f64()),
    }
}

/// The formula, what it comes to, and whether it was kept.
fn law(variant: &Variant, unit: Unit, pen: Pen) -> String {
    let Some(law) = &variant.law else {
        return String::new();
    };
    let sign = match variant.verdict {
        Verdict::Kept => " ✓",
        Verdict::Broken => " ✗",
        Verdict::NotJudged => "",
    };
    format!(
        "{} = {}{sign}",
        pen.fit(&law.text, 28),
        unit.show(law.bound)
    )
}

/// How many times as fast as the first variant; 0.50 is half as fast. Nothing for a variant that does another job.
fn speed_up(variant: &Variant, first: &Variant) -> Option<String> {
    let long_enough = variant.elapsed >= COMPARABLE && first.elapsed >= COMPARABLE;
    let comparable = long_enough && same_job(variant.law.as_ref(), first.law.as_ref());
    comparable.then(|| three_digits(first.elapsed.as_secs_f64() / variant.elapsed.as_secs_f64()))
}

/// Whether two variants wait for the same in all. A bound on one side doesn't say how much there is to wait for, and no
/// law says nothing: such a variant may do another job, so its time stands by itself.
fn same_job(one: Option<&Law>, other: Option<&Law>) -> bool {
    let one_sided = |law: &Law| matches!(law.kind, Kind::AtLeast | Kind::AtMost);
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    one.waiting == other.waiting && !one_sided(one) && !one_sided(other)
}

/// Whether a speed-up says anything: where all laws promise the same time it tells the noise of the machine.
fn promises_differ(variant: &Variant, first: &Variant) -> bool {
    let promised = |variant: &Variant| variant.law.as_ref().map(|law| law.bound);
    promised(variant) != promised(first)
}

/// A second table: a row a variant, a column for each thing counted.
fn counts(variants: &[Variant], pen: Pen) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for count in variants.iter().flat_map(|variant| &variant.counts) {
        if !names.contains(&count.what.as_str()) {
            names.push(&count.what);
        }
    }
    if names.is_empty() {
        return None;
    }
    let mut table = bare_table();
    table.add_row(
        names
            .iter()
            .copied()
            .chain(["variant"])
            .map(|name| pen.text(name).into_owned()),
    );
    for variant in variants.iter().filter(|variant| !variant.counts.is_empty()) {
        let value = |name: &&str| {
            let count = variant.counts.iter().find(|count| count.what == *name);
            count.map(shown).unwrap_or_default()
        };
        let row = names.iter().map(value).chain([variant.label.clone()]);
        table.add_row(row.map(|cell| pen.text(&cell).into_owned()));
    }
    for (column, name) in names.iter().enumerate() {
        let mut counts = variants.iter().flat_map(|variant| &variant.counts);
        let is_text = |count: &Count| matches!(count.value, Value::Text(_));
        if !counts.any(|count| count.what == *name && is_text(count)) {
            right_aligned(&mut table, column);
        }
    }
    Some(indented(table))
}

fn shown(count: &Count) -> String {
    match &count.value {
        Value::Whole(number) => grouped(*number),
        Value::Fraction(number) => three_digits(*number),
        Value::Text(text) => text.clone(),
    }
}

/// 1234567 as `1 234 567`.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Three digits that mean something: 0.502, 2.00, 10.1, 287.
fn three_digits(number: f64) -> String {
    let decimals = match number.abs() {
        small if small < 9.995 => 2,
        medium if medium < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

fn bare_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH as u16);
    table
}

fn right_aligned(table: &mut Table, column: usize) {
    let column = table.column_mut(column).expect("every row has this column");
    column.set_cell_alignment(CellAlignment::Right);
}

/// The table's lines below the lesson's other lines: two columns in, nothing trailing.
fn indented(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((1, 2));
    }
    let lines = table.lines().map(|line| format!(" {}\n", line.trim_end()));
    let lines: Vec<String> = lines.collect();
    debug_assert!(lines.iter().all(|line| line.trim_end().width() <= WIDTH));
    lines.concat()
}

/// One unit for a whole table, so that the eye can compare.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    name: &'static str,
    per_second: f64,
}

impl Unit {
    pub(super) fn of(times: impl Iterator<Item = Duration>) -> Self {
        let longest = times.max().unwrap_or_default();
        let (name, per_second) = if longest.is_zero() || longest >= Duration::from_millis(100) {
            ("s", 1.0)
        } else if longest >= Duration::from_micros(100) {
            ("ms", 1e3)
        } else {
            ("µs", 1e6)
        };
        Self { name, per_second }
    }

    pub(super) fn show(self, time: Duration) -> String {
        format!("{:.3} {}", time.as_secs_f64() * self.per_second, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_groups_of_three() {
        let shown = [0.5017, 2.0, 10.12, 99.97, 287.3].map(three_digits);
        assert_eq!(shown, ["0.50", "2.00", "10.1", "100", "287"]);
        assert_eq!(
            [7, 1_000, -1_234_567].map(grouped),
            ["7", "1 000", "-1 234 567"]
        );
    }

    #[test]
    fn only_the_same_job_is_compared() {
        use crate::law::{at_least, exactly, max, sum, waves};
        let same = |one: Law, other: Law| same_job(Some(&one), Some(&other));
        assert!(same(sum([1; 10]), max([1; 10])) && same(sum([1; 10]), waves(10, 5, 1)));
        assert!(!same(max([1; 10]), max([1; 50])) && !same(exactly(1), exactly(2)));
        assert!(!same(at_least(1), at_least(1)));
        assert!(!same_job(None, None) && !same_job(Some(&exactly(1)), None));
    }

    #[test]
    fn a_tick_is_named_in_the_unit_it_was_given_in() {
        let lengths = [10, 100, 1_000, 2_500].map(|ms| length(Duration::from_millis(ms)));
        assert_eq!(lengths, ["10 ms", "100 ms", "1 s", "2.5 s"]);
    }

    #[test]
    fn one_unit_serves_the_whole_table() {
        let unit = Unit::of([Duration::from_micros(40), Duration::from_millis(250)].into_iter());
        assert_eq!(unit.show(Duration::from_micros(40)), "0.000 s");
        let unit = Unit::of([Duration::from_micros(40)].into_iter());
        assert_eq!(unit.show(Duration::from_micros(40)), "40.000 µs");
    }
}
