//! Ctrl-C and SIGTERM: a thread outside every lesson's runtime listens, so that a blocked loop can't swallow them.

use std::{
    io::Write,
    process::{ExitCode, exit},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::folder;

/// How long a lesson's runtime may take to notice that it should stop. One that is blocked never does.
const TO_ANSWER: Duration = Duration::from_millis(800);

/// How long a runtime that has noticed may take to clean up.
const TO_CLEAN_UP: Duration = Duration::from_secs(10);

/// Why everything should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// Nobody reads what is printed any more.
    OutputClosed,
    /// What is printed can't be written.
    OutputFailed,
}

impl Why {
    fn code(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::OutputClosed => 0,
            Self::OutputFailed => 1,
        }
    }

    pub fn exit_code(self) -> ExitCode {
        self.code().into()
    }

    /// Ends the process without the lesson, whose temporary folders nobody will drop.
    fn exit(self) -> ! {
        let _none_is_made = folder::remove_all();
        exit(self.code().into());
    }
}

/// Asks a running lesson to stop. Clones ask the same lesson.
#[derive(Clone)]
pub struct Stop {
    why: Arc<watch::Sender<Option<Why>>>,
    answered: Arc<AtomicBool>,
}

impl Stop {
    pub fn new() -> Self {
        Self {
            why: Arc::new(watch::Sender::new(None)),
            answered: Arc::default(),
        }
    }

    /// The first reason counts.
    pub fn request(&self, why: Why) {
        self.why.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(why);
            is_first
        });
    }

    pub fn requested(&self) -> Option<Why> {
        *self.why.borrow()
    }

    /// Waits for a reason to stop. Whoever awaits this has answered when it returns.
    pub async fn wait(&self) -> Why {
        let mut why = self.why.subscribe();
        let why = why.wait_for(Option::is_some).await.map(|why| *why);
        self.answered.store(true, Ordering::Release);
        why.ok()
            .flatten()
            .expect("this handle keeps the sender alive, and the value is some")
    }

    /// Listens for signals on a small thread of its own, from now on.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut signals = {
            let _context = runtime.enter();
            Signals::new()?
        };
        let stop = self.clone();
        let listen = move || {
            runtime.block_on(async {
                let why = signals.next().await;
                stop.request(why);
                stop.or_exit(why, &mut signals).await;
            });
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(listen)?;
        Ok(())
    }

    /// Gives the lesson its time; a second signal ends the process at once.
    async fn or_exit(&self, why: Why, signals: &mut Signals) {
        if timeout(TO_ANSWER, signals.next()).await.is_err() {
            if !self.answered.load(Ordering::Acquire) {
                let _ = writeln!(
                    std::io::stderr(),
                    "interrupted: the lesson holds its thread; ended without it"
                );
                why.exit();
            }
            tokio::select! {
                () = sleep(TO_CLEAN_UP) => {}
                _ = signals.next() => {}
            }
        }
        why.exit();
    }
}

/// The signals that end a program politely.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Why {
        tokio::select! {
            _ = self.terminate.recv() => Why::Terminated,
            _ = self.interrupt.recv() => Why::Interrupted,
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Why {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Why::Interrupted
    }
}
