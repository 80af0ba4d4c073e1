//! What the format asks of a file, and what its readers make of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use timing::report::Report;

/// A row as a reader shows it: process, name, and slices of name, start, length and ending, in nanoseconds.
#[derive(Debug, PartialEq)]
pub struct Row {
    process: String,
    name: String,
    slices: Vec<(String, u128, u128, String)>,
}

/// The rows that a report should become.
pub fn expected(report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for lesson in &report.lessons {
        for variant in &lesson.variants {
            let process = format!("{} · {}", lesson.name, variant.label);
            rows.push(Row {
                process: process.clone(),
                name: "variant".into(),
                slices: vec![(
                    variant.label.clone(),
                    0,
                    variant.elapsed.as_nanos(),
                    String::new(),
                )],
            });
            for lane in &variant.lanes {
                let ended = format!("{:?}", lane.ended).to_lowercase();
                let (start, length) = (lane.start, lane.end - lane.start);
                let mut slices = vec![(lane.label.clone(), start, length, ended)];
                for poll in &lane.polls {
                    slices.push(("poll".into(), poll.start, poll.length(), String::new()));
                }
                let slices = slices.into_iter().map(|(name, start, length, ended)| {
                    (name, start.as_nanos(), length.as_nanos(), ended)
                });
                rows.push(Row {
                    process: process.clone(),
                    name: lane.label.clone(),
                    slices: slices.collect(),
                });
            }
        }
    }
    rows
}

/// The rows that a reader finds in a valid file, in their order.
pub fn rows(trace: &Value) -> Vec<Row> {
    let mut processes = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for event in events(trace) {
        let id = (event["pid"].as_u64(), event["tid"].as_u64());
        let given = || event["args"]["name"].as_str().unwrap().to_owned();
        match (
            event["ph"].as_str().unwrap(),
            event["name"].as_str().unwrap(),
        ) {
            ("M", "process_name") => {
                processes.insert(id.0, given());
            }
            ("M", "thread_name") => {
                let row = Row {
                    process: processes[&id.0].clone(),
                    name: given(),
                    slices: Vec::new(),
                };
                rows.insert(id, row);
            }
            ("X", name) => {
                let ended = event["args"]["ended"].as_str().unwrap_or_default();
                let (ts, dur) = (nanos(&event["ts"]), nanos(&event["dur"]));
                let slice = (name.to_owned(), ts, dur, ended.to_owned());
                rows.get_mut(&id).unwrap().slices.push(slice);
            }
            _ => {}
        }
    }
    rows.into_values().collect()
}

/// What is wrong with the file, for Perfetto or for speedscope.
pub fn defects(trace: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if !matches!(trace["displayTimeUnit"].as_str(), Some("ms" | "ns")) {
        found.push("displayTimeUnit is neither ms nor ns".into());
    }
    if !trace["otherData"].is_object() {
        found.push("otherData is no object".into());
    }
    for event in events(trace) {
        found.extend(parts(event).map(|part| format!("{part} in {event}")));
    }
    if found.is_empty() {
        found.extend(names(events(trace)));
        found.extend(overlaps(events(trace)));
    }
    found
}

fn events(trace: &Value) -> &[Value] {
    trace["traceEvents"].as_array().unwrap()
}

/// The keys that an event of its phase must have, with their types.
fn parts(event: &Value) -> impl Iterator<Item = &'static str> {
    let time = |key: &str| event[key].as_f64().is_some_and(|time| time >= 0.0);
    let id = |key: &str| event[key].as_u64().is_some_and(|id| id > 0);
    let name = event["name"].as_str();
    let (args, ph) = (&event["args"], event["ph"].as_str());
    let labelled = match name {
        Some("process_name" | "thread_name") => args["name"].is_string(),
        Some("process_sort_index" | "thread_sort_index") => args["sort_index"].is_u64(),
        _ => false,
    };
    [
        (name.is_some(), "no name"),
        (id("pid"), "no pid"),
        (id("tid"), "no tid"),
        (time("ts"), "no ts"), // speedscope refuses a file for want of one, even where it means nothing
        (args.is_object(), "no args"),
        (matches!(ph, Some("M" | "X" | "i")), "unknown phase"),
        (ph != Some("X") || time("dur"), "no dur"),
        (
            ph != Some("i") || matches!(event["s"].as_str(), Some("t" | "p" | "g")),
            "no s (scope)",
        ),
        (ph != Some("M") || labelled, "no such metadata"),
    ]
    .into_iter()
    .filter_map(|(fine, complaint)| (!fine).then_some(complaint))
}

/// Rows and processes without a name, and row numbers that two processes share.
fn names(events: &[Value]) -> Vec<String> {
    let id = |event: &Value| (event["pid"].as_u64(), event["tid"].as_u64());
    let named = |name| events.iter().filter(move |event| event["name"] == name);
    let rows: BTreeSet<_> = named("thread_name").map(id).collect();
    let processes: BTreeSet<_> = named("process_name").map(|event| id(event).0).collect();
    let numbers: BTreeSet<_> = rows.iter().map(|(_, tid)| tid).collect();

    let mut found = Vec::new();
    if numbers.len() < rows.len() {
        found.push("a row's name is claimed by two processes".into());
    }
    for event in events {
        if !rows.contains(&id(event)) || !processes.contains(&id(event).0) {
            found.push(format!("no name for the row of {event}"));
        }
    }
    found
}

/// Slices of a row that overlap without nesting, or come before the slice they lie in, in whole nanoseconds.
fn overlaps(events: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = BTreeMap::<_, Vec<(u128, u128)>>::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let start = nanos(&event["ts"]);
        let end = start + nanos(&event["dur"]);
        let around = open.entry(event["tid"].as_u64()).or_default();
        if let Some(&(before, _)) = around.last()
            && start < before
        {
            found.push(format!("out of order: {event}"));
        }
        // One that ended where this one starts holds it only if this one is as short as a point.
        while (around.last()).is_some_and(|&(_, over)| over < start || over == start && end > over)
        {
            around.pop();
        }
        if around.last().is_some_and(|&(_, over)| end > over) {
            found.push(format!("overlaps: {event}"));
        }
        around.push((start, end));
    }
    found
}

/// As Perfetto reads a time: to the nearest whole nanosecond.
fn nanos(micros: &Value) -> u128 {
    (micros.as_f64().unwrap() * 1000.0).round() as u128
}
