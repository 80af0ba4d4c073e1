//! What `http/limit` adds to the requests it makes: its 20 000, 64 at once, beside the same calls of reqwest
//! with nothing around them; then a thousand at once.
//!
//! `cargo bench -p ch06-http --bench limit`
//!
//! The lesson is the chapter's own program, with its recorder and a lane for every request that fits. Either side has a
//! stand-in of its own, on a thread of its own in the same process. The two take turns, since a machine's speed
//! drifts, and each turn is compared with the one beside it.

use std::{
    io::{self, Write},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use reqwest::Client;
use tokio::{runtime::Builder, sync::Semaphore, time::Instant};

const PAIRS: usize = 7;

/// So many requests, so many at once, and how long the server takes to answer: the tick.
struct Load {
    requests: usize,
    limit: usize,
    wait: Duration,
}

fn main() -> Result<()> {
    let load = Load {
        requests: 20_000,
        limit: 64,
        // The shortest tick there is: a longer wait would hide the work.
        wait: Duration::from_millis(10),
    };
    let (lesson, bare, ratio) = in_turns(&load, "Semaphore")?;
    let mut out = io::stdout().lock();
    let Load {
        requests, limit, ..
    } = load;
    writeln!(out, "{PAIRS} pairs, medians")?;
    writeln!(out, "{requests} requests, {limit} at once, 10 ms each")?;
    writeln!(out, "  lesson           {lesson:>6.2} s")?;
    writeln!(out, "  bare reqwest     {bare:>6.2} s")?;
    writeln!(out, "  ratio of a pair  {ratio:>6.2}")?;

    let load = Load {
        requests: 1_000,
        limit: 1_000,
        wait: Duration::from_millis(100),
    };
    let room = web::room_for_connections() / 2;
    if room < 1_000 {
        let text = "1000 at once need 4000 file descriptors: two each, in two rounds (ulimit -n)";
        return Ok(writeln!(out, "{text}; there is room for {room}")?);
    }
    let (lesson, bare, _) = in_turns(&load, "no bound")?;
    writeln!(out, "1000 requests at once, no bound, 100 ms each")?;
    writeln!(out, "  lesson           {lesson:>6.2} s")?;
    writeln!(out, "  bare reqwest     {bare:>6.2} s")?;
    Ok(())
}

/// The medians of the lesson, of bare reqwest and of their ratios.
fn in_turns(load: &Load, variant: &str) -> Result<(f64, f64, f64)> {
    let (mut lesson, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Who comes second finds a machine that is warm, and ports that are taken: so they change places.
        let (took, took_bare) = if pair % 2 == 0 {
            let took = in_the_lesson(load, variant)?;
            (took, on_bare_reqwest(load)?)
        } else {
            let took_bare = on_bare_reqwest(load)?;
            (in_the_lesson(load, variant)?, took_bare)
        };
        lesson.push(took);
        bare.push(took_bare);
        ratios.push(took / took_bare);
    }
    Ok((median(lesson), median(bare), median(ratios)))
}

fn in_the_lesson(load: &Load, variant: &str) -> Result<f64> {
    let program = Command::new(env!("CARGO_BIN_EXE_ch06-http"))
        .args(["limit", "--json", "-"])
        .args(["--requests", &load.requests.to_string()])
        .args(["--limit", &load.limit.to_string()])
        .args(["--tick", &format!("{}ms", load.wait.as_millis())])
        .output()?;
    let said = String::from_utf8_lossy(&program.stderr);
    ensure!(program.status.success(), "the lesson failed: {said}");
    let report = chapter::report(&program)?;
    let variants = report.lessons.iter().flat_map(|lesson| &lesson.variants);
    let mut found = variants.filter(|found| found.label == variant);
    let found = found.next().context("the lesson has such a variant")?;
    Ok(found.elapsed.as_secs_f64())
}

/// The same calls as the lesson's.
fn on_bare_reqwest(load: &Load) -> Result<f64> {
    let server = httpbin::Server::on_thread()?;
    let url = format!("{}/delay/{}", server.url(), load.wait.as_secs_f64());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::builder().no_proxy().build()?;
        let slots = Semaphore::new(load.limit);
        let begin = Instant::now();
        try_join_all((0..load.requests).map(async |_| {
            let _permit = slots.acquire().await?;
            let response = client.get(&url).send().await?.error_for_status()?;
            anyhow::Ok(response.bytes().await?.len())
        }))
        .await?;
        Ok(begin.elapsed().as_secs_f64())
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
