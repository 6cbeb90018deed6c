//! The record of a commit: one file that names everything the lake holds.
//!
//! A line that says version, length and checksum of the rest, then a line of JSON with what storage has to know, then a line of JSON
//! with what the run has to know, which nobody here looks into. See `docs/recovery.md` for what it is for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lake::FORMAT;

/// What a commit has made of the lake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Counts from 1.
    pub(crate) number: u64,
    /// The files of this commit, in the order in which they are shown.
    pub(crate) files: Vec<StagedFile>,
    /// Where the writer of each layer stands, by the layer's name.
    pub(crate) layers: BTreeMap<String, Value>,
    /// How far the state log has come.
    pub(crate) state: StatePosition,
    /// The run's own part.
    #[serde(skip)]
    pub(crate) cut: String,
}

/// A complete file under `_tillrace/tmp`, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StagedFile {
    /// Its name under `tmp`, used once.
    pub(crate) name: String,
    /// Its place, relative to the lake.
    pub(crate) place: String,
    /// How long it is.
    pub(crate) bytes: u64,
}

/// How far the state log has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatePosition {
    /// The number of its file; 0 before the first.
    pub(crate) segment: u64,
    /// How much of that file belongs to commits.
    pub(crate) bytes: u64,
    /// How long the snapshot at its beginning is.
    pub(crate) snapshot_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    bytes: usize,
    checksum: u32,
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvalidRecord {
    /// A later version has written them.
    Newer(u32),
    /// They are not as they were written; what shows it.
    Damaged(String),
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        debug_assert!(!self.cut.contains('\n'), "the run's part is one line");
        let rest = format!("{}\n{}\n", serde_json::to_string(self).expect("plain data"), self.cut);
        let head = Head { format: FORMAT, bytes: rest.len(), checksum: crc32fast::hash(rest.as_bytes()) };
        format!("{}\n{rest}", serde_json::to_string(&head).expect("plain data")).into_bytes()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Record, InvalidRecord> {
        let damaged = |what: &str| InvalidRecord::Damaged(what.to_owned());
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(damaged("its first line does not end"))?;
        let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
        let head: Value = serde_json::from_slice(head).map_err(|_| damaged("its first line is no JSON"))?;
        let format = head["format"].as_u64().ok_or(damaged("its first line has no format number"))?;
        if format > u64::from(FORMAT) {
            return Err(InvalidRecord::Newer(u32::try_from(format).unwrap_or(u32::MAX)));
        }
        let head: Head = serde_json::from_value(head).map_err(|error| damaged(&format!("its first line: {error}")))?;
        if rest.len() != head.bytes {
            let what = format!("{} bytes follow its first line, which says {}", rest.len(), head.bytes);
            return Err(InvalidRecord::Damaged(what));
        }
        let found = crc32fast::hash(rest);
        if found != head.checksum {
            let what = format!("its checksum is {found:08x}, its first line says {:08x}", head.checksum);
            return Err(InvalidRecord::Damaged(what));
        }
        let text = std::str::from_utf8(rest).map_err(|_| damaged("it is not UTF-8"))?;
        let mut lines = text.lines();
        let (Some(record), Some(cut), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(damaged("it has not three lines"));
        };
        let record: Record = serde_json::from_str(record).map_err(|error| damaged(&error.to_string()))?;
        Ok(Record { cut: cut.to_owned(), ..record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let file = StagedFile { name: "000007-000".into(), place: "gold/x/y.parquet".into(), bytes: 9 };
        Record {
            number: 7,
            files: vec![file],
            layers: BTreeMap::from([("gold".to_owned(), Value::from(3))]),
            state: StatePosition { segment: 2, bytes: 100, snapshot_bytes: 40 },
            cut: "{\"offset\":5}".to_owned(),
        }
    }

    #[test]
    fn a_record_comes_back() {
        assert_eq!(Record::decode(&record().encode()), Ok(record()));
    }

    #[test]
    fn a_record_torn_or_changed_anywhere_is_refused() {
        let bytes = record().encode();
        for end in 0..bytes.len() {
            assert!(matches!(Record::decode(&bytes[..end]), Err(InvalidRecord::Damaged(_))), "torn at {end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Record::decode(&changed).is_err(), "changed at {at}");
        }
        assert!(Record::decode(&[bytes, b"more".to_vec()].concat()).is_err());
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        assert_eq!(Record::decode(b"{\"format\":99,\"and\":1}\nrest"), Err(InvalidRecord::Newer(99)));
        let InvalidRecord::Damaged(what) =
            Record::decode(b"{\"format\":2,\"bytes\":4,\"checksum\":1}\nrest").unwrap_err()
        else {
            panic!("damaged")
        };
        assert_eq!(what, "its checksum is fd1421d0, its first line says 00000001");
    }
}
