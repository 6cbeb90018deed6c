//! Gold rows to Arrow and Parquet bytes; no IO.
//!
//! [`arrow_schema()`] and [`record_batch`] turn the model's plain rows into Arrow; [`parquet()`] turns them into a
//! complete file, and [`rows`] reads one back. Where the file lies and when it is written is the business of `engine-lake`.

#![forbid(unsafe_code)]

mod batch;
mod decode;
mod file;

pub use batch::{arrow_schema, record_batch};
pub use decode::{ParquetDecodeError, append_batch, row_count, rows};
pub use file::{CREATED_BY, ParquetEncodeError, ROW_GROUP_ROWS_MAX, parquet};
