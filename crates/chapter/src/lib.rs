//! The command line that every chapter's binary shares: which lessons, on which clock, drawn and written where; and
//! what becomes of them when somebody presses Ctrl-C.
//!
//! A chapter's `main.rs` is its modules and [`lessons!`]:
//!
//! ```text
//! mod join;
//! mod flavours;
//!
//! chapter::lessons![on_loop join, multi_thread flavours];
//! ```

use std::process::ExitCode;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;
use timing::Timings;

mod args;
mod case;
mod catalogue;
mod folder;
mod interrupt;
mod narration;
mod options;
mod output;
mod page;
mod progress;
mod repeat;
mod report;
mod run;
mod screen;
mod session;
mod usage;
mod worker;

pub use case::Case;
pub use folder::Folder;
pub use options::{number, options};
pub use report::{measured, report};
pub use worker::{Apart, Watch, Worker, apart, apart_in, worker};

/// A lesson as its chapter lists it. Made by [`lessons!`].
pub struct Lesson<O> {
    /// The name of its module.
    pub module: &'static str,
    /// Its source, annotated as it stands.
    pub source: &'static str,
    /// How it is run.
    pub run: Run<O>,
}

/// What a lesson runs on.
pub enum Run<O> {
    /// A fresh `current_thread` runtime: asyncio's shape.
    OnLoop(Async<O>),
    /// A fresh multi-thread runtime.
    MultiThread(Async<O>),
    /// A thread without a runtime, for lessons about runtimes or about blocking.
    OffLoop(fn(&mut Timings, &O) -> Result<()>),
}

/// A lesson's `async fn run`.
pub type Async<O> = for<'a> fn(&'a mut Timings, &'a O) -> LocalBoxFuture<'a, Result<()>>;

/// The options of a chapter that has none of its own.
#[derive(Debug, Default, clap::Args)]
pub struct NoOptions {}

/// The ordered list of a chapter's lessons, and its `main`. Before each lesson stands what it runs on: `on_loop`,
/// `multi_thread` or `off_loop` (see [`Run`]). One word gives name, source and function.
///
/// A chapter with flags of its own names their type first, and its lessons take it: `lessons![options::Options;
/// on_loop ten_urls]` calls `ten_urls::run(t, options)`. A chapter that starts processes of its own names what they
/// do before that: `lessons![workers [mutex::deadlocks]; on_loop mutex]`, see [`apart`] and [`worker`]. A worker whose
/// stdin is for its own use is a reader: `workers [pool::works as reader]`. It has to end by itself when that ends.
#[macro_export]
macro_rules! lessons {
    (workers [$($worker:path $(as $reader:ident)?),+ $(,)?]; $($rest:tt)+) => {
        const WORKERS: &[$crate::Worker] = &[$($crate::Worker {
            name: stringify!($worker),
            run: $worker,
            watch: $crate::watch!($($reader)?),
        }),+];
        $crate::lessons_with![WORKERS; $($rest)+];
    };
    ($($rest:tt)+) => {
        $crate::lessons_with![&[]; $($rest)+];
    };
}

/// [`lessons!`], once it is known who works for them.
#[doc(hidden)]
#[macro_export]
macro_rules! lessons_with {
    ($workers:expr; $($kind:ident $lesson:ident),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main::<$crate::NoOptions>(
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[$($crate::lesson!($lesson, $kind, |t, _options| $lesson::run(t))),+],
                $workers,
            )
        }
    };
    ($workers:expr; $options:ty; $($kind:ident $lesson:ident),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main::<$options>(
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[$($crate::lesson!($lesson, $kind, |t, options| $lesson::run(t, options))),+],
                $workers,
            )
        }
    };
}

/// Who watches a worker's stdin.
#[doc(hidden)]
#[macro_export]
macro_rules! watch {
    () => {
        $crate::Watch::ForTheParent
    };
    (reader) => {
        $crate::Watch::ByItself
    };
}

/// One entry of [`lessons!`].
#[doc(hidden)]
#[macro_export]
macro_rules! lesson {
    ($lesson:ident, $kind:ident, |$t:ident, $options:ident| $call:expr) => {
        $crate::Lesson {
            module: stringify!($lesson),
            source: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/",
                stringify!($lesson),
                ".rs"
            )),
            run: $crate::run_on!($kind, |$t, $options| $call),
        }
    };
}

/// From the word before a lesson to what it runs on.
#[doc(hidden)]
#[macro_export]
macro_rules! run_on {
    (on_loop, |$t:ident, $options:ident| $call:expr) => {
        $crate::Run::OnLoop(|$t, $options| Box::pin($call))
    };
    (multi_thread, |$t:ident, $options:ident| $call:expr) => {
        $crate::Run::MultiThread(|$t, $options| Box::pin($call))
    };
    (off_loop, |$t:ident, $options:ident| $call:expr) => {
        $crate::Run::OffLoop(|$t, $options| $call)
    };
}

/// The error with which a lesson says that it can't run here: it needs something that the reader must provide. It counts as
/// skipped, not as failed; `why` says what to provide.
///
/// ```
/// # fn run(server: Option<&str>) -> anyhow::Result<()> {
/// let server = server.ok_or_else(|| chapter::skip("it needs a server; name one with MYSQL_URL"))?;
/// # Ok(())
/// # }
/// # assert!(run(None).is_err());
/// ```
pub fn skip(why: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(run::Skip(why.into()))
}

/// Runs a chapter's command line: what [`lessons!`] makes `main` of. `package` is the chapter's folder
/// (`ch01-basics`), `about` its line on the contents page.
pub fn main<O: clap::Args>(
    package: &str,
    about: &str,
    lessons: &[Lesson<O>],
    workers: &[Worker],
) -> ExitCode {
    if let Some(code) = worker::dispatch(workers) {
        return code;
    }
    let catalogue = catalogue::Catalogue::new(package, lessons);
    let outcome = args::parse::<O>(package, about).and_then(|args| session::run(&catalogue, &args));
    drop(folder::remove_all());
    match outcome {
        Ok(code) => code,
        Err(usage) => usage.report(),
    }
}
