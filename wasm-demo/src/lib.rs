//! The engine in a browser: the server's crates and the simulator, fused on one thread, for a web worker.
//!
//! ```text
//! simulator ─ batches ─────────────┐
//! simulator ─ lines ──▶ parser ────┼─▶ judge ─▶ dedup, add up ─▶ merge ─▶ Gold rows ─▶ messages of engine-feed
//! dropped file ─▶ lines ─▶ parser ─┘                                         └▶ kept, for CSV and Parquet
//! ```
//!
//! Nothing here decides what a record means: that is `engine-parse` and `engine-window`, as in the server. This crate says
//! where records come from, when windows close and what the page is told. It has no clock: the page says how far to go.
//!
//! [`Session`] is all of it, native as well as in a browser, so that tests need none; `bindings` shows it to JavaScript.

#![deny(unsafe_code)]

#[cfg(all(target_arch = "wasm32", feature = "engine"))]
mod bindings;
#[cfg(feature = "engine")]
mod dots;
#[cfg(feature = "engine")]
mod kept;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "engine")]
mod pipeline;
#[cfg(feature = "engine")]
mod session;
#[cfg(feature = "engine")]
mod settings;
mod wire;

#[cfg(feature = "engine")]
pub use dots::Dot;
#[cfg(feature = "parquet")]
pub use parquet::{EncodeError, parquet_of_wire};
#[cfg(feature = "engine")]
pub use session::{ReadError, Session};
#[cfg(feature = "engine")]
pub use settings::{Form, InvalidSettings, Settings};
pub use wire::{WireError, decode, encode};
