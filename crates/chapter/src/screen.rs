//! Where everything that is printed goes through: to stdout, or to stderr when stdout holds the JSON document.

use std::{
    io::{ErrorKind, IsTerminal, Write, stderr, stdout},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

use crate::{
    args::When,
    interrupt::{Stop, Why},
    progress::Progress,
};

/// A stream that never panics: a closed one asks for a quiet end, a full one for an end with its reason.
pub struct Screen {
    to_stderr: bool,
    colour: bool,
    stop: Stop,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    progress: Option<Progress>,
    failure: Option<std::io::Error>,
}

impl Screen {
    pub fn new(to_stderr: bool, color: When, stop: Stop) -> Self {
        let auto = if to_stderr {
            AutoStream::choice(&stderr())
        } else {
            AutoStream::choice(&stdout())
        };
        let colour = match color {
            When::Always => true,
            When::Never => false,
            When::Auto => auto != ColorChoice::Never,
        };
        Self {
            to_stderr,
            colour,
            stop,
            inner: Mutex::default(),
        }
    }

    /// Prints text that ends with its newline.
    pub fn print(&self, text: &str) {
        let mut inner = self.lock();
        if inner.failure.is_some() || text.is_empty() {
            return;
        }
        if let Some(progress) = &mut inner.progress {
            progress.wipe();
        }
        let stripped = (!self.colour).then(|| strip_str(text).to_string());
        let text = stripped.as_deref().unwrap_or(text);
        let written = if self.to_stderr {
            stderr().write_all(text.as_bytes())
        } else {
            let mut stdout = stdout().lock();
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush())
        };
        if let Err(error) = written {
            let closed = error.kind() == ErrorKind::BrokenPipe;
            self.stop.request(if closed {
                Why::OutputClosed
            } else {
                Why::OutputFailed
            });
            inner.failure = Some(error);
        }
    }

    /// Says on stderr what went wrong.
    pub fn complain(&self, what: &str) {
        let mut inner = self.lock();
        if let Some(progress) = &mut inner.progress {
            progress.wipe();
        }
        // With stderr closed there is nobody to tell; the exit code still does.
        let _ = writeln!(stderr(), "error: {what}");
    }

    /// Why printing failed, unless the reader has gone away, who doesn't want to hear of it.
    pub fn failure(&self) -> Option<String> {
        let inner = self.lock();
        let failure = inner
            .failure
            .as_ref()
            .filter(|error| error.kind() != ErrorKind::BrokenPipe);
        failure.map(|error| format!("cannot write to standard output: {error}"))
    }

    /// Whether somebody is watching, who wants to know how far a long lesson is.
    pub fn is_watched(&self) -> bool {
        stderr().is_terminal() && (self.to_stderr || stdout().is_terminal())
    }

    pub fn set_progress(&self, progress: Option<Progress>) {
        let mut inner = self.lock();
        if let Some(old) = &mut inner.progress {
            old.wipe();
        }
        inner.progress = progress;
    }

    /// Draws the progress ten times a second, for as long as the screen is there.
    pub fn keep_drawing(self: &Arc<Self>) -> std::io::Result<()> {
        let screen = Arc::downgrade(self);
        let draw = move || {
            while let Some(screen) = screen.upgrade() {
                if let Some(progress) = &mut screen.lock().progress {
                    progress.draw();
                }
                drop(screen);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a thread of its own, beside every loop"
                )]
                std::thread::sleep(Duration::from_millis(100));
            }
        };
        std::thread::Builder::new()
            .name("progress".into())
            .spawn(draw)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
