//! What a future is, who runs it, and what waiting means.

mod one_cook;

fn main() {
    let _ = one_cook::run;
}
