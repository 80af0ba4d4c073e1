//! The trace file of reports that really ran, against what its readers accept.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use serde_json::{Value, json};
use timing::{
    report::{Clock, Report},
    trace,
};

mod check;
#[path = "../common/mod.rs"]
mod common;

/// What is in the file.
fn traced(report: &Report) -> Value {
    let mut file = Vec::new();
    trace::write(report, &mut file).unwrap();
    serde_json::from_slice(&file).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_lane_and_poll_is_there_at_its_time_with_its_ending() {
    let report = common::report(Clock::Virtual).await;
    let trace = traced(&report);
    assert_eq!(check::defects(&trace), Vec::<String>::new());
    assert!(check::rows(&trace) == check::expected(&report));
}

#[tokio::test]
async fn so_it_is_on_the_real_clock() {
    let report = common::report(Clock::Real).await;
    let trace = traced(&report);
    assert_eq!(check::defects(&trace), Vec::<String>::new());
    assert!(check::rows(&trace) == check::expected(&report));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_stands_in_the_row_of_its_lane() {
    let trace = traced(&common::report(Clock::Virtual).await);
    let said = |text: &str| {
        let events = trace["traceEvents"].as_array().unwrap();
        let mut found = Vec::new();
        for event in events {
            if event["ph"] == "i" && event["name"] == text {
                let named =
                    |row: &&Value| row["name"] == "thread_name" && row["tid"] == event["tid"];
                let row = events.iter().find(named).unwrap();
                found.push((event["ts"].as_f64().unwrap(), row["args"]["name"].clone()));
            }
        }
        found
    };
    // Two lanes of one name, one after the other: each has its own line.
    let tea = json!(r#"cooks("tea")"#);
    let hot = said("hot");
    assert_eq!(hot, [(20_000.0, tea.clone()), (40_000.0, tea)]);
    assert_ne!(rows_of(&trace, "hot")[0], rows_of(&trace, "hot")[1]);
    // In no lane: the row of the variant.
    for line in ["before anything runs", "after the first"] {
        assert_eq!(said(line)[0].1, "variant");
    }
}

fn rows_of(trace: &Value, text: &str) -> Vec<u64> {
    let events = trace["traceEvents"].as_array().unwrap().iter();
    events
        .filter(|event| event["name"] == text)
        .map(|event| event["tid"].as_u64().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_check_finds_what_a_reader_would_choke_on() {
    let mut report = common::report(Clock::Virtual).await;
    report.lessons[0].variants[1].lanes.truncate(2);
    let good = traced(&report);
    let find = |name: &str, ph: &str| {
        let mut events = good["traceEvents"].as_array().unwrap().iter();
        let found = events.position(|event| event["name"] == name && event["ph"] == ph);
        found.unwrap()
    };
    let lane = find(r#"cooks("tea")"#, "X");
    let spoiled = |index: usize, spoil: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        spoil(&mut bad["traceEvents"][index]);
        check::defects(&bad)
    };
    let without = |index: usize, key: &'static str| {
        spoiled(index, &|event| {
            event.as_object_mut().unwrap().remove(key);
        })
    };
    assert!(spoiled(lane, &|_| ()).is_empty());
    // The lane and its first poll begin together; a nanosecond more than the lane's length sticks out.
    assert!(spoiled(lane + 1, &|event| event["dur"] = json!(20_000.001))[0].contains("overlaps"));
    assert!(without(lane, "dur")[0].contains("dur"));
    assert!(without(find("process_name", "M"), "ts")[0].contains("ts"));
    assert!(without(find("thread_name", "M"), "args")[0].contains("args"));
    assert!(without(find("hot", "i"), "s")[0].contains("s "));
    assert!(spoiled(lane, &|event| event["ph"] = json!("Y"))[0].contains("phase"));
    assert!(spoiled(lane, &|event| event["ts"] = json!("0"))[0].contains("ts"));
    assert!(spoiled(lane, &|event| event["tid"] = json!(4_000_000))[0].contains("name"));

    let mut polls_overlap = good.clone();
    polls_overlap["traceEvents"][lane + 1]["dur"] = json!(5);
    polls_overlap["traceEvents"][lane + 2]["ts"] = json!(3);
    polls_overlap["traceEvents"][lane + 2]["dur"] = json!(9);
    assert!(check::defects(&polls_overlap)[0].contains("overlaps"));
    let mut poll_before_lane = good.clone();
    poll_before_lane["traceEvents"][lane + 1]["dur"] = json!(5);
    let events = poll_before_lane["traceEvents"].as_array_mut().unwrap();
    events.swap(lane, lane + 1);
    assert!(check::defects(&poll_before_lane)[0].contains("overlaps"));
}

#[tokio::test(start_paused = true)]
async fn the_check_finds_a_wrong_time_and_a_wrong_ending() {
    let mut report = common::report(Clock::Virtual).await;
    report.lessons[0].variants[1].lanes.truncate(2);
    let good = traced(&report);
    let expected = check::expected(&report);
    assert!(check::rows(&good) == expected);
    let events = good["traceEvents"].as_array().unwrap();
    for (index, event) in events.iter().enumerate() {
        if event["ph"] != "X" {
            continue;
        }
        let mut late = good.clone();
        late["traceEvents"][index]["ts"] = json!(event["ts"].as_f64().unwrap() + 0.001);
        assert!(check::rows(&late) != expected);
        if event["args"]["ended"].is_string() {
            let mut other = good.clone();
            other["traceEvents"][index]["args"]["ended"] = json!("melted");
            assert!(check::rows(&other) != expected);
        }
    }
}
