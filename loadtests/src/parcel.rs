//! What travels on the ring: some records that are due at about the same time.

use engine_model::Batch;

/// The records of a [`Parcel`].
#[derive(Debug)]
pub enum Records {
    /// Parsed already. The bytes are the lines that late and rejected ones point into.
    Events(Batch, Vec<u8>),
    /// JSON Lines, and the offset of the first byte.
    Lines(Vec<u8>, u64),
}

/// Some records that are due at about the same time, with when each should be sent.
#[derive(Debug)]
pub struct Parcel {
    /// The records.
    pub records: Records,
    /// The intended send time of each record by the run's clock, ascending.
    pub intended: Vec<u64>,
}

impl Parcel {
    /// When the parcel is to be sent: when its last record is due, so that none is sent early.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.intended.last().copied().unwrap_or(0)
    }
}
