//! The module that writes Parquet: rows as they come over, a complete file back. Loaded at the first download.

use engine_model::gold::GOLD;

use crate::wire::{WireError, decode};

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// There is no such table.
    #[error("no Gold table {0:?}")]
    UnknownTable(String),
    /// The rows did not come over whole.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The Parquet library refused the rows.
    #[error(transparent)]
    Parquet(#[from] engine_gold::ParquetEncodeError),
}

/// The rows that [`crate::encode`] gave as a complete Parquet file. `table` is the name without a grain.
///
/// # Errors
/// Where the table is not known, or the bytes are not its rows.
pub fn parquet_of_wire(table: &str, bytes: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let schema = GOLD.into_iter().find(|schema| schema.name == table);
    let schema = schema.ok_or_else(|| EncodeError::UnknownTable(table.to_owned()))?;
    Ok(engine_gold::parquet(&decode(schema, bytes)?)?)
}

#[cfg(target_arch = "wasm32")]
mod bindings {
    use wasm_bindgen::prelude::{JsError, wasm_bindgen};

    /// The rows of a table as a complete Parquet file.
    ///
    /// # Errors
    /// Where the table is not known, or the bytes are not its rows.
    #[expect(unreachable_pub, reason = "JavaScript reaches it")]
    #[wasm_bindgen]
    pub fn parquet(table: &str, rows: &[u8]) -> Result<Vec<u8>, JsError> {
        Ok(super::parquet_of_wire(table, rows)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_none_is_refused_by_name() {
        let error = parquet_of_wire("kpis_1m", &[]).unwrap_err();
        assert_eq!(error.to_string(), "no Gold table \"kpis_1m\"");
    }

    #[test]
    fn without_rows_the_file_still_has_the_schema() {
        let file = parquet_of_wire("kpis", &[]).unwrap();
        assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"), "{} bytes", file.len());
    }
}
