//! What the chapters' command line and the launcher both know: what a lesson file says of itself, how lessons are named,
//! and which letters the terminal understands.
//!
//! A lesson's title, its asyncio names and the Python idiom stand once, in the `//!` block on top of its
//! file. The chapters' command line and the launcher both read them from there, so they can't disagree.
//!
//! ```
//! use lesson::Header;
//!
//! let header = Header::parse("//! # Sleeping\n//!\n//! Two naps, one bed.\n//!\n//! asyncio: sleep\n");
//! assert_eq!(header.title, "Sleeping");
//! assert_eq!(header.asyncio, ["sleep"]);
//! ```

mod header;
mod locale;
mod name;
mod near;

pub use header::Header;
pub use locale::is_utf8;
pub use name::{chapter_name, chapter_number, kebab, snake};
pub use near::near;
