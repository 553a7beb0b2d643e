//! Running other programs: with a deadline, everything they say kept, and nothing of them left behind.

mod leftovers;
mod process;
mod tally;

pub(crate) use process::{Call, Ended, How};
pub(crate) use tally::Tally;
