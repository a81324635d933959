//! The formats that profiles are written in. One file each, a pure function from a profile to its
//! text; a new format is a file beside `oci.rs` and a line here.

pub mod oci;
