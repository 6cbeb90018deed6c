//! A lake as a reader sees it, also while a run writes it.
//!
//! What a writer promises (see [`GoldWriter`](crate::GoldWriter)) is what is relied on here: a file is complete from the
//! moment its name appears, one that is replaced holds all the rows of the one before it, and the `kpis` tables of a commit
//! appear last. So whoever reads `kpis` first finds its windows in every table read after it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_gold::ParquetDecodeError;
use engine_model::gold::{self, QUARANTINE, TableSchema};
use engine_model::silver::{BRONZE, SILVER};
use engine_model::{Civil, Currency, Grain, Micros, Rows, Semantics, UtcOffset, WindowLength, day_of_civil};
use serde_json::Value;

use crate::lake::{FORMAT, FORMAT_READ_MIN, MARK};
use crate::layer_writer::{UNDATED, day_folder};
use crate::layers::Layer;
use crate::store::{FileSystem, Operation, Store, StoreError};

/// How often a listing is made anew because a file in it is gone, before that is an error.
const LISTINGS_MAX: usize = 5;

/// Why a folder cannot be read as a lake.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no lake.
    #[error("{} is no lake; expected a folder that tillrace run has written, with {MARK}/run.json in it", path.display())]
    NotALake {
        /// The path given for the lake.
        path: PathBuf,
    },
    /// The description of the run is none.
    #[error("{} is not understood: {what}; expected what this version of tillrace run has written", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Storage failed.
    #[error("cannot open lake {}", path.display())]
    Store {
        /// The lake's folder.
        path: PathBuf,
        /// The step that failed.
        source: StoreError,
    },
}

impl OpenError {
    /// Whether the user has to name another folder (exit 2), rather than the world to change (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            OpenError::NotALake { .. } | OpenError::Description { .. } => true,
            OpenError::Store { .. } => false,
        }
    }
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is not of the table.
    #[error("cannot read {}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParquetDecodeError,
    },
    /// Storage failed, or files were gone each time they had been listed.
    #[error("cannot read table {table}")]
    Store {
        /// The table's name.
        table: String,
        /// The step that failed.
        source: StoreError,
    },
}

/// A table that is there.
#[derive(Clone, Debug)]
pub struct LakeTable {
    /// Its name: `kpis_1m`, `dim_product`, `rejected`; of Bronze and Silver with the layer, `silver/clicks`, because Gold
    /// has tables of some of these names.
    pub name: String,
    /// Its columns.
    pub schema: &'static TableSchema,
    /// The layer it is in.
    pub layer: Layer,
    /// The grain at whose windows its rows stand.
    pub grain: Option<Grain>,
}

/// Stands for no day, before all days.
pub const UNDATED_DAY: i64 = i64::MIN;

impl LakeTable {
    /// A table of Bronze or Silver.
    pub(crate) fn large(layer: Layer, schema: &'static TableSchema) -> LakeTable {
        LakeTable { name: format!("{layer}/{}", schema.name), schema, layer, grain: None }
    }

    /// Whether its rows lie in folders of days.
    #[must_use]
    pub fn has_days(&self) -> bool {
        self.grain.is_some() || matches!(self.layer, Layer::Bronze | Layer::Silver)
    }
}

/// A lake to be read. It may be written meanwhile.
#[derive(Clone, Debug)]
pub struct LakeReader {
    root: PathBuf,
    semantics: Semantics,
    pub(crate) store: Arc<dyn Store>,
}

/// Opens the lake at `path`; reads no table yet.
///
/// # Errors
/// [`OpenError`]: where there is no lake, or one of another version.
pub fn open(path: impl Into<PathBuf>) -> Result<LakeReader, OpenError> {
    LakeReader::open_in(Arc::new(FileSystem), path.into())
}

