//! Which successful syscalls show that a capability was used.
//!
//! A capability that a process *holds* is no capability that it *needs*. What is shown here is
//! shown by a call: it succeeded, and with such arguments and such a caller the kernel lets it
//! succeed only with the capability. [`RULES`] is the table, one entry per check of the kernel's;
//! [`NOT_SHOWN`] says of the rest why it cannot be told from a call's arguments. Every capability
//! that has a name stands in at least one of the two.
//!
//! What a rule rests on and cannot see stands in the finding's detail, in brackets: `(unless
//! RLIMIT_NICE allows it)`.
//!
//! Known blind spots, all on the side of saying too little: `socketcall(2)` of i386 has its
//! arguments in memory; a file system that checks by itself (FUSE without `default_permissions`)
//! may let a chown pass that the rule takes for `CAP_CHOWN`'s doing.

mod conditions;
mod evaluate;
mod not_shown;
mod rules;
#[cfg(test)]
mod tests;

pub use evaluate::{Call, Found, Rule, evidence, is_subject, not_shown, rule, with_rules};
pub use not_shown::{NOT_SHOWN, NotShown};
pub use rules::RULES;
