//! What a lesson file says of itself: its header, read.
