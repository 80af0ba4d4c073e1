//! # Three records together, one of them missing
//!
//! A clerk fetches three records. This takes 2, 1 and 3 ticks, and the second record isn't there. `try_join_all`
//! returns its error after 1 tick and drops the other two: 0 records. The error doesn't say which file it is about;
//! with `with_context` it does. `join_all` takes 3 ticks and keeps each result: 2 records and 1 error. Where a record
//! may be missing, `None` can stand for it instead of an error, and drops nothing: 2 records, 1 missing.
//!
//! asyncio: gather, return_exceptions, FileNotFoundError
//!
//! real clock: real files
//!
//! ```python
//! records = await asyncio.gather(*map(fetch, names))    # FileNotFoundError; the other two go on
//!
//! results = await asyncio.gather(*map(fetch, names), return_exceptions=True)
//! errors = [r for r in results if isinstance(r, BaseException)]
//! missing = [e.filename for e in errors if isinstance(e, FileNotFoundError)]    # the others remain to be raised
//! ```
//!
//! Not the same: after the first exception `gather` leaves the other two running; `try_join_all` drops them (see
//! `tasks/join-errors`). A FileNotFoundError is a class of its own and has the name of the file. In Rust the errors
//! of files are one type, `io::Error`. Its `kind` says what went wrong; the caller adds the name, for instance with
//! anyhow's `with_context`.

use std::{
    fmt::Display,
    io::{self, ErrorKind::NotFound},
    path::Path,
};

use anyhow::{Context, Result};
use chapter::Folder;
use futures_util::future::{join_all, try_join_all};
use timing::{
    Timings,
    law::{exactly, max},
    report::{Ended, Lane},
    ticks,
};
use tokio::{fs, time::sleep};
use tracing::instrument;

use crate::options::Options;

/// Each with the ticks it takes to fetch it.
const RECORDS: [(&str, u32); 3] = [("births", 2), (MISSING, 1), ("deaths", 3)];
const MISSING: &str = "marriages";

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    for (name, _) in RECORDS.iter().filter(|(name, _)| *name != MISSING) {
        fs::write(folder.path().join(name), "1912: 3, 1913: 5\n").await?;
    }
    let archive = Archive(folder.path());

    // One `Result` for all three: either every record, or the first error and nothing else.
    let all = try_join_all(RECORDS.map(|record| archive.fetch(record)));
    let outcome = t.time("try_join_all", exactly(1), all).await;
    t.count("records", outcome.as_ref().map_or(0, Vec::len));
    count_rest(t, "try_join_all", outcome.err());

    let all = try_join_all(RECORDS.map(|record| archive.fetch_by_name(record)));
    let outcome = t.time("with_context", exactly(1), all).await;
    t.count("records", outcome.as_ref().map_or(0, Vec::len));
    count_rest(t, "with_context", outcome.err());

    // A `Result` for each, in the order they were asked for. So here the place of an error tells its record, too.
    let all = join_all(RECORDS.map(|record| archive.fetch(record)));
    let outcomes = t.time("join_all", max([2, 1, 3]), all).await;
    t.count("records", outcomes.iter().flatten().count());
    count_rest(t, "join_all", outcomes.into_iter().filter_map(Result::err));

    let all = try_join_all(RECORDS.map(|record| archive.fetch_if_there(record)));
    let answers = t.time("None for missing", max([2, 1, 3]), all).await?;
    t.count("records", answers.iter().flatten().count());
    count_rest(t, "None for missing", None::<io::Error>);
    t.count("missing", answers.iter().filter(|a| a.is_none()).count());
    Ok(())
}

#[derive(Clone, Copy)]
struct Archive<'a>(&'a Path);

