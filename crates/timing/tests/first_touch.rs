//! A test of its own program, since tracing keeps for the whole process what it has once asked.

use timing::{Timings, law::none};
use tracing::instrument;

#[instrument(ret, target = "ch00_test")]
fn touched() {}

#[test]
fn a_thread_without_a_recorder_that_comes_first_switches_nothing_off() {
    let mut t = Timings::default();
    std::thread::spawn(touched).join().unwrap();
    t.time_blocking("later", none(), touched);
    assert_eq!(t["later"].lanes.len(), 1);
}
