//! The peak of a program's memory. Alone in its process: the allocator counts for all tests in one.

use timing::memory::Peak;

#[test]
fn a_peak_is_of_the_steps_that_are_looked_at() {
    let mut peak = Peak::from_now();
    for step in 1..10 {
        let sheet = vec![0_u8; 64 << 20];
        peak.look_each(10, step);
        drop(sheet);
    }
    assert!(peak.bytes() < 64 << 20);
    let sheet = vec![0_u8; 64 << 20];
    peak.look_each(10, 10);
    drop(sheet);
    assert!(peak.bytes() >= 64 << 20);
}
