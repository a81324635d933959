//! What is known beyond what a run shows, as data that people read and correct; each entry says
//! where it is known from.

pub mod always;
pub mod capability;
pub mod forbidden;
pub mod heard;
