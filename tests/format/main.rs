//! The format as a whole: what is written is read back, and nothing else is accepted.

mod golden;
mod read_back;
mod round_trip;
mod tamper;
