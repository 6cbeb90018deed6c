//! Storage: the folders of a lake, commits, refusals.
//!
//! ```text
//! LAKE/gold/kpis_1m/schema.parquet              no rows: the table has its schema before it has data
//! LAKE/gold/kpis_1m/2026-01-01/07.parquet       rows of that local day, the first at 07:00 or after
//! LAKE/gold/kpis_1m/2026-01-01/07-1.parquet     the same hour, after the file before it had grown full
//! LAKE/gold/dim_product/dim_product.parquet     replaced whole
//! LAKE/bronze/events/2026-01-01/000000.parquet  lines read on that local day of event time
//! LAKE/silver/clicks/2026-01-01/000002.parquet  accepted clicks of that local day
//! LAKE/quarantine/late/000003.parquet           numbered in the order of writing
//! LAKE/_tillrace/run.json                       what the lake was made with
//! LAKE/_tillrace/commit                         the record of the last commit
//! LAKE/_tillrace/state/000001.log               what spans windows
//! LAKE/_tillrace/lock                           locked while a run writes
//! LAKE/_tillrace/tmp/…                          unfinished files
//! ```
//!
//! A file in a layer is complete from the moment its name appears: it is written under
//! `_tillrace/tmp`, synced, renamed to its place, and then the folder is synced.
//!
//! [`LakeWriter`] commits, as `docs/recovery.md` says; the head of `gold.rs` says what a reader can rely on; [`open`] is such a reader.
//! Left out: Delta and object stores. There is no clock here; when to commit is the caller's decision.

#![forbid(unsafe_code)]

mod failpoint;
mod fault;
mod gold;
mod input_log;
mod lake;
mod layer_file;
mod layer_writer;
mod layers;
mod quarantine;
mod reader;
mod record;
mod search;
mod staging;
mod state_log;
mod store;
mod writer;

#[cfg(test)]
mod memory;

pub use failpoint::failpoint;
pub use gold::{FILE_ROWS_MAX, PENDING_BYTES_MAX};
pub use input_log::{InputLog, StoredInput};
pub use lake::{CreateError, Lake};
pub use layer_file::{Codec, LayerEncoding, Layout, ROW_GROUP_ROWS_MAX, layer_bytes};
pub use layer_writer::{FILE_BYTES_MAX, REWRITTEN_BYTES_MAX};
pub use layers::{InvalidLayers, Layer, Layers};
pub use quarantine::{QUARANTINE_BYTES_MAX, QUARANTINE_ROWS_MAX};
pub use reader::{LakeReader, LakeTable, OpenError, ReadError, UNDATED_DAY, open};
pub use search::Wanted;
pub use staging::CommitError;
pub use store::{Operation, StoreError};
pub use writer::{CommitReport, CommittedFile, LakeWriter};
