//! Gold rows to Arrow and Parquet bytes; no IO.
