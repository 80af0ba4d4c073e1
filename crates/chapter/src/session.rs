//! One invocation: the lessons in their order, what is printed of them, and the exit code.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use timing::{
    draw::{self, Pen},
    recorder::Recorder,
    report::{Build, Clock, Lesson, Outcome, Report, Verdict},
    trace,
};

use crate::{
    args::{Args, When},
    catalogue::{Catalogue, Entry},
    interrupt::{Stop, Why},
    locale,
    narration::Narration,
    output::Target,
    progress, repeat,
    run::Conditions,
    screen::Screen,
    usage::Usage,
};

/// Sentences about slow polls that stand below a lesson unasked.
const MOST_SLOW: usize = 3;

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
    let session = Session::new(catalogue, args, screen, stop, recorder);
    let (report, good) = session.run(&entries);
    if session.stop.requested().is_some() {
        return Ok(exit_code(&session.screen, session.stop.requested(), false));
    }
    let mut failed = !good;
    let documents = [(json, as_json as fn(&Report) -> String), (trace, as_trace)];
    for (target, document) in documents {
        let Some(target) = target else { continue };
        if let Err(error) = target.write(&document(&report)) {
            session.screen.complain(&error);
            failed = true;
        }
    }
    Ok(exit_code(&session.screen, session.stop.requested(), failed))
}

/// What must stand before the first lesson: somebody who listens to signals, and the recorder.
fn begin(screen: &Arc<Screen>, stop: &Stop) -> anyhow::Result<Recorder> {
    stop.on_signals()?;
    if screen.is_watched() {
        progress::keep_drawing(screen)?;
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
    catalogue: &'a Catalogue<'a, O>,
    args: &'a Args<O>,
    screen: Arc<Screen>,
    stop: Stop,
    recorder: Recorder,
    narration: Arc<Narration>,
    clock: Clock,
    pen: Pen,
}

impl<'a, O: clap::Args> Session<'a, O> {
    fn new(
        catalogue: &'a Catalogue<'a, O>,
        args: &'a Args<O>,
        screen: Arc<Screen>,
        stop: Stop,
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
            ascii: !locale::is_utf8(),
            slow,
        };
        let narration = Arc::new(Narration::new(screen.clone(), pen, clock));
        let listener = narration.clone();
        recorder.listen(move |live| listener.hear(&live));
        Self {
            catalogue,
            args,
            screen,
            stop,
            recorder,
            narration,
            clock,
            pen,
        }
    }

    /// Runs the lessons; the report, and whether all went well.
    fn run(&self, entries: &[&Entry<'_, O>]) -> (Report, bool) {
        let mut report = Report::new(self.clock);
        let mut good = true;
        for (place, entry) in entries.iter().enumerate() {
            if place > 0 {
                self.screen.print("\n");
            }
            match self.lesson(entry) {
                Ok(lesson) => {
                    good &= self.is_good(&lesson);
                    report.lessons.push(lesson);
                }
                Err(_stopped) => break,
            }
        }
        (report, good)
    }

    fn lesson(&self, entry: &Entry<'_, O>) -> Result<Lesson, Why> {
        let conditions = Conditions {
            chapter: self.catalogue.chapter,
            options: &self.args.options,
            clock: self.clock,
            recorder: &self.recorder,
            stop: &self.stop,
        };
        self.heading(entry);
        if let (Clock::Virtual, Some(why)) = (self.clock, &entry.header.real_clock) {
            self.line(&format!("  skipped: {why}; run it without --virtual"));
            return Ok(conditions.not_run(entry, Outcome::Skipped(why.clone())));
        }
        let mut runs = Vec::new();
        let mut narrated = false;
        for nth in 0..self.args.repeat {
            self.narration.begin(nth > 0);
            let run = conditions.run(entry);
            narrated |= self.narration.end();
            let run = run?;
            let failed = run.outcome != Outcome::Ran;
            runs.push(run);
            if failed {
                break;
            }
        }
        let lesson = repeat::merged(runs).expect("a lesson is run once at least");
        if narrated {
            self.screen.print("\n");
        }
        self.figures(&lesson);
        self.way_on(entry);
        Ok(lesson)
    }

    fn heading(&self, entry: &Entry<'_, O>) {
        let (chapter, header) = (self.catalogue.chapter, &entry.header);
        let bold = anstyle::Style::new().bold();
        let title = format!("{bold}{chapter}/{}{bold:#} · {}", entry.name, header.title);
        self.line(&format!("{title}\nasyncio: {}", header.asyncio.join(", ")));
        if let (Build::Debug, Some(why)) = (Build::THIS, &header.release_build) {
            self.line(&format!(
                "debug build: {why}; see cargo demo --release {chapter} {}",
                entry.name
            ));
        }
        self.screen.print("\n");
    }

    fn figures(&self, lesson: &Lesson) {
        self.screen.print(&draw::table(lesson, self.pen));
        let drawn = match self.args.timeline {
            When::Auto => self.args.repeat == 1,
            When::Always => true,
            When::Never => false,
        };
        let timeline = if drawn {
            draw::timeline(lesson, self.pen)
        } else {
            String::new()
        };
        if !timeline.is_empty() {
            self.screen.print(&format!("\n{timeline}"));
        }
        let slow = draw::slow_polls(lesson, self.pen.slow);
        let most = if self.args.slow.is_some() {
            slow.len()
        } else {
            MOST_SLOW
        };
        if !slow.is_empty() {
            self.screen.print("\n");
        }
        for sentence in slow.iter().take(most) {
            self.line(&format!("  {sentence}"));
        }
        if slow.len() > most {
            self.line(&format!(
                "  … {} more: see --slow {}",
                slow.len() - most,
                shown(self.pen.slow)
            ));
        } else if slow.is_empty() && self.args.slow.is_some() {
            self.line(&format!(
                "\n  no poll took {} or longer",
                shown(self.pen.slow)
            ));
        }
    }

    fn way_on(&self, entry: &Entry<'_, O>) {
        let next = self
            .catalogue
            .next(entry)
            .map(|next| format!("   next: {next}"));
        let read = format!(
            "\n  read it: {}{}",
            self.catalogue.path(entry),
            next.unwrap_or_default()
        );
        self.line(&read);
    }

    /// Says what went wrong; whether nothing did.
    fn is_good(&self, lesson: &Lesson) -> bool {
        if let Outcome::Failed(why) = &lesson.outcome {
            self.screen
                .complain(&format!("{} failed: {why}", lesson.name));
            return false;
        }
        let broken = lesson
            .variants
            .iter()
            .filter(|variant| variant.verdict == Verdict::Broken);
        let broken: Vec<_> = broken.collect();
        for variant in broken.iter().filter(|_| self.args.check) {
            let law = variant.law.as_ref().expect("only a law can be broken");
            let runs = variant.runs.iter().copied();
            let (shortest, longest) = (runs.clone().min(), runs.max());
            let furthest = if shortest < Some(law.bound) {
                shortest
            } else {
                longest
            };
            self.screen.complain(&format!(
                "{}: {:?} took {}, its law is {} = {}",
                lesson.name,
                variant.label,
                shown(furthest.unwrap_or_default()),
                law.text,
                shown(law.bound),
            ));
        }
        !self.args.check || broken.is_empty()
    }

    fn line(&self, text: &str) {
        self.screen.print(&format!("{}\n", self.pen.text(text)));
    }
}

/// As it is typed: `100ms`.
fn shown(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