impl LakeReader {
    pub(crate) fn open_in(store: Arc<dyn Store>, root: PathBuf) -> Result<LakeReader, OpenError> {
        let path = root.join(MARK).join("run.json");
        let bytes = match store.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(OpenError::NotALake { path: root });
            }
            Err(error) => {
                let source = StoreError::of(Operation::Read, &path)(error);
                return Err(OpenError::Store { path: root, source });
            }
        };
        match semantics(&bytes) {
            Ok(semantics) => Ok(LakeReader { root, semantics, store }),
            Err(what) => Err(OpenError::Description { path, what }),
        }
    }

    /// The lake's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What decides the rows of this lake.
    #[must_use]
    pub fn semantics(&self) -> &Semantics {
        &self.semantics
    }

    /// The tables that are there, in the order in which a commit shows them, then those of quarantine, Silver and Bronze.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn tables(&self) -> Result<Vec<LakeTable>, StoreError> {
        let grains = self.semantics.grains();
        let gold = gold::tables(&self.semantics).into_iter().map(|table| LakeTable {
            name: table.name,
            schema: table.schema,
            layer: Layer::Gold,
            grain: table.grain.map(|grain| grains[grain]),
        });
        let quarantine = QUARANTINE.iter().map(|schema| LakeTable {
            name: schema.name.to_owned(),
            schema,
            layer: Layer::Quarantine,
            grain: None,
        });
        let mut found = Vec::new();
        let large = [(Layer::Silver, &SILVER[..]), (Layer::Bronze, &BRONZE[..])];
        let large = large.into_iter().flat_map(|(layer, schemas)| schemas.iter().map(move |schema| (layer, *schema)));
        let large = large.map(|(layer, schema)| LakeTable::large(layer, schema));
        for table in gold.chain(quarantine).chain(large) {
            if self.list(&self.folder(&table))?.is_some() {
                found.push(table);
            }
        }
        Ok(found)
    }

    /// The local days that a table has folders of, counted from 1970-01-01, ascending; none for a table without. Before
    /// them, where there are such rows, [`UNDATED_DAY`] for what belongs to none.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn days(&self, table: &LakeTable) -> Result<Vec<i64>, StoreError> {
        let mut days: Vec<i64> = if table.has_days() {
            self.list(&self.folder(table))?.unwrap_or_default().iter().filter_map(|name| day(name)).collect()
        } else {
            Vec::new()
        };
        days.sort_unstable();
        Ok(days)
    }

    /// The rows of a table: of one with folders of days those of the local days `from_day..to_day`, a windowed one's in the
    /// order of windows, of another one all. Reads only the folders of those days. Needs memory for all these rows.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, table: &LakeTable, from_day: i64, to_day: i64) -> Result<Rows, ReadError> {
        self.with_files(table, from_day, to_day, |files| {
            let mut rows = Rows::new(table.schema);
            for (path, bytes) in files {
                let more = engine_gold::rows(table.schema, bytes);
                rows.append(&more.map_err(|source| ReadError::Decode { path, source })?);
            }
            Ok(rows)
        })
    }

    /// How many rows [`LakeReader::read`] would return; looks at the ends of the files only.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn count(&self, table: &LakeTable, from_day: i64, to_day: i64) -> Result<usize, ReadError> {
        self.with_files(table, from_day, to_day, |files| {
            let mut count = 0;
            for (path, bytes) in files {
                count += engine_gold::row_count(bytes).map_err(|source| ReadError::Decode { path, source })?;
            }
            Ok(count)
        })
    }

    /// Hands over the files of a table in order. Where one is gone since it was listed, lists anew.
    fn with_files<T>(
        &self,
        table: &LakeTable,
        from_day: i64,
        to_day: i64,
        take: impl Fn(Vec<(PathBuf, Vec<u8>)>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let failed = |source| ReadError::Store { table: table.name.clone(), source };
        let mut listings = 1;
        loop {
            let paths = self.files(table, from_day, to_day).map_err(failed)?;
            let read = |path: PathBuf| {
                let bytes = self.store.read(&path).map_err(StoreError::of(Operation::Read, &path))?;
                Ok((path, bytes))
            };
            match paths.into_iter().map(read).collect::<Result<Vec<_>, StoreError>>() {
                Ok(files) => return take(files),
                Err(error) if error.source.kind() == io::ErrorKind::NotFound && listings < LISTINGS_MAX => {
                    listings += 1;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// The data files of a table, in the order of their rows.
    pub(crate) fn files(&self, table: &LakeTable, from_day: i64, to_day: i64) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.folder(table);
        if !table.has_days() {
            return self.files_in(&folder);
        }
        let mut files = Vec::new();
        for day in self.days(table)?.into_iter().filter(|day| (from_day..to_day).contains(day)) {
            files.extend(self.files_in(&folder.join(folder_name(day)))?);
        }
        Ok(files)
    }

    /// `07.parquet`, `07-1.parquet`, `08.parquet`; `000003.parquet`; never the schema, which has no rows.
    fn files_in(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = Vec::new();
        for name in self.list(folder)?.unwrap_or_default() {
            let Some(stem) = name.strip_suffix(".parquet").filter(|stem| *stem != "schema") else { continue };
            let (number, suffix) = stem.split_once('-').unwrap_or((stem, "0"));
            let order = number.parse::<u64>().ok().zip(suffix.parse::<u64>().ok());
            files.push((order.unwrap_or((u64::MAX, 0)), folder.join(&name)));
        }
        files.sort();
        Ok(files.into_iter().map(|(_, path)| path).collect())
    }

    fn folder(&self, table: &LakeTable) -> PathBuf {
        let name = table.name.rsplit('/').next().expect("a split has a part");
        self.root.join(table.layer.name()).join(name)
    }

    /// `None` where there is no such folder. Names that are no UTF-8 are none of ours.
    fn list(&self, folder: &Path) -> Result<Option<Vec<String>>, StoreError> {
        let names = self.store.list(folder).map_err(StoreError::of(Operation::List, folder))?;
        Ok(names.map(|names| names.into_iter().filter_map(|name| name.into_string().ok()).collect()))
    }
}

/// Reads the name of a day's folder, `2026-01-01`, or of what belongs to none.
fn day(name: &str) -> Option<i64> {
    if name == UNDATED {
        return Some(UNDATED_DAY);
    }
    let mut parts = name.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let day = day_of_civil(Civil { year, month, day });
    // A name that is shown otherwise than it is written is no date, and no folder of ours.
    (day_folder(Some(day)) == name).then_some(day)
}

fn folder_name(day: i64) -> String {
    day_folder((day != UNDATED_DAY).then_some(day))
}

/// What `run.json` says.
fn semantics(bytes: &[u8]) -> Result<Semantics, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let format = &value["format"];
    if !format.as_u64().is_some_and(|found| (FORMAT_READ_MIN.into()..=FORMAT.into()).contains(&found)) {
        return Err(format!("format is {format}, not {FORMAT_READ_MIN} to {FORMAT}"));
    }
    let text = |name: &str| value[name].as_str().ok_or_else(|| format!("{name} is no text"));
    let window: WindowLength = parsed(text("window")?)?;
    let rollups = value["rollups"].as_array().ok_or("rollups is no list")?;
    let rollups = rollups.iter().map(|name| parsed(name.as_str().ok_or("a rollup is no text")?));
    let rollups: Vec<WindowLength> = rollups.collect::<Result<_, String>>()?;
    let lateness = value["lateness_us"].as_i64().filter(|us| *us >= 0).ok_or("lateness_us is no span")?;
    let currency: Currency = parsed(text("currency")?)?;
    let offset: UtcOffset = parsed(text("utc_offset")?)?;
    Semantics::new(window, &rollups, Micros::new(lateness), currency, offset).map_err(|error| error.to_string())
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests;
