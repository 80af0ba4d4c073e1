//! Several runs of a lesson as one.

use timing::report::{Lesson, Outcome, Variant};

/// The runs as one lesson: each variant with all its times, in the middle the one whose lanes, counts and narration are
/// shown. A run that failed is the outcome of them all. `None` for no runs.
pub fn merged(runs: &[Lesson]) -> Option<Lesson> {
    let first = runs.first()?;
    if let Some(failed) = runs.iter().find(|run| run.outcome != Outcome::Ran) {
        return Some(failed.clone());
    }
    let variants = first
        .variants
        .iter()
        .filter_map(|variant| median(&variant.label, runs));
    Some(Lesson {
        variants: variants.collect(),
        ..first.clone()
    })
}

/// The run of this variant that has as many faster as slower ones; of an even number the faster of the two.
fn median(label: &str, runs: &[Lesson]) -> Option<Variant> {
    let all = runs
        .iter()
        .flat_map(|run| &run.variants)
        .filter(|variant| variant.label == label);
    let mut all: Vec<&Variant> = all.collect();
    let times = all
        .iter()
        .flat_map(|variant| variant.runs.clone())
        .collect();
    all.sort_by_key(|variant| variant.elapsed);
    let middle = all.get(all.len().checked_sub(1)? / 2)?;
    Some(Variant {
        runs: times,
        ..(*middle).clone()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use timing::{Timings, law::none};

    use super::*;

    fn run(ms: u64, outcome: Outcome) -> Lesson {
        let mut t = Timings::default();
        t.time_blocking("only", none(), || ());
        let mut variants = t.finish().variants;
        variants[0].elapsed = Duration::from_millis(ms);
        variants[0].runs = vec![variants[0].elapsed];
        Lesson {
            name: "test/run".into(),
            title: String::new(),
            asyncio: vec![],
            outcome,
            said: vec![],
            variants,
        }
    }

    #[test]
    fn the_middle_one_stands_for_all_and_all_times_are_kept() {
        let lesson = merged(&[30, 10, 20].map(|ms| run(ms, Outcome::Ran))).unwrap();
        assert_eq!(lesson.variants[0].elapsed, Duration::from_millis(20));
        assert_eq!(
            lesson.variants[0].runs,
            [30, 10, 20].map(Duration::from_millis)
        );
    }

    #[test]
    fn a_failed_run_is_the_outcome() {
        let failed = Outcome::Failed("burnt".into());
        let lesson = merged(&[run(1, Outcome::Ran), run(2, failed.clone())]).unwrap();
        assert_eq!(lesson.outcome, failed);
    }
}
