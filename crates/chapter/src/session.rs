//! One invocation: the lessons in their order, what is printed of them, and the exit code.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use timing::{
    draw::Pen,
    recorder::Recorder,
    report::{Clock, Lesson, Outcome, Report, Verdict},
    trace,
};

use crate::{
    args::Args,
    catalogue::{Catalogue, Entry},
    interrupt::{Stop, Why},
    narration::Narration,
    output::Target,
    page::Page,
    repeat,
    run::Conditions,
    screen::Screen,
    usage::Usage,
};

/// How often a lesson is run on the real clock before a law counts as broken.
const MOST_RUNS: usize = 3;

/// Runs what the command line asks for.
pub fn run<O: clap::Args>(catalogue: &Catalogue<'_, O>, args: &Args<O>) -> Result<ExitCode, Usage> {
    let target = |flag, path: &Option<PathBuf>| {
        path.as_deref()
            .map(|path| Target::new(flag, path))
            .transpose()
    };
    let json = target("--json", &args.json)?;
    let trace = target("--trace", &args.trace)?;
    if json == Some(Target::Stdout) && trace == json {
        let way_out = "give one of them a file: --trace trace.json";
        return Err(Usage::wrong(
            "--json - --trace -",
            "stdout holds one document",
            way_out,
        ));
    }
    let entries = catalogue.select(&args.lessons)?;

    let to_stderr = [&json, &trace].contains(&&Some(Target::Stdout));
    let stop = Stop::new();
    let screen = Arc::new(Screen::new(to_stderr, args.color, stop.clone()));
    if args.list || args.source {
        let text = if args.list {
            catalogue.list(&entries)
        } else {
            sources(&entries)
        };
        screen.print(&text);
        return Ok(exit_code(&screen, stop.requested(), false));
    }

    timing::set_tick(args.tick).expect("checked as it was read, and nothing has run yet");
    let recorder = match begin(&screen, &stop) {
        Ok(recorder) => recorder,
        Err(error) => {
            screen.complain(&format!("the lessons can't be started: {error:#}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let session = Session::new(catalogue, args, &screen, &stop, recorder);
    let (report, good) = session.run(&entries);
    if stop.requested().is_some() {
        return Ok(exit_code(&screen, stop.requested(), false));
    }
    let mut failed = !good;
    let documents = [(json, as_json as fn(&Report) -> String), (trace, as_trace)];
    for (target, document) in documents {
        let Some(target) = target else { continue };
        if let Err(error) = target.write(&document(&report)) {
            screen.complain(&error);
            failed = true;
        }
    }
    Ok(exit_code(&screen, stop.requested(), failed))
}

/// What must stand before the first lesson: somebody who listens to signals, and the recorder.
fn begin(screen: &Arc<Screen>, stop: &Stop) -> anyhow::Result<Recorder> {
    stop.on_signals()?;
    if screen.is_watched() {
        screen.keep_drawing()?;
    }
    Ok(Recorder::install()?)
}

fn exit_code(screen: &Screen, stopped: Option<Why>, failed: bool) -> ExitCode {
    if let Some(failure) = screen.failure() {
        screen.complain(&failure);
    }
    match stopped {
        Some(why) => why.exit_code(),
        None if failed => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn sources<O>(entries: &[&Entry<'_, O>]) -> String {
    let sources: Vec<&str> = entries.iter().map(|entry| entry.lesson.source).collect();
    sources.join("\n")
}

fn as_json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report is plain data") + "\n"
}

fn as_trace(report: &Report) -> String {
    let mut trace = Vec::new();
    trace::write(report, &mut trace).expect("memory takes it all");
    String::from_utf8(trace).expect("JSON is UTF-8")
}

struct Session<'a, O: clap::Args> {
    args: &'a Args<O>,
    conditions: Conditions<'a, O>,
    narration: Arc<Narration>,
    page: Page<'a, O>,
}

impl<'a, O: clap::Args> Session<'a, O> {
    fn new(
        catalogue: &'a Catalogue<'a, O>,
        args: &'a Args<O>,
        screen: &Arc<Screen>,
        stop: &'a Stop,
        recorder: Recorder,
    ) -> Self {
        let clock = if args.on_virtual_clock {
            Clock::Virtual
        } else {
            Clock::Real
        };
        // Half a tick is long for a poll, and far above what a busy machine adds to a short one.
        let slow = args.slow.unwrap_or(timing::ticks(0.5));
        let pen = Pen {
            ascii: !lesson::is_utf8(),
            slow,
        };
        let narration = Arc::new(Narration::new(screen.clone(), pen, clock));
        let listener = narration.clone();
        recorder.listen(move |live| listener.hear(&live));
        let conditions = Conditions {
            chapter: catalogue.chapter,
            options: &args.options,
            clock,
            recorder,
            stop,
        };
        Self {
            args,
            conditions,
            narration,
            page: Page::new(catalogue, args, screen.clone(), pen, clock),
        }
    }

    /// Runs the lessons; the report, and whether all went well.
    fn run(&self, entries: &[&Entry<'_, O>]) -> (Report, bool) {
        let mut report = Report::new(self.conditions.clock);
        let mut good = true;
        for (place, entry) in entries.iter().enumerate() {
            self.page.heading(entry, place == 0);
            match self.lesson(entry) {
                Ok(lesson) => {
                    self.page.end(entry, &lesson);
                    good &= self.page.is_good(&lesson);
                    report.lessons.push(lesson);
                }
                Err(_stopped) => break,
            }
        }
        (report, good)
    }

    fn lesson(&self, entry: &Entry<'_, O>) -> Result<Lesson, Why> {
        if let (Clock::Virtual, Some(why)) = (self.conditions.clock, &entry.header.real_clock) {
            let why = format!("{why}; run it without --virtual");
            return Ok(self.conditions.not_run(entry, Outcome::Skipped(why)));
        }
        let mut runs = Vec::new();
        let mut narrated = false;
        let lesson = loop {
            self.narration.begin(!runs.is_empty());
            let run = self.conditions.run(entry);
            narrated |= self.narration.end();
            let (run, judged) = run?;
            runs.push(run);

            let mut lesson = repeat::merged(&runs).expect("it has run by now");
            if judged {
                self.conditions.judge(entry, &mut lesson);
            }
            if lesson.outcome != Outcome::Ran || !self.again(runs.len(), &lesson) {
                break lesson;
            }
        };
        if narrated {
            self.page.gap();
        }
        Ok(lesson)
    }

    /// Whether to run a lesson once more: as often as the reader asked, and on the real clock a few times when a law
    /// seems broken, since the machine may have been busy elsewhere.
    fn again(&self, runs: usize, lesson: &Lesson) -> bool {
        let broken = lesson
            .variants
            .iter()
            .any(|variant| variant.verdict == Verdict::Broken);
        let in_doubt = self.args.check && broken && self.conditions.clock == Clock::Real;
        runs < self.args.repeat as usize || (in_doubt && runs < MOST_RUNS)
    }
}
