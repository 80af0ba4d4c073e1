//! What a variant promises about its time, as a value: the formula a reader sees and the duration a test compares are
//! made from the same terms, so they can't disagree.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ticks;

/// A promise about how long a variant takes. Made by the functions of this module, in ticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Law {
    /// Which promise it is.
    pub kind: Kind,
    /// The formula in ticks, as the reader sees it: `1 + 2 + 1`, `max(1, 2, 1)`, `⌈10/3⌉ × 2`.
    pub text: String,
    /// What the formula comes to.
    #[serde(rename = "ns", with = "crate::report::nanos")]
    pub bound: Duration,
    /// How many waits follow one another in it: each may be late by itself.
    pub rounds: u32,
    /// How many waits there are in all: each may cost the machine some work.
    pub waits: u32,
    /// All waits added up, whether they overlap or not: two variants of which this differs don't do the same job.
    #[serde(rename = "waiting_ns", with = "crate::report::nanos")]
    pub waiting: Duration,
}

/// The kinds of [`Law`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One wait after another.
    Sum,
    /// All waits at once.
    Max,
    /// Equal waits, a few at a time.
    Waves,
    /// This long.
    Exactly,
    /// This long or longer.
    AtLeast,
    /// This long or shorter.
    AtMost,
}

/// One wait after another: the times add up.
///
/// ```
/// use timing::{law::sum, ticks};
/// assert_eq!(sum([1, 2, 1]).bound, ticks(4));
/// assert_eq!(sum([1, 2, 1]).text, "1 + 2 + 1");
/// assert_eq!(sum([1; 10]).text, "10 × 1");
/// ```
#[track_caller]
pub fn sum<T: Into<f64>>(terms: impl IntoIterator<Item = T>) -> Law {
    let terms: Vec<f64> = terms.into_iter().map(Into::into).collect();
    Law {
        kind: Kind::Sum,
        text: counted(&terms).unwrap_or_else(|| list(&terms, " + ")),
        bound: total(&terms),
        rounds: number_of(&terms),
        waits: number_of(&terms),
        waiting: total(&terms),
    }
}

/// All waits at once: the longest decides.
///
/// ```
/// use timing::{law::max, ticks};
/// assert_eq!(max([1, 2, 1]).bound, ticks(2));
/// assert_eq!(max([1, 2, 1]).text, "max(1, 2, 1)");
/// ```
#[track_caller]
pub fn max<T: Into<f64>>(terms: impl IntoIterator<Item = T>) -> Law {
    let terms: Vec<f64> = terms.into_iter().map(Into::into).collect();
    Law {
        kind: Kind::Max,
        text: format!("max({})", list(&terms, ", ")),
        bound: terms
            .iter()
            .map(|&term| ticks(term))
            .max()
            .unwrap_or_default(),
        rounds: 1,
        waits: number_of(&terms),
        waiting: total(&terms),
    }
}

/// `jobs` equal waits of `each` ticks, `at_once` of them at a time: as many waves as it takes, each as long as one wait.
///
/// ```
/// use timing::{law::waves, ticks};
/// assert_eq!(waves(10, 3, 2).bound, ticks(8));
/// assert_eq!(waves(10, 3, 2).text, "⌈10/3⌉ × 2");
/// ```
///
/// # Panics
///
/// When `at_once` is 0: nothing would ever run.
#[track_caller]
pub fn waves(jobs: u32, at_once: u32, each: impl Into<f64>) -> Law {
    assert!(
        at_once > 0,
        "waves({jobs}, 0, …): none at a time never ends"
    );
    let each = each.into();
    let rounds = jobs.div_ceil(at_once);
    Law {
        kind: Kind::Waves,
        text: format!("⌈{jobs}/{at_once}⌉ × {each}"),
        bound: ticks(each) * rounds,
        rounds: rounds.max(1),
        waits: jobs,
        waiting: ticks(each) * jobs,
    }
}

/// This many ticks, neither more nor less.
///
/// ```
/// use timing::{law::exactly, ticks};
/// assert_eq!(exactly(3).bound, ticks(3));
/// ```
#[track_caller]
pub fn exactly(count: impl Into<f64>) -> Law {
    single(Kind::Exactly, "", count.into())
}

