//! What stands around a lesson's narration: its heading, its figures, the way on, and what went wrong.

use std::{sync::Arc, time::Duration};

use timing::{
    draw::{self, Pen},
    report::{Build, Clock, Lesson, Outcome, Variant, Verdict},
};

use crate::{
    args::{Args, When},
    catalogue::{Catalogue, Entry},
    screen::Screen,
};

/// Sentences about slow polls that stand below a lesson unasked, and asked for.
const MOST_SLOW: (usize, usize) = (3, 20);

pub struct Page<'a, O> {
    catalogue: &'a Catalogue<'a, O>,
    screen: Arc<Screen>,
    pen: Pen,
    /// Whether the lanes are drawn.
    drawn: bool,
    /// How many slow polls are named, and whether the reader asked for them.
    slow: (usize, bool),
    clock: Clock,
    check: bool,
}

impl<'a, O: clap::Args> Page<'a, O> {
    pub fn new(
        catalogue: &'a Catalogue<'a, O>,
        args: &Args<O>,
        screen: Arc<Screen>,
        pen: Pen,
        clock: Clock,
    ) -> Self {
        let drawn = match args.timeline {
            When::Auto => args.repeat == 1,
            When::Always => true,
            When::Never => false,
        };
        let asked = args.slow.is_some();
        let (unasked, most) = MOST_SLOW;
        let slow = (if asked { most } else { unasked }, asked);
        Self {
            catalogue,
            screen,
            pen,
            drawn,
            slow,
            clock,
            check: args.check,
        }
    }

    pub fn heading(&self, entry: &Entry<'_, O>, first: bool) {
        if !first {
            self.gap();
        }
        let (chapter, header) = (self.catalogue.chapter, &entry.header);
        let bold = anstyle::Style::new().bold();
        self.line(&format!(
            "{bold}{chapter}/{}{bold:#} · {}",
            entry.name, header.title
        ));
        self.said("asyncio: ", &header.asyncio.join(", "));
        if let (Build::Debug, Some(why)) = (Build::THIS, &header.release_build) {
            self.said("debug build: ", why);
            self.line(&format!(
                "figures that count: cargo demo {chapter}/{} --release",
                entry.name
            ));
        }
        self.gap();
    }

    /// Everything below the narration.
    pub fn end(&self, entry: &Entry<'_, O>, lesson: &Lesson) {
        if let Outcome::Skipped(why) = &lesson.outcome {
            self.said("  skipped: ", why);
            return;
        }
        if lesson.variants.is_empty() {
            return;
        }
        self.screen.print(&draw::table(lesson, self.pen));
        let timeline = draw::timeline(lesson, self.pen);
        if self.drawn && !timeline.is_empty() {
            self.gap();
            self.screen.print(&timeline);
        }
        self.slow_polls(lesson);
        self.way_on(entry);
    }

    fn slow_polls(&self, lesson: &Lesson) {
        let (most, asked) = self.slow;
        let slow = draw::slow_polls(lesson, self.pen, asked);
        if slow.is_empty() && !asked {
            return;
        }
        self.gap();
        for sentence in slow.iter().take(most) {
            self.line(&format!("  {sentence}"));
        }
        let threshold = shown(self.pen.slow);
        if slow.len() > most {
            let way_on = if asked {
                "--json".to_owned()
            } else {
                format!("--slow {threshold}")
            };
            let more = slow.len() - most;
            self.line(&format!("  … {more} more: see {way_on}"));
        } else if slow.is_empty() && self.clock == Clock::Virtual {
            self.line("  no poll is slow on the virtual clock: it stands still while one runs");
        } else if slow.is_empty() {
            self.line(&format!("  no poll took {threshold} or longer"));
        }
    }

    fn way_on(&self, entry: &Entry<'_, O>) {
        let path = self.catalogue.path(entry);
        let read_it = format!("  read it: {path}");
        self.gap();
        let Some(next) = self.catalogue.next(entry) else {
            return self.line(&read_it);
        };
        let both = format!("{read_it}   next: {next}");
        if both.chars().count() <= draw::WIDTH {
            self.line(&both);
        } else {
            self.line(&read_it);
            self.line(&format!("  next:    {next}"));
        }
    }

    /// Says what went wrong; whether nothing did.
    pub fn is_good(&self, lesson: &Lesson) -> bool {
        if let Outcome::Failed(why) = &lesson.outcome {
            self.screen
                .complain(&format!("{} failed: {why}", lesson.name));
            return false;
        }
        let broken = |variant: &&Variant| variant.verdict == Verdict::Broken;
        let broken: Vec<&Variant> = lesson.variants.iter().filter(broken).collect();
        if !self.check {
            return true;
        }
        for variant in &broken {
            self.screen
                .complain(&format!("{}: {}", lesson.name, broken_law(variant)));
        }
        broken.is_empty()
    }

    pub fn gap(&self) {
        self.screen.print("\n");
    }

    /// Within the width of the page. What has lines of its own keeps them.
    fn said(&self, what: &str, text: &str) {
        let width = draw::WIDTH - what.len();
        let mut lines = text.lines();
        for (n, part) in draw::wrapped(lines.next().unwrap_or_default(), width)
            .iter()
            .enumerate()
        {
            let before = if n == 0 {
                what
            } else {
                &" ".repeat(what.len())
            };
            self.line(&format!("{before}{part}"));
        }
        lines.for_each(|line| self.line(line));
    }

    fn line(&self, text: &str) {
        self.screen.print(&format!("{}\n", self.pen.text(text)));
    }
}

/// Names the shortest run: it is the one that broke the law, unless it met it to the nanosecond.
fn broken_law(variant: &Variant) -> String {
    let Some(law) = &variant.law else {
        return String::new();
    };
    let runs = || variant.runs.iter().copied();
    let shortest = runs().min().filter(|&run| run != law.bound);
    let took = shortest.or(runs().max()).unwrap_or_default();
    format!(
        "{:?} took {}, its law is {} = {}",
        variant.label,
        shown(took),
        law.text,
        shown(law.bound)
    )
}

/// As it is typed: `100ms`.
fn shown(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