impl Archive<'_> {
    async fn read(self, name: &str, duration: u32) -> io::Result<String> {
        // Without the sleep it would be chance which of three small files is read first.
        sleep(ticks(duration)).await;
        fs::read_to_string(self.0.join(name)).await
    }

    #[instrument(ret, err, skip(self))]
    async fn fetch(self, (name, duration): (&str, u32)) -> io::Result<String> {
        self.read(name, duration).await
    }

    /// The `io::Error` stays within as the source, so a caller can still ask for its `kind`.
    #[instrument(ret, err, skip(self))]
    async fn fetch_by_name(self, (name, duration): (&str, u32)) -> Result<String> {
        let text = self.read(name, duration).await;
        text.with_context(|| format!("can't read the record of {name}")) // <- the difference
    }

    /// Only what isn't there is `None`. A record that is there and can't be read is still an error.
    #[instrument(ret, err, skip(self))]
    async fn fetch_if_there(self, (name, duration): (&str, u32)) -> io::Result<Option<String>> {
        match self.read(name, duration).await {
            // Asked after the read and not before it: a look beforehand says nothing about the moment of the read.
            Err(error) if error.kind() == NotFound => Ok(None),
            outcome => outcome.map(Some),
        }
    }
}

/// What there was besides records: errors, how many of them say which file they are about, and what was dropped.
fn count_rest(t: &mut Timings, label: &str, errors: impl IntoIterator<Item = impl Display>) {
    let errors: Vec<_> = errors.into_iter().map(|error| error.to_string()).collect();
    let cancelled = |lane: &&Lane| lane.ended == Ended::Cancelled;
    let cancelled = t[label].lanes.iter().filter(cancelled).count();
    t.count("errors", errors.len());
    let naming = errors.iter().filter(|error| error.contains(MISSING));
    t.count("naming the file", naming.count());
    t.count("cancelled", cancelled);
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ended::{Cancelled, Failed, Returned};
    use timing::report::Variant;

    fn ends(variant: &Variant) -> [Ended; 3] {
        RECORDS.map(|(name, _)| variant.lane(name).ended)
    }

    #[track_caller]
    fn assert_counts(variant: &Variant, records: usize, errors: usize, naming: usize) {
        assert_eq!(*variant.count("records"), records);
        assert_eq!(*variant.count("errors"), errors);
        assert_eq!(*variant.count("naming the file"), naming);
    }

    #[tokio::test]
    async fn at_the_first_error_the_other_two_are_dropped() {
        let t = Timings::of_default(run).await;
        let joined = &t["try_join_all"];
        assert_eq!(ends(joined), [Cancelled, Failed, Cancelled]);
        assert_counts(joined, 0, 1, 0);
        assert_eq!(*joined.count("cancelled"), 2);
    }

    #[tokio::test]
    async fn an_error_names_its_file_only_if_it_is_told_to() {
        let t = Timings::of_default(run).await;
        assert_counts(&t["try_join_all"], 0, 1, 0);
        let named = &t["with_context"];
        assert_counts(named, 0, 1, 1);
        assert!(named.said[0].text.contains(MISSING));
    }

    #[tokio::test]
    async fn join_all_keeps_each_result() {
        let t = Timings::of_default(run).await;
        let joined = &t["join_all"];
        assert!(joined.elapsed >= ticks(3));
        assert_eq!(ends(joined), [Returned, Failed, Returned]);
        assert_counts(joined, 2, 1, 0);
    }

    #[tokio::test]
    async fn a_record_that_may_be_missing_drops_nothing() {
        let t = Timings::of_default(run).await;
        let joined = &t["None for missing"];
        assert!(joined.elapsed >= ticks(3));
        assert_counts(joined, 2, 0, 0);
        assert_eq!(ends(joined), [Returned; 3]);
        assert_eq!(*joined.count("missing"), 1);
    }

    #[tokio::test]
    async fn any_other_error_is_still_an_error() {
        let folder = Folder::temporary().unwrap();
        fs::write(folder.path().join("births"), [0xFF])
            .await
            .unwrap();
        let read = Archive(folder.path()).fetch_if_there(("births", 0)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
