use std::time::Duration;

use crate::{
    Timings,
    report::{Count, Value, Variant},
};

impl Timings {
    /// Runs one round of a variant that is about speed: so many operations, and no law. A round of the same label joins
    /// those before it; the table gives their shortest, median and longest, and what an operation took in the median
    /// round.
    ///
    /// A machine is never quite idle. A lesson that compares two ways alternates their rounds, so that what slows the
    /// machine down for a while slows both.
    ///
    /// ```
    /// # use timing::Timings;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let mut t = Timings::default();
    /// for _ in 0..5 {
    ///     t.rate("added up", 1_000, async { (0..1_000_u32).sum::<u32>() }).await;
    ///     t.rate("multiplied", 1_000, async { (0..1_000_u32).fold(1, u32::wrapping_mul) }).await;
    /// }
    /// assert_eq!(t["multiplied"].runs.len(), 5);
    /// assert!(matches!(t["multiplied"].count("per second"), timing::report::Value::Whole(_)));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// For no operations: nothing can be said of one.
    pub async fn rate<F: Future>(
        &mut self,
        label: impl Into<String>,
        operations: u32,
        future: F,
    ) -> F::Output {
        assert!(operations > 0, "a round does something");
        let running = self.begin_again(label.into(), None);
        let output = future.await;
        let round = running.end();
        let so_far = self
            .variants
            .iter_mut()
            .find(|variant| variant.label == round.label);
        let variant = match so_far {
            Some(variant) => {
                variant.runs.extend(round.runs);
                variant.said.extend(round.said);
                variant
            }
            None => {
                self.variants.push(round);
                self.variants.last_mut().expect("it was pushed")
            }
        };
        variant.elapsed = median(&variant.runs);
        show_each(variant, operations);
        output
    }
}

/// As many are shorter as are longer; of an even number the shorter of the two in the middle.
fn median(runs: &[Duration]) -> Duration {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) / 2]
}

/// What an operation took, and how many fit into a second. Nothing is known of a round that took no time at all, as on
/// the virtual clock.
fn show_each(variant: &mut Variant, operations: u32) {
    let seconds = variant.elapsed.as_secs_f64();
    let figures = [
        (
            "ns each",
            Value::from(seconds * 1e9 / f64::from(operations)),
        ),
        (
            "per second",
            Value::from((f64::from(operations) / seconds) as i64),
        ),
    ];
    for (what, value) in figures {
        variant.counts.retain(|count| count.what != what);
        if !variant.elapsed.is_zero() {
            let what = what.into();
            variant.counts.push(Count { what, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn the_median_of_the_rounds_is_shown_whatever_their_order() {
        let mut t = Timings::default();
        for ms in [30, 10, 50, 20, 40] {
            t.rate("slept", 10, sleep(Duration::from_millis(ms))).await;
            t.rate("at once", 10, async {}).await;
        }
        assert_eq!(t["slept"].runs.len(), 5);
        assert_eq!(t["slept"].elapsed, Duration::from_millis(30));
        assert_eq!(*t["slept"].count("ns each"), Value::Fraction(3e6));
        assert_eq!(*t["slept"].count("per second"), 333);
        assert!(t["at once"].counts.is_empty());
    }
}
