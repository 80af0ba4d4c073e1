//! # The event loop: one thread, and a queue of those who can go on
//!
//! The drawing that every text on asyncio begins with, made from what really happened: two cooks, one stove, 8 turns. A cook
//! has the stove until the next `.await`, and no longer; the loop gives it to whoever's wait is over. Never are two at
//! it at once (peak: 1), however many there are: with four cooks it is 16 turns, still one at a time, and the same 3 ticks.
//!
//! asyncio: event loop
//!
//! ```python
//! async def cook(name, wait):
//!     for step in range(3):
//!         await asyncio.sleep(wait)   # a switch point
//!
//! await asyncio.gather(cook("A", 1), cook("B", 1))
//! ```
