//! What is run: one file for each kind of program.

pub mod memory;
pub mod monero;
pub mod node;
pub mod polkadot;
pub mod postgres;
pub mod processes;
pub mod redis;
pub mod storm;
