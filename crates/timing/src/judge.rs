//! Whether a variant kept its law.

use std::time::Duration;

use crate::{
    law::{Kind, Law},
    report::{Clock, Variant, Verdict},
};

/// How late each wait of a law may be on the real clock, beside a tenth of the whole: timers fire late by a
/// millisecond or two, and a busy machine takes its time to run what they wake.
pub const LATE: Duration = Duration::from_millis(20);

/// What one request over a socket may cost in work, on both sides together: a fifth of it on an idle machine and in a
/// debug build.
pub const WORK: Duration = Duration::from_millis(2);

/// What is granted on the real clock beside a tenth of the law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// [`LATE`], once: timers that follow one another don't add up their lateness beyond the tenth.
    Timers,
    /// [`LATE`] for every round of the law, since each may meet a slow connection or a thread that isn't scheduled; and
    /// [`WORK`] for every wait in it, since fifty requests at once are worked off one by one.
    RealIo,
}

/// Judges all runs of a variant. On the virtual clock every one must keep the law. On the real clock none may be too
/// short, and one at least must not be too long: what makes a single run late is the machine's, what makes all of them
/// late is the code's.
///
/// ```
/// use timing::{Timings, judge::{Allowance, judge}, law::at_least, report::{Clock, Verdict}};
///
/// let mut t = Timings::default();
/// t.time_blocking("at once", at_least(1), || ());
/// let mut variant = t.finish().variants.remove(0);
/// judge(&mut variant, Clock::Real, Allowance::Timers);
/// assert_eq!(variant.verdict, Verdict::Broken);
/// ```
pub fn judge(variant: &mut Variant, clock: Clock, allowance: Allowance) {
    let Some(law) = &variant.law else { return };
    let mut runs = variant.runs.iter();
    let kept = match clock {
        Clock::Virtual => runs.all(|&run| keeps(law, run, clock, allowance)),
        Clock::Real => {
            let shortest = runs.min().copied().unwrap_or_default();
            keeps(law, shortest, clock, allowance)
        }
    };
    variant.verdict = if kept { Verdict::Kept } else { Verdict::Broken };
}

/// Whether a time keeps a law: exactly on the virtual clock; on the real clock never too short, and no longer than
/// the law, a tenth of it, and the allowance.
///
/// ```
/// use timing::{judge::{Allowance, keeps}, law::exactly, report::Clock, ticks};
/// use std::time::Duration;
///
/// let late = ticks(1) + Duration::from_millis(1);
/// assert!(!keeps(&exactly(1), late, Clock::Virtual, Allowance::Timers));
/// assert!(keeps(&exactly(1), late, Clock::Real, Allowance::Timers));
/// ```
pub fn keeps(law: &Law, measured: Duration, clock: Clock, allowance: Allowance) -> bool {
    let latest = match (clock, allowance) {
        (Clock::Virtual, _) => law.bound,
        (Clock::Real, Allowance::Timers) => law.bound + law.bound / 10 + LATE,
        (Clock::Real, Allowance::RealIo) => {
            law.bound + law.bound / 10 + LATE * law.rounds + WORK * law.waits
        }
    };
    let (not_early, not_late) = (measured >= law.bound, measured <= latest);
    match law.kind {
        Kind::AtLeast => not_early,
        Kind::AtMost => not_late,
        Kind::Sum | Kind::Max | Kind::Waves | Kind::Exactly => not_early && not_late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        law::{at_least, at_most, exactly, sum},
        ticks,
    };

    const MS: Duration = Duration::from_millis(1);

    fn real(law: &Law, measured: Duration) -> bool {
        keeps(law, measured, Clock::Real, Allowance::Timers)
    }

    #[test]
    fn on_the_virtual_clock_a_nanosecond_breaks_a_law() {
        let ns = Duration::from_nanos(1);
        for (measured, kept) in [
            (ticks(2), true),
            (ticks(2) + ns, false),
            (ticks(2) - ns, false),
        ] {
            assert_eq!(
                keeps(&exactly(2), measured, Clock::Virtual, Allowance::RealIo),
                kept
            );
        }
    }

    #[test]
    fn on_the_real_clock_early_is_always_broken_and_late_is_measured() {
        assert!(!real(&exactly(2), ticks(2) - MS));
        assert!(real(&exactly(2), ticks(2) + MS * 40));
        assert!(!real(&exactly(2), ticks(2) + MS * 41));
    }

    #[test]
    fn rounds_add_up_their_allowance_over_real_io() {
        let law = sum([1; 10]);
        let measured = ticks(10) + MS * 250;
        assert!(!keeps(&law, measured, Clock::Real, Allowance::Timers));
        assert!(keeps(&law, measured, Clock::Real, Allowance::RealIo));
    }

    #[test]
    fn over_real_io_the_allowance_never_hides_another_wave() {
        for requests in [10, 50] {
            let law = crate::law::waves(requests, 10, 1);
            let one_more = law.bound + ticks(1) * (law.rounds + 1);
            assert!(!keeps(&law, one_more, Clock::Real, Allowance::RealIo));
        }
    }

    #[test]
    fn one_late_run_is_the_machine_and_one_early_run_is_the_code() {
        let verdict = |runs: [u32; 3], clock| {
            let mut t = crate::Timings::default();
            t.time_blocking("one", exactly(2), || ());
            let mut variant = t.finish().variants.remove(0);
            variant.runs = runs.map(|tenths| ticks(f64::from(tenths) / 10.0)).into();
            judge(&mut variant, clock, Allowance::Timers);
            variant.verdict
        };
        assert_eq!(verdict([20, 40, 30], Clock::Real), Verdict::Kept);
        assert_eq!(verdict([40, 30, 30], Clock::Real), Verdict::Broken);
        assert_eq!(verdict([20, 19, 20], Clock::Real), Verdict::Broken);
        assert_eq!(verdict([20, 40, 20], Clock::Virtual), Verdict::Broken);
    }

    #[test]
    fn one_sided_laws_have_one_side() {
        assert!(real(&at_least(1), ticks(50)) && !real(&at_least(1), ticks(1) - MS));
        assert!(real(&at_most(1), ticks(0)) && !real(&at_most(1), ticks(2)));
    }
}
