//! What several tests of the engine share.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod gold;
pub(crate) mod in_process;
pub(crate) mod lines;
pub(crate) mod tillrace;
