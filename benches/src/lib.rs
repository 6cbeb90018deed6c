//! What the benchmarks share: inputs, the whole path, its controls and the rivals. Nothing here ships.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod made;
pub mod messy;
pub mod path;
pub mod plain;
pub mod report;
pub mod ring;
pub mod rivals;
pub mod state;
pub mod ysb;