/// This many ticks or more.
///
/// ```
/// assert_eq!(timing::law::at_least(3).text, "≥ 3");
/// ```
#[track_caller]
pub fn at_least(count: impl Into<f64>) -> Law {
    single(Kind::AtLeast, "≥ ", count.into())
}

/// This many ticks or fewer.
///
/// ```
/// assert_eq!(timing::law::at_most(3).text, "≤ 3");
/// ```
#[track_caller]
pub fn at_most(count: impl Into<f64>) -> Law {
    single(Kind::AtMost, "≤ ", count.into())
}

/// No promise: the time depends on a processor, a disk or a database. It is measured, and compared with nothing: where
/// speed is the subject, [`Timings::rate`](crate::Timings::rate) compares.
///
/// ```
/// # use timing::{Timings, law::none};
/// # let mut t = Timings::default();
/// t.time_blocking("added up", none(), || (1..=1000).sum::<u64>());
/// assert_eq!(t["added up"].law, None);
/// ```
pub fn none() -> Option<Law> {
    None
}

#[track_caller]
fn single(kind: Kind, sign: &str, count: f64) -> Law {
    Law {
        kind,
        text: format!("{sign}{count}"),
        bound: ticks(count),
        rounds: 1,
        waits: 1,
        waiting: ticks(count),
    }
}

/// The terms in one line of a table: a long list keeps its ends.
fn list(terms: &[f64], between: &str) -> String {
    let all: Vec<String> = terms.iter().map(f64::to_string).collect();
    match all.as_slice() {
        [] => "0".into(),
        [first, second, .., last] if all.len() > 5 => [first, second, "…", last].join(between),
        _ => all.join(between),
    }
}

/// More than three equal terms, counted.
fn counted(terms: &[f64]) -> Option<String> {
    let (first, rest) = terms.split_first()?;
    let equal = rest.len() > 2 && rest.iter().all(|term| term == first);
    equal.then(|| format!("{} × {first}", terms.len()))
}

#[track_caller]
fn total(terms: &[f64]) -> Duration {
    terms.iter().map(|&term| ticks(term)).sum()
}

fn number_of(terms: &[f64]) -> u32 {
    u32::try_from(terms.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_whole_nanoseconds_before_it_is_added() {
        assert_eq!(sum([0.1, 0.2]).bound, ticks(0.3));
        assert_eq!(sum([0.1; 10]).bound, ticks(1));
    }

    #[test]
    fn waves_round_up() {
        assert_eq!(waves(10, 3, 2).bound, ticks(8));
        assert_eq!(waves(9, 3, 2).bound, ticks(6));
        assert_eq!(waves(0, 3, 2).bound, ticks(0));
    }

    #[test]
    fn the_text_of_a_long_law_stays_short() {
        assert_eq!(sum([1; 3]).text, "1 + 1 + 1");
        assert_eq!(sum([1; 4]).text, "4 × 1");
        assert_eq!(max([2; 50]).text, "max(2, 2, …, 2)");
        assert_eq!(sum([1, 2, 3, 4, 5, 6]).text, "1 + 2 + … + 6");
        assert_eq!(sum::<f64>([]).text, "0");
    }

    #[test]
    #[should_panic(expected = "none at a time never ends")]
    fn no_wave_can_be_empty() {
        waves(10, 0, 1);
    }

    #[test]
    fn a_law_is_a_sum_of_its_rounds() {
        assert_eq!(sum([1, 2, 1]).rounds, 3);
        assert_eq!(max([1, 2, 1]).rounds, 1);
        assert_eq!(waves(10, 3, 1).rounds, 4);
    }

    #[test]
    fn every_wait_is_counted_at_once_or_not() {
        for law in [sum([1; 10]), max([1; 10]), waves(10, 3, 1)] {
            assert_eq!(law.waits, 10, "{}", law.text);
            assert_eq!(law.waiting, ticks(10), "{}", law.text);
        }
    }
}
