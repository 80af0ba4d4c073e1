//! What the recorder makes of spans and events, claim by claim, on a paused clock and one thread.

mod bounds;
mod endings;
mod lanes;
mod narration;
mod variants;

use std::time::Duration;

use tracing::{info, instrument};

/// Long enough to be seen, and a whole number of milliseconds, as tokio's timers are.
const MS: Duration = Duration::from_millis(1);

/// Looks like a lesson's function to the recorder: target, `ret`, arguments.
#[instrument(ret, target = "ch00_test")]
async fn wait(name: &'static str, ms: u32) -> &'static str {
    info!(target: "ch00_test", "begins");
    tokio::time::sleep(MS * ms).await;
    name
}
