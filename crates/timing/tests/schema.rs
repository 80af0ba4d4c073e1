//! The JSON of a report, against the schema that is kept beside the crate.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use timing::report::{Clock, Ended, Report, SCHEMA};

mod common;

struct Validator {
    schemas: Schemas,
    report: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/report-1.json");
        let schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut compiler = Compiler::new();
        compiler.add_resource("report-1.json", schema).unwrap();
        let mut schemas = Schemas::new();
        let report = compiler.compile("report-1.json", &mut schemas).unwrap();
        Self { schemas, report }
    }

    fn complaint(&self, document: &Value) -> Option<String> {
        let result = self.schemas.validate(document, self.report);
        result.err().map(|error| format!("{error:#}"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_with_everything_in_it_is_valid() {
    let report = common::report(Clock::Virtual).await;
    let lanes = || report.lessons[0].variants.iter().flat_map(|v| &v.lanes);
    for ended in [
        Ended::Returned,
        Ended::Failed,
        Ended::Panicked,
        Ended::Cancelled,
        Ended::Outlived,
    ] {
        assert!(lanes().any(|lane| lane.ended == ended), "{ended:?}");
    }
    let complaint = Validator::new().complaint(&serde_json::to_value(&report).unwrap());
    assert_eq!(complaint, None);
}

#[tokio::test]
async fn a_report_from_the_real_clock_is_valid() {
    let report = common::report(Clock::Real).await;
    let complaint = Validator::new().complaint(&serde_json::to_value(&report).unwrap());
    assert_eq!(complaint, None);
}

/// A valid document to spoil, without the thousands of lanes that would be checked again for every defect.
async fn good() -> Value {
    let mut report = common::report(Clock::Virtual).await;
    for variant in &mut report.lessons[0].variants {
        variant.lanes.truncate(9);
    }
    serde_json::to_value(report).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_schema_refuses_what_is_no_report() {
    let good = good().await;
    let validator = Validator::new();
    let variant = "/lessons/0/variants/0";
    let replaced = [
        ("/schema", json!(SCHEMA + 1)),
        ("/tick_ns", json!(0.5)),
        ("/clock", json!("sundial")),
        (
            "/lessons/0/outcome",
            json!({"state": "ran", "why": "it could"}),
        ),
        ("/lessons/2/outcome", json!({"state": "skipped"})),
        (&format!("{variant}/elapsed_ns"), json!(1.5)),
        (&format!("{variant}/elapsed_ns"), json!(-1)),
        (&format!("{variant}/elapsed_ns"), json!("1 s")),
        (&format!("{variant}/lanes/0/ended"), json!("vanished")),
        (&format!("{variant}/lanes/0/polls/0/end_ns"), json!(0.1)),
        (&format!("{variant}/lanes/0/polls/0/on_loop"), json!(1)),
        (&format!("{variant}/counts/0/value"), json!(null)),
        (&format!("{variant}/law"), json!({"kind": "sum"})),
        (&format!("{variant}/said/0/level"), json!("whisper")),
    ];
    for (pointer, defect) in replaced {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = defect.clone();
        assert!(validator.complaint(&bad).is_some(), "{pointer}: {defect}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_schema_knows_every_key_and_needs_each_of_them() {
    let good = good().await;
    let validator = Validator::new();
    let objects = [
        "",
        "/lessons/0",
        "/lessons/2/outcome",
        "/lessons/0/variants/0",
        "/lessons/0/variants/0/counts/0",
        "/lessons/0/variants/0/lanes/0",
        "/lessons/0/variants/0/lanes/0/polls/0",
        "/lessons/0/variants/0/said/0",
        "/lessons/0/variants/0/left_out",
        "/lessons/1/variants/0/law",
    ];
    for pointer in objects {
        let keys = good.pointer(pointer).unwrap().as_object().unwrap().keys();
        for key in keys {
            let mut bad = good.clone();
            let object = bad.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
            object.remove(key);
            assert!(validator.complaint(&bad).is_some(), "{pointer} less {key}");
        }
        let mut bad = good.clone();
        let object = bad.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        object.insert("surplus".into(), json!(1));
        assert!(validator.complaint(&bad).is_some(), "{pointer} and more");
    }
}

#[tokio::test]
async fn a_report_reads_back_as_it_was_written() {
    let report = common::report(Clock::Real).await;
    let text = serde_json::to_string(&report).unwrap();
    let back: Report = serde_json::from_str(&text).unwrap();
    assert!(back == report);
}
