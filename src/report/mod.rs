//! How findings look: text for people, JSON for programs. No decisions are made here.
//!
//! Everything that comes from the traced program (paths, names, command lines) goes through
//! [`layout::printable`] before it reaches a terminal.

pub mod capabilities;
pub mod human;
pub mod layout;
pub mod progress;
pub mod style;
pub mod summary;

pub use capabilities::CapabilityReport;
pub use progress::Progress;
pub use style::{Color, Style};
pub use summary::Summary;
