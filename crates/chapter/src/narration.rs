//! What a lesson says while it runs, printed as it comes.

use std::sync::{Arc, Mutex, PoisonError};

use timing::{
    draw::{Narrator, Pen},
    recorder::Live,
    report::{Clock, Said},
};

use crate::{progress::Progress, screen::Screen};

/// Lines of narration a terminal shows of each variant; the report holds them all.
const MOST: usize = 20;

/// Listens to the recorder and prints.
pub struct Narration {
    screen: Arc<Screen>,
    pen: Pen,
    shows_progress: bool,
    state: Mutex<State>,
}

struct State {
    narrator: Narrator,
    muted: bool,
    /// The label of the variant, until it is printed above its first line.
    label: Option<String>,
    said: usize,
    anything: bool,
}

impl Narration {
    pub fn new(screen: Arc<Screen>, pen: Pen, clock: Clock) -> Self {
        let shows_progress = clock == Clock::Real && screen.is_watched();
        Self {
            screen,
            pen,
            shows_progress,
            state: Mutex::new(State::new(pen, false)),
        }
    }

    /// Makes ready for a run of a lesson. Of several runs of one lesson, only the first is told.
    pub fn begin(&self, muted: bool) {
        self.change(|state| *state = State::new(self.pen, muted));
    }

    /// Says what was left unsaid. Whether anything was printed.
    pub fn end(&self) -> bool {
        self.change(|state| {
            let hidden = state.said.saturating_sub(MOST);
            if hidden > 0 && !state.muted {
                let more = self.pen.text("…").into_owned();
                self.screen
                    .print(&format!("    {more} {hidden} more lines: see --json\n"));
            }
            state.said = 0;
            state.anything
        })
    }

    pub fn hear(&self, live: &Live<'_>) {
        match live {
            Live::Begins { label, law } => {
                self.end();
                self.change(|state| state.label = Some((*label).to_owned()));
                if self.shows_progress {
                    self.screen.set_progress(Progress::of(label, *law));
                }
            }
            Live::Said(said) => self.say(said),
            Live::Ends => self.screen.set_progress(None),
        }
    }

    fn say(&self, said: &Said) {
        self.change(|state| {
            state.said += 1;
            if state.muted || state.said > MOST {
                return;
            }
            let label = state.label.take();
            let label = label
                .map(|label| format!("  {}\n", self.pen.text(&label)))
                .unwrap_or_default();
            let line = state.narrator.line(said);
            state.anything = true;
            self.screen.print(&format!("{label}{line}\n"));
        });
    }

    fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        how(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn new(pen: Pen, muted: bool) -> Self {
        Self {
            narrator: Narrator::new(pen),
            muted,
            label: None,
            said: 0,
            anything: false,
        }
    }
}
