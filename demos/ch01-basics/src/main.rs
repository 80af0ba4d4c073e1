//! What a future is, who runs it, and what waiting means.

mod lazy_future;
mod one_cook;

fn main() {
    let _ = (one_cook::run, lazy_future::run);
}
