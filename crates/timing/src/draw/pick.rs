use crate::report::{Ended, Lane, Variant};

/// Lanes of a variant that a terminal shows.
pub(super) const MOST_LANES: usize = 12;

/// The lanes to draw, in the order they began: those that ended badly come before the others when there are too many.
pub(super) fn lanes(variant: &Variant) -> Vec<&Lane> {
    let mut order: Vec<usize> = (0..variant.lanes.len()).collect();
    order.sort_by_key(|&index| (weight(&variant.lanes[index]), index));
    order.truncate(MOST_LANES);
    order.sort_unstable();
    order
        .into_iter()
        .map(|index| &variant.lanes[index])
        .collect()
}

fn weight(lane: &Lane) -> u8 {
    match lane.ended {
        Ended::Failed | Ended::Panicked => 0,
        Ended::Cancelled => 1,
        Ended::Returned | Ended::Outlived => 2,
    }
}
