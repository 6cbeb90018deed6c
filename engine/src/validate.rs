//! Checks files without a lake: which lines are no valid events, and why.

use engine_model::{Batch, Reason};
use engine_parse::{Rules, parse};
use engine_source::{Input, PartitionReader, ReadError};

use crate::partitions::rest_of;

/// One reason's lines in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonReport {
    /// The reason.
    pub reason: Reason,
    /// How many lines were rejected for it.
    pub lines: u64,
    /// The number of the first of them, from 1, blank lines counted.
    pub line_first: u64,
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Records in it.
    pub records: u64,
    /// The reasons that occurred, in the order of [`Reason::ALL`].
    pub reasons: Vec<ReasonReport>,
}

impl FileReport {
    /// Records that are no valid events.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.reasons.iter().map(|reason| reason.lines).sum()
    }
}

const RECORDS_MAX: usize = 1_024;

/// Reads a whole input and counts its rejected lines.
///
/// # Errors
/// Where it cannot be read to its end.
pub fn validate(input: &Input, rules: &Rules) -> Result<FileReport, ReadError> {
    let mut reader = PartitionReader::new(input.clone());
    let mut batch = Batch::default();
    let mut report = FileReport { records: 0, reasons: Vec::new() };
    let mut line = 1;
    while let Some(slab) = reader.next_slab()? {
        let mut consumed = 0;
        while consumed < slab.bytes.len() {
            let rest = rest_of(slab, consumed);
            batch.reset(batch.header);
            let parsed = parse(rest, rules, RECORDS_MAX, &mut batch);
            report.records += batch.record_count() as u64;
            for rejected in &batch.rejected {
                let line = line + newlines(&rest.bytes[..rejected.line.start as usize]);
                let reason = rejected.rejection.reason;
                match report.reasons.iter_mut().find(|known| known.reason == reason) {
                    Some(known) => known.lines += 1,
                    None => report.reasons.push(ReasonReport { reason, lines: 1, line_first: line }),
                }
            }
            line += newlines(&rest.bytes[..parsed]);
            consumed += parsed;
        }
        // The cut line's end was not part of the slab.
        line += u64::from(slab.oversized.is_some());
    }
    report.reasons.sort_by_key(|reason| reason.reason);
    Ok(report)
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
