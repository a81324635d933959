//! The evidence: everything that was observed in one or more runs of a program, with its
//! provenance. A recording is the product of a run; profiles and reports are pure functions of it.

mod books;
mod files;
mod merge;
mod model;
mod redact;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod scrub;
mod secrets;
mod store;

pub use files::{Names, StoreError, check_writable, load, save, write_whole};
pub use merge::{MergeError, merge};
pub use model::*;
pub use redact::{Identity, redact, redact_with};
pub use schema::json_schema;
pub use secrets::mask_secrets;
pub use store::{
    Change, Checkpoint, Decision, Durability, Keeping, Leftover, Recovered, Stored, decide,
    recover, unfinished_names,
};
