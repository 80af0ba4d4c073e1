//! What a lesson measures when a test runs it.

use std::fmt::Debug;

use crate::Timings;

impl Timings {
    /// Runs a lesson on the current thread and returns what it measured: for tests.
    ///
    /// ```
    /// # use timing::{Timings, law::exactly, ticks};
    /// async fn run(t: &mut Timings) -> Result<(), std::io::Error> {
    ///     t.time("a tick", exactly(1), tokio::time::sleep(ticks(1))).await;
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let t = Timings::of(run).await;
    /// assert_eq!(t["a tick"].elapsed, ticks(1));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the lesson fails.
    pub async fn of<E: Debug>(run: impl AsyncFnOnce(&mut Self) -> Result<(), E>) -> Self {
        let mut timings = Self::default();
        let outcome = run(&mut timings).await;
        timings.complete(outcome)
    }

    /// The same for a lesson with options, each at its default.
    ///
    /// ```
    /// # use timing::{Timings, law::exactly, ticks};
    /// #[derive(Default)]
    /// struct Options {
    ///     iced: bool,
    /// }
    ///
    /// async fn run(t: &mut Timings, options: &Options) -> Result<(), std::io::Error> {
    ///     let brews = if options.iced { 9 } else { 3 };
    ///     t.time("tea", exactly(brews), tokio::time::sleep(ticks(brews))).await;
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let t = Timings::of_default(run).await;
    /// assert_eq!(t["tea"].elapsed, ticks(3));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`of`](Self::of).
    pub async fn of_default<O: Default, E: Debug>(
        run: impl AsyncFnOnce(&mut Self, &O) -> Result<(), E>,
    ) -> Self {
        let options = O::default();
        Self::of(async |t| run(t, &options).await).await
    }

    /// The same for a lesson that isn't a future.
    ///
    /// ```
    /// # use timing::{Timings, law::none};
    /// fn run(t: &mut Timings) -> Result<(), std::io::Error> {
    ///     t.time_blocking("tea", none(), || ());
    ///     Ok(())
    /// }
    ///
    /// assert_eq!(Timings::of_blocking(run)["tea"].runs.len(), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`of`](Self::of).
    pub fn of_blocking<E: Debug>(run: impl FnOnce(&mut Self) -> Result<(), E>) -> Self {
        let mut timings = Self::default();
        let outcome = run(&mut timings);
        timings.complete(outcome)
    }

    /// With what was said after the last variant.
    fn complete<E: Debug>(mut self, outcome: Result<(), E>) -> Self {
        outcome.expect("the lesson runs to its end");
        self.settle();
        self
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Error;

    use super::*;

    #[test]
    fn what_is_said_after_the_last_variant_stands_beside_it() {
        let t = Timings::of_blocking(|t| {
            t.time_blocking("tea", None, || ());
            tracing::info!(target: "ch01_basics", "poured");
            Ok::<(), Error>(())
        });
        assert_eq!(t["tea"].said[0].text, "poured");
    }

    #[test]
    #[should_panic(expected = "the lesson runs to its end: Error")]
    fn a_lesson_that_fails_panics() {
        Timings::of_blocking(|_| Err(Error));
    }
}
