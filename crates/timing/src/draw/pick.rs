use crate::report::{Ended, Lane, Variant};

/// Lanes of a variant that a terminal shows.
pub(super) const MOST_LANES: usize = 12;

/// The lanes to draw, in the order they began. When there are too many: first those that ended badly, then some of the
/// others, evenly spread, so that a pattern over all of them still shows.
pub(super) fn lanes(variant: &Variant) -> Vec<&Lane> {
    let (bad, good): (Vec<usize>, Vec<usize>) =
        (0..variant.lanes.len()).partition(|&index| ended_badly(&variant.lanes[index]));
    let bad = &bad[..bad.len().min(MOST_LANES)];
    let mut shown: Vec<usize> = spread(&good, MOST_LANES - bad.len())
        .chain(bad.iter().copied())
        .collect();
    shown.sort_unstable();
    shown
        .into_iter()
        .map(|index| &variant.lanes[index])
        .collect()
}

/// At most so many of these, the first and the last among them.
fn spread(all: &[usize], most: usize) -> impl Iterator<Item = usize> {
    let shown = all.len().min(most);
    let gaps = shown.saturating_sub(1).max(1);
    (0..shown).map(move |nth| all[nth * (all.len() - 1) / gaps])
}

fn ended_badly(lane: &Lane) -> bool {
    match lane.ended {
        Ended::Failed | Ended::Panicked | Ended::Cancelled => true,
        Ended::Returned | Ended::Outlived => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_shown_and_many_are_spread_from_end_to_end() {
        let all: Vec<usize> = (0..100).collect();
        assert_eq!(spread(&all[..3], 12).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(&all, 4).collect::<Vec<_>>(), [0, 33, 66, 99]);
        assert_eq!(spread(&all, 1).collect::<Vec<_>>(), [0]);
        assert_eq!(spread(&all, 0).count() + spread(&[], 12).count(), 0);
    }
}
