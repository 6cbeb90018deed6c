//! Silent live partitions, and the global watermark in spite of them.
//!
//! A partition is idle once it is caught up and has been silent for the timeout; it then holds nobody up. While all are
//! idle the global watermark advances second for second from where it stood, so that the last window closes without new
//! data. It never moves back.

use engine_model::{EventTime, Micros, Watermark};

/// When each live partition was heard last, and the clock of those that are all silent.
#[derive(Debug)]
pub(crate) struct Idleness {
    timeout: Micros,
    heard: Vec<Option<EventTime>>,
    /// Where the clock stood when the watermark was last looked at, while all are idle.
    all_idle_at: Option<EventTime>,
}

impl Idleness {
    /// `partitions` of which nothing has been heard.
    pub(crate) fn new(partitions: usize, timeout: Micros) -> Idleness {
        Idleness { timeout, heard: vec![None; partitions], all_idle_at: None }
    }

    /// A partition was asked at `now`, and had something or not. The first question starts its silence.
    pub(crate) fn heard(&mut self, partition: usize, had_records: bool, now: EventTime) {
        let heard = &mut self.heard[partition];
        if had_records || heard.is_none() {
            *heard = Some(now);
        }
    }

    fn is_idle(&self, partition: usize, now: EventTime) -> bool {
        self.heard[partition].is_some_and(|heard| now - heard >= self.timeout)
    }

    /// The global watermark at `now`, where it stood at `before`, and the partition that holds it.
    pub(crate) fn global(
        &mut self,
        watermarks: impl Iterator<Item = Watermark>,
        before: Watermark,
        now: EventTime,
    ) -> (Watermark, usize) {
        let busy = watermarks.enumerate().filter(|(place, _)| !self.is_idle(*place, now));
        let least = busy.map(|(place, watermark)| (watermark, place)).min();
        if let Some((watermark, place)) = least {
            self.all_idle_at = None;
            return (before.max(watermark), place);
        }
        let since = *self.all_idle_at.get_or_insert(now);
        self.all_idle_at = Some(now);
        if before == Watermark::NONE {
            return (before, 0);
        }
        (Watermark::at(before.get() + (now - since).max(Micros::ZERO)), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::EPOCH + Micros::from_seconds(seconds)
    }

    fn global(idleness: &mut Idleness, watermarks: [i64; 2], before: i64, now: i64) -> i64 {
        let watermarks = watermarks.into_iter().map(|seconds| Watermark::at(at(seconds)));
        let (watermark, _) = idleness.global(watermarks, Watermark::at(at(before)), at(now));
        (watermark.get() - EventTime::EPOCH).get() / 1_000_000
    }

    #[test]
    fn an_idle_partition_holds_nobody_up_and_when_all_are_the_clock_goes_on() {
        let mut idleness = Idleness::new(2, Micros::from_seconds(30));
        idleness.heard(0, true, at(100));
        idleness.heard(1, true, at(100));
        assert_eq!(global(&mut idleness, [90, 50], 40, 110), 50);
        idleness.heard(0, true, at(129));
        assert_eq!(global(&mut idleness, [119, 50], 50, 129), 50, "silent for 29 s");
        assert_eq!(global(&mut idleness, [119, 50], 50, 130), 119, "silent for 30 s");
        assert_eq!(global(&mut idleness, [119, 50], 119, 159), 119, "now both are idle");
        assert_eq!(global(&mut idleness, [119, 50], 119, 162), 122);
        assert_eq!(global(&mut idleness, [119, 50], 122, 163), 123);
        idleness.heard(1, true, at(164));
        assert_eq!(global(&mut idleness, [119, 60], 123, 164), 123, "it never moves back");
    }

    #[test]
    fn before_the_first_record_there_is_nothing_to_advance() {
        let mut idleness = Idleness::new(1, Micros::SECOND);
        idleness.heard(0, false, at(0));
        let watermarks = || std::iter::once(Watermark::NONE);
        assert_eq!(idleness.global(watermarks(), Watermark::NONE, at(5)).0, Watermark::NONE);
        assert_eq!(idleness.global(watermarks(), Watermark::NONE, at(9)).0, Watermark::NONE);
    }
}
