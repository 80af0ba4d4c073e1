//! What is done with a tray: cheques are handed over.

use std::sync::{Arc, Mutex};

use shuttle::future::block_on;
use tokio::task::spawn;

use crate::trays::Tray;

/// With one place the tray is full or empty at every step; with three it is rarely either.
pub fn hands_over<T: Tray>() {
    for places in [1, 3] {
        for cancelled in [Side::Teller, Side::Clerk] {
            block_on(hand_over::<T>(places, cancelled));
        }
    }
}

/// Who is cancelled on the way.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Teller,
    Clerk,
}

/// Three tellers put two cheques each, three clerks take them, and one more of either side is cancelled somewhere on
/// the way. Whether that one has come to a cheque or not, the clerks find enough cheques and the tellers enough places,
/// so nobody may be left waiting; shuttle fails a schedule in which nobody can go on.
async fn hand_over<T: Tray>(places: usize, cancelled: Side) {
    let tray = Arc::new(T::new(places));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let teller = |cheques: Vec<u32>| {
        let tray = tray.clone();
        spawn(async move {
            for cheque in cheques {
                tray.put(cheque).await;
                let filled = tray.filled();
                assert!(filled <= places, "{filled} cheques on {places} places");
            }
        })
    };
    let clerk = |count: usize| {
        let (tray, taken) = (tray.clone(), taken.clone());
        spawn(async move {
            for _ in 0..count {
                let cheque = tray.take().await;
                taken.lock().expect("no clerk panics").push(cheque);
            }
        })
    };

    let (cancelled, last_clerk) = match cancelled {
        Side::Teller => (teller(vec![7]), clerk(2)),
        Side::Clerk => (clerk(1), clerk(1)),
    };
    let others = [
        last_clerk,
        clerk(2),
        clerk(2),
        teller(vec![1, 2]),
        teller(vec![3, 4]),
        teller(vec![5, 6]),
    ];
    // A task of its own: the schedule decides when it comes to it.
    let handle = cancelled.abort_handle();
    let canceller = spawn(async move { handle.abort() });
    for task in others {
        task.await.expect("it isn't cancelled");
    }
    canceller.await.expect("it isn't cancelled");
    let _either_way = cancelled.await;

    // What is left is taken, too: each of the six cheques is seen once, and the seventh at most once.
    let mut seen = taken.lock().expect("no clerk panics").clone();
    while tray.filled() > 0 {
        seen.push(tray.take().await);
    }
    seen.sort_unstable();
    assert!(seen.starts_with(&[1, 2, 3, 4, 5, 6]), "{seen:?}");
    assert!(seen[6..].is_empty() || seen[6..] == [7], "{seen:?}");
}
