//! Whole chapters: every condition from the first lesson to the last, and signals at any moment of it.

use std::{
    env,
    hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState},
    time::Duration,
};

use crate::{
    cases::{CASES, Came, Case, Program, closed, stopped},
    programs, report,
    run::pause,
    side_by_side,
};

/// Ticks of a tenth of their length: a chapter is over sooner, and does the same.
const SHORT: [&str; 2] = ["--tick", "10ms"];

/// How often each signal is sent to each chapter: in a lesson that is drawn by lot, so long after its title at most.
const MOMENTS: u64 = 2;
const LATEST: u64 = 300; // ms

/// What the lots are drawn with. The same one draws them again.
const SEED: &str = "WAITWISE_SEED";

const AT_ONCE: usize = 6;

#[test]
#[ignore = "one to two minutes; CI has a step for it"]
fn whole_chapters_end_as_designed_and_leave_nothing() {
    let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("{SEED}={seed}");

    let mut cases: Vec<_> = ["env -i", "TMPDIR"]
        .iter()
        .flat_map(|name| CASES.iter().filter(move |case| case.name == *name))
        .map(|Case { name, of }| (*name, Box::new(of) as Box<Work>))
        .collect();
    let both: Box<Work> = Box::new(|program, args| closed(program, args, "<&- 2>&-"));
    cases.push(("<&- 2>&-", both));
    for (name, signal, code) in [("SIGINT", "INT", 130), ("SIGTERM", "TERM", 143)] {
        for n in 0..MOMENTS {
            let drawn = move |program: &Program| lot(seed, (&program.chapter, signal, n));
            cases.push((
                name,
                Box::new(move |program, _| at_random(program, signal, code, drawn(program))),
            ));
        }
    }

    let programs = programs();
    let jobs: Vec<_> = programs
        .iter()
        .flat_map(|program| cases.iter().map(move |(_, case)| (program, case)))
        .collect();
    let came = side_by_side(&jobs, AT_ONCE, |(program, case)| case(program, &SHORT));
    let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
    report(&programs, &names, came);
}

type Work = dyn Fn(&Program, &[&str]) -> Came + Sync;

fn lot(seed: u64, of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, of).hash(&mut hasher);
    hasher.finish()
}

fn title(program: &Program, lesson: &str) -> String {
    format!("{}/{lesson} · ", program.chapter)
}

/// The last lesson may be over by then; so the chapter is.
fn at_random(program: &Program, signal: &str, code: i32, lot: u64) -> Came {
    let lesson = &program.lessons[lot as usize % program.lessons.len()].name;
    let after = Duration::from_millis(lot.rotate_left(32) % LATEST);
    let mut running = program.run().args(SHORT).start();
    running.until_it_prints(&title(program, lesson));
    pause(after);
    running.send(signal);
    let ended = running.ended();
    let last = &program.lessons.last().unwrap().name;
    let is_over = ended.code == Some(0) && ended.out.contains(&title(program, last));
    let mut came = stopped(&ended, if is_over { 0 } else { code });
    for complaint in &mut came.complaints {
        *complaint = format!("{after:?} into {lesson}: {complaint}");
    }
    came
}
