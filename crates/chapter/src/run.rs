//! One lesson, run once.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use anyhow::Result;
use futures_util::{FutureExt, future::LocalBoxFuture};
use timing::{
    Measured, Timings,
    judge::{Allowance, judge},
    recorder::Recorder,
    report::{Clock, Lesson, Outcome},
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Run,
    catalogue::Entry,
    interrupt::{Stop, Why},
};

/// Blocking work that a lesson leaves behind may finish for this long after Ctrl-C.
const TO_FINISH: Duration = Duration::from_secs(10);

/// What [`crate::skip`] makes.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// What all lessons of an invocation run with.
pub struct Conditions<'a, O> {
    pub chapter: &'a str,
    pub options: &'a O,
    pub clock: Clock,
    pub recorder: Recorder,
    pub stop: &'a Stop,
}

impl<O> Conditions<'_, O> {
    /// Runs the lesson once; what it measured, and whether that can be judged. `Err` when it was asked to stop.
    pub fn run(&self, entry: &Entry<'_, O>) -> Result<(Lesson, bool), Why> {
        let mut timings = Timings::on(self.recorder.clone());
        let ended = match entry.lesson.run {
            Run::OnLoop(run) => {
                let paused = self.clock == Clock::Virtual;
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .start_paused(paused)
                    .build();
                self.on(runtime, run(&mut timings, self.options))?
            }
            Run::MultiThread(run) => {
                let runtime = Builder::new_multi_thread().enable_all().build();
                self.on(runtime, run(&mut timings, self.options))?
            }
            Run::OffLoop(run) => {
                let run = AssertUnwindSafe(|| run(&mut timings, self.options));
                catch_unwind(run).unwrap_or_else(|panic| Err(as_error(panic.as_ref())))
            }
        };
        if let Some(why) = self.stop.requested() {
            return Err(why);
        }
        let outcome = match ended {
            Ok(()) => Outcome::Ran,
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(Skip(why)) => Outcome::Skipped(why.clone()),
                None => Outcome::Failed(told(&error)),
            },
        };
        let Measured {
            said,
            variants,
            judged,
        } = timings.finish();
        Ok((
            Lesson {
                said,
                variants,
                ..self.not_run(entry, outcome)
            },
            judged,
        ))
    }

    /// Drives the lesson on a runtime of its own until it ends or is asked to stop; then its future is dropped,
    /// which is how a task is told.
    fn on(
        &self,
        runtime: std::io::Result<Runtime>,
        lesson: LocalBoxFuture<'_, Result<()>>,
    ) -> Result<Result<()>, Why> {
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                return Ok(Err(
                    anyhow::Error::new(error).context("no runtime could be built")
                ));
            }
        };
        let ended = runtime.block_on(async {
            tokio::select! {
                biased;
                why = self.stop.wait() => Err(why),
                ended = AssertUnwindSafe(lesson).catch_unwind() => Ok(ended),
            }
        });
        if ended.is_err() {
            runtime.shutdown_timeout(TO_FINISH);
        }
        Ok(ended?.unwrap_or_else(|panic| Err(as_error(panic.as_ref()))))
    }

    /// Judges every variant that can be judged, by all its runs.
    pub fn judge(&self, entry: &Entry<'_, O>, lesson: &mut Lesson) {
        // What runs on the real clock only does real I/O, or blocks.
        let allowance = match entry.header.real_clock {
            Some(_) => Allowance::RealIo,
            None => Allowance::Timers,
        };
        for variant in &mut lesson.variants {
            judge(variant, self.clock, allowance);
        }
    }

    /// A lesson that measured nothing.
    pub fn not_run(&self, entry: &Entry<'_, O>, outcome: Outcome) -> Lesson {
        Lesson {
            name: format!("{}/{}", self.chapter, entry.name),
            title: entry.header.title.clone(),
            asyncio: entry.header.asyncio.clone(),
            outcome,
            said: Vec::new(),
            variants: Vec::new(),
        }
    }
}

/// An error and its causes, as `{:#}` shows them, but each once: some errors, those of sqlx among them, repeat their
/// cause at the end of their own text.
fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        let before = told.strip_suffix(&cause);
        if before.is_none_or(|before| !before.is_empty() && !before.ends_with(": ")) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

fn as_error(panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    anyhow::anyhow!("it panicked: {}", text.unwrap_or("(no message)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like an error of sqlx: its text ends with that of its source.
    #[derive(Debug)]
    struct Database(std::io::Error);

    impl std::fmt::Display for Database {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "error returned from database: {}", self.0)
        }
    }

    impl std::error::Error for Database {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_cause_that_the_text_before_it_ends_with_is_told_once() {
        let database = || Database(std::io::Error::other("no such table"));
        let once = "error returned from database: no such table";
        assert_eq!(told(&anyhow::Error::new(database())), once);
        let error = anyhow::Error::new(database()).context("the orders");
        assert_eq!(told(&error), format!("the orders: {once}"));
    }

    #[test]
    fn every_other_cause_is_told() {
        let error = anyhow::anyhow!("out").context("timed out");
        assert_eq!(told(&error), "timed out: out");
        let error = anyhow::anyhow!("db error").context("not entered");
        assert_eq!(told(&error), "not entered: db error");
    }
}
