//! Which partition to suspend when too many are open.

use engine_model::{EventTime, PartitionId};

/// How many partitions stay open unless said otherwise: far below a limit of 256 files, and enough that files which
/// cover the same time, one for each topic-partition of an export, usually all stay open.
pub const OPEN_READERS_DEFAULT: usize = 32;

/// The partitions that are open, at most a given number of them.
///
/// The engine always reads the partition with the least watermark, so the one that is furthest ahead in event time
/// will be asked for last: it is the one to suspend. (The least recently used one would be the very next.) Inputs
/// that cannot be replayed have no place here.
#[derive(Clone, Debug)]
pub struct OpenReaders {
    count_max: usize,
    /// In the order they were last read, with `max_p`.
    open: Vec<(PartitionId, EventTime)>,
}

impl OpenReaders {
    /// None open yet; at most `count_max` are to be.
    ///
    /// # Panics
    /// Where `count_max` is 0.
    #[must_use]
    pub fn new(count_max: usize) -> OpenReaders {
        assert!(count_max > 0, "a partition has to be open to be read");
        OpenReaders { count_max, open: Vec::new() }
    }

    /// Notes that `partition` was read and has now seen `max`. Returns the partition to suspend, if one is too many,
    /// and takes it for closed; it can be `partition` itself.
    ///
    /// One more than allowed can thus be open for a moment. Takes time linear in the number of open partitions; to be
    /// called once a batch.
    pub fn read(&mut self, partition: PartitionId, max: EventTime) -> Option<PartitionId> {
        self.closed(partition);
        self.open.push((partition, max));
        if self.open.len() <= self.count_max {
            return None;
        }
        // Of equal ones the least recently read goes: the first in the list.
        let (index, _) = self.open.iter().enumerate().rev().max_by_key(|(_, (_, max))| *max)?;
        Some(self.open.remove(index).0)
    }

    /// Notes that `partition` is finished or closed.
    pub fn closed(&mut self, partition: PartitionId) {
        self.open.retain(|(open, _)| *open != partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(readers: &mut OpenReaders, partition: u32, micros: i64) -> Option<u32> {
        let max = EventTime::from_micros(micros);
        readers.read(PartitionId(partition), max).map(|suspend| suspend.0)
    }

    #[test]
    fn the_partition_furthest_ahead_is_suspended() {
        let mut readers = OpenReaders::new(2);
        assert_eq!(read(&mut readers, 0, 10), None);
        assert_eq!(read(&mut readers, 1, 30), None);
        assert_eq!(read(&mut readers, 2, 20), Some(1));
        assert_eq!(read(&mut readers, 0, 40), None);
        assert_eq!(read(&mut readers, 3, 50), Some(3), "it may be the one just read");
        assert_eq!(read(&mut readers, 2, 45), None);
        assert_eq!(read(&mut readers, 4, 0), Some(2));
    }

    #[test]
    fn of_equal_ones_the_least_recently_read_is_suspended() {
        let mut readers = OpenReaders::new(2);
        assert_eq!(read(&mut readers, 0, 10), None);
        assert_eq!(read(&mut readers, 1, 10), None);
        assert_eq!(read(&mut readers, 0, 10), None);
        assert_eq!(read(&mut readers, 2, 10), Some(1));
    }

    #[test]
    fn a_finished_partition_makes_room() {
        let mut readers = OpenReaders::new(1);
        assert_eq!(read(&mut readers, 0, 10), None);
        readers.closed(PartitionId(0));
        assert_eq!(read(&mut readers, 1, 5), None);
    }
}
