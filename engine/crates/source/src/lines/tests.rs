//! The reader against a splitter that has the whole input before it, over inputs whose line lengths crowd around the
//! limit, buffers of a few bytes, and reads of any length with interruptions between them.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A line as both sides see it: where it starts, its first bytes, and its length without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    offset: u64,
    first_bytes: Vec<u8>,
    length: u64,
}

/// The lines of `bytes`, which start at `offset`, without those of nothing but spaces and tabs.
fn records(bytes: &[u8], mut offset: u64, line_bytes_max: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line);
        if !content.iter().all(|byte| b" \t".contains(byte)) {
            let first_bytes = content[..content.len().min(line_bytes_max)].to_vec();
            records.push(Record { offset, first_bytes, length: content.len() as u64 });
        }
        offset += line.len() as u64;
    }
    records
}

fn naive(input: &[u8], line_bytes_max: usize) -> Vec<Record> {
    match input.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => records(rest, 3, line_bytes_max),
        None => records(input, 0, line_bytes_max),
    }
}

fn records_of(slab: SlabRef<'_>, line_bytes_max: usize) -> Vec<Record> {
    assert!(!slab.bytes.is_empty());
    let Some(length) = slab.oversized else { return records(slab.bytes, slab.offset, line_bytes_max) };
    assert_eq!(slab.bytes.len(), line_bytes_max);
    assert!(length > line_bytes_max as u64);
    vec![Record { offset: slab.offset, first_bytes: slab.bytes.to_vec(), length }]
}

/// All records that come before the end or an error, and the error's text.
fn drain<R: Read>(reader: &mut LineReader<R>) -> (Vec<Record>, Option<String>) {
    let line_bytes_max = reader.line_bytes_max;
    let mut found = Vec::new();
    loop {
        match reader.next_slab() {
            Ok(Some(slab)) => found.extend(records_of(slab, line_bytes_max)),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

/// One read of a [`Chunked`] reader.
#[derive(Clone, Copy, Debug)]
enum Step {
    Bytes(usize),
    Interrupted,
}

/// Hands out its bytes in reads of given lengths, then as asked; then fails, if it is to.
#[derive(Debug)]
struct Chunked<'a> {
    bytes: &'a [u8],
    steps: VecDeque<Step>,
    failure: Option<&'static str>,
}

impl Read for Chunked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match self.steps.pop_front() {
            Some(Step::Interrupted) => return Err(ErrorKind::Interrupted.into()),
            Some(Step::Bytes(count)) => count.min(into.len()).min(self.bytes.len()),
            None => into.len().min(self.bytes.len()),
        };
        if self.bytes.is_empty()
            && let Some(failure) = self.failure
        {
            return Err(io::Error::other(failure));
        }
        let (now, later) = self.bytes.split_at(count);
        into[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

const SMALL: LineLimits = LineLimits { line_bytes_max: 8, read_bytes: 16 };

fn reader(bytes: &[u8], limits: LineLimits) -> LineReader<&[u8]> {
    LineReader::new(bytes, 0, limits)
}

/// Slabs as `(offset, bytes, oversized)`.
fn slabs(input: &[u8], limits: LineLimits) -> Vec<(u64, String, Option<u64>)> {
    let mut reader = reader(input, limits);
    let mut found = Vec::new();
    while let Some(slab) = reader.next_slab().unwrap() {
        found.push((slab.offset, String::from_utf8_lossy(slab.bytes).into_owned(), slab.oversized));
    }
    found
}

fn arb_line() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..12_usize, 1 => 12..200_usize];
    let byte = prop_oneof![3 => Just(b'a'), 2 => Just(b' '), 1 => Just(b'\t'), 1 => Just(b'\r'), 1 => Just(0xef)];
    let blank = prop_oneof![Just(b' '), Just(b'\t')];
    let content = prop_oneof![
        3 => length.clone().prop_flat_map(move |length| proptest::collection::vec(byte.clone(), length)),
        1 => length.prop_flat_map(move |length| proptest::collection::vec(blank.clone(), length)),
    ];
    (content, any::<bool>()).prop_map(|(mut line, with_return)| {
        line.extend_from_slice(if with_return { b"\r\n" } else { b"\n" });
        line
    })
}

fn arb_input() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), proptest::collection::vec(arb_line(), 0..20), 0..3_usize).prop_map(|(mark, lines, cut)| {
        let mut input = if mark { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
        input.extend(lines.concat());
        input.truncate(input.len().saturating_sub(cut));
        input
    })
}

fn arb_steps() -> impl Strategy<Value = VecDeque<Step>> {
    // A read of nothing would mean the end, so there is none.
    let step = prop_oneof![5 => (1..40_usize).prop_map(Step::Bytes), 1 => Just(Step::Interrupted)];
    proptest::collection::vec(step, 0..60).prop_map(VecDeque::from)
}

fn arb_limits() -> impl Strategy<Value = LineLimits> {
    (1..20_usize, 1..60_usize).prop_map(|(line_bytes_max, read_bytes)| LineLimits { line_bytes_max, read_bytes })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn lines_equal_the_naive_splitter(input in arb_input(), steps in arb_steps(), limits in arb_limits()) {
        let chunked = Chunked { bytes: &input, steps, failure: None };
        let mut reader = LineReader::new(chunked, 0, limits);
        let found = drain(&mut reader);
        prop_assert_eq!(found, (naive(&input, limits.line_bytes_max), None));
        prop_assert_eq!(reader.next_offset(), input.len() as u64);
        prop_assert_eq!(reader.position(), input.len() as u64);
        prop_assert!(reader.is_exhausted());
    }

    #[test]
    fn whole_lines_before_an_error_come_first(input in arb_input(), steps in arb_steps(), limits in arb_limits()) {
        let whole = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let chunked = Chunked { bytes: &input, steps, failure: Some("the disk is gone") };
        let mut reader = LineReader::new(chunked, 0, limits);
        let found = drain(&mut reader);
        let expected = naive(&input[..whole], limits.line_bytes_max);
        prop_assert_eq!(found, (expected, Some("the disk is gone".to_owned())));
        prop_assert_eq!(reader.position(), input.len() as u64);
        let again = reader.next_slab().unwrap_err().to_string();
        prop_assert_eq!(again, "an earlier read failed");
    }

    #[test]
    fn another_reader_goes_on_at_next_offset(
        input in arb_input(),
        steps in arb_steps(),
        limits in arb_limits(),
        keep in proptest::collection::vec(0..3_u8, 1..8),
    ) {
        // Each reader yields one slab, of which a part is given back at times; then a new one takes its place.
        let mut found = Vec::new();
        let mut offset = 0;
        let mut keep = keep.into_iter().cycle();
        loop {
            let rest = &input[usize::try_from(offset).unwrap()..];
            let chunked = Chunked { bytes: rest, steps: steps.clone(), failure: None };
            let mut reader = LineReader::new(chunked, offset, limits);
            let Some(slab) = reader.next_slab().unwrap() else { break };
            let first = slab.bytes.iter().position(|byte| *byte == b'\n').map_or(slab.bytes.len(), |end| end + 1);
            let kept = if keep.next() == Some(0) { first } else { slab.bytes.len() };
            let part = SlabRef { bytes: &slab.bytes[..kept], ..slab };
            found.extend(records_of(part, limits.line_bytes_max));
            let unread = slab.bytes.len() - kept;
            reader.give_back(unread);
            offset = reader.next_offset();
        }
        prop_assert_eq!(found, naive(&input, limits.line_bytes_max));
    }
}

#[test]
fn what_is_given_back_comes_again() {
    let mut reader = reader(b"one\ntwo\nsix\n", SMALL);
    let slab = SlabRef { bytes: b"one\ntwo\nsix\n", offset: 0, oversized: None };
    assert_eq!(reader.next_slab().unwrap(), Some(slab));
    assert_eq!(reader.next_offset(), 12);
    reader.give_back(8);
    assert_eq!(reader.next_offset(), 4);
    let rest = SlabRef { bytes: b"two\nsix\n", offset: 4, oversized: None };
    assert_eq!(reader.next_slab().unwrap(), Some(rest));
    reader.give_back(0);
    assert_eq!(reader.next_slab().unwrap(), None);
    assert_eq!(reader.next_slab().unwrap(), None, "the end stays the end");
}

#[test]
fn an_oversized_line_is_given_back_whole() {
    let mut reader = reader(&[b'x'; 200], SMALL);
    let slab = SlabRef { bytes: &[b'x'; 8], offset: 0, oversized: Some(200) };
    assert_eq!(reader.next_slab().unwrap(), Some(slab));
    reader.give_back(8);
    assert_eq!(reader.next_offset(), 0);
    assert!(!reader.is_exhausted());
    assert_eq!(reader.next_slab().unwrap(), Some(slab));
    assert_eq!(reader.next_offset(), 200);
}

#[test]
#[should_panic(expected = "5 bytes given back of a slab of 4")]
fn no_more_is_taken_back_than_was_yielded() {
    let mut reader = reader(b"one\n", SMALL);
    reader.next_slab().unwrap();
    reader.give_back(5);
}

#[test]
fn only_a_mark_at_the_start_is_skipped() {
    let found = slabs(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", SMALL);
    assert_eq!(found, [(3, "a\n\u{feff}b\n".to_owned(), None)]);
    assert_eq!(slabs(b"\xef\xbb\xbf\xef\xbb\xbfa", SMALL), [(3, "\u{feff}a".to_owned(), None)]);
    assert_eq!(slabs(b"\xef\xbb\xbf", SMALL), []);
    // Shorter than a mark: an unfinished one is a line like any other.
    let mut reader = reader(b"\xef\xbb", SMALL);
    assert_eq!(reader.next_slab().unwrap(), Some(SlabRef { bytes: b"\xef\xbb", offset: 0, oversized: None }));
}

#[test]
fn a_reader_that_starts_later_skips_no_mark() {
    let mut reader = LineReader::new(&b"\xef\xbb\xbfa\n"[..], 3, SMALL);
    assert_eq!(reader.next_slab().unwrap(), Some(SlabRef { bytes: b"\xef\xbb\xbfa\n", offset: 3, oversized: None }));
}

#[test]
fn line_ends_stay_with_their_lines() {
    assert_eq!(slabs(b"a\r\n\r\nb\n\nc", SMALL), [(0, "a\r\n\r\nb\n\n".to_owned(), None), (8, "c".to_owned(), None)]);
    assert_eq!(slabs(b"", SMALL), []);
    assert_eq!(slabs(b"\n", SMALL), [(0, "\n".to_owned(), None)]);
}

#[test]
fn a_line_at_the_limit_is_whole_however_it_ends() {
    for end in ["\n", "\r\n", ""] {
        for before in 0..40 {
            let input = format!("{}{}{end}", "b\n".repeat(before), "x".repeat(8));
            let found = slabs(input.as_bytes(), SMALL);
            assert!(found.iter().all(|slab| slab.2.is_none()), "{found:?}");
        }
    }
}

#[test]
fn a_long_line_is_cut_and_the_next_one_is_whole() {
    let input = format!("first\n{}\r\nlast\n", "x".repeat(100));
    let expected =
        [(0, "first\n".to_owned(), None), (6, "xxxxxxxx".to_owned(), Some(100)), (108, "last\n".to_owned(), None)];
    assert_eq!(slabs(input.as_bytes(), SMALL), expected);
}

#[test]
fn the_length_of_a_long_line_is_without_its_end() {
    // At the end of the input a carriage return alone ends no line, so it counts.
    for (end, length) in [("\n", 100), ("\r\n", 100), ("", 100), ("\r", 101), ("\r\r\n", 101)] {
        let input = format!("{}{end}", "x".repeat(100));
        assert_eq!(slabs(input.as_bytes(), SMALL), [(0, "x".repeat(8), Some(length))], "{end:?}");
    }
}

#[test]
fn of_a_long_blank_line_only_its_end_is_yielded() {
    for end in ["\n", "\r\n"] {
        let input = format!("{}{end}last", " \t".repeat(100));
        let expected = [(0, "\n".to_owned(), None), (200 + end.len() as u64, "last".to_owned(), None)];
        assert_eq!(slabs(input.as_bytes(), SMALL), expected);
    }
    assert_eq!(slabs(" ".repeat(100).as_bytes(), SMALL), []);
    let input = format!("{}x\n", " ".repeat(99));
    assert_eq!(slabs(input.as_bytes(), SMALL), [(0, " ".repeat(8), Some(100))]);
    // A carriage return within a line is neither space nor tab.
    let input = format!("{}\r \n", " ".repeat(98));
    assert_eq!(slabs(input.as_bytes(), SMALL), [(0, " ".repeat(8), Some(100))]);
}

#[test]
fn a_short_read_is_yielded_before_the_next() {
    /// Fails the test where it is asked for more than the first read.
    struct Once<'a>(Option<&'a [u8]>);
    impl Read for Once<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.take().expect("the lines of the first read have to be yielded first");
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }
    let mut reader = LineReader::new(Once(Some(b"one\ntwo\nthr")), 0, LineLimits::default());
    assert_eq!(reader.next_slab().unwrap(), Some(SlabRef { bytes: b"one\ntwo\n", offset: 0, oversized: None }));
}

#[test]
fn reads_are_aligned() {
    /// Brings lines of 130 bytes, so many bytes at a time, and notes where reads go.
    struct Watched {
        count_max: usize,
        seen: Vec<(usize, usize)>,
    }
    impl Read for Watched {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.seen.push((into.as_ptr().addr() % ALIGNMENT, into.len()));
            let count = into.len().min(self.count_max);
            for (index, byte) in into[..count].iter_mut().enumerate() {
                *byte = if index % 130 == 129 { b'\n' } else { b'x' };
            }
            Ok(count)
        }
    }
    for count_max in [1_000, usize::MAX] {
        let mut reader = LineReader::new(Watched { count_max, seen: Vec::new() }, 0, LineLimits::default());
        for _ in 0..10 {
            assert!(reader.next_slab().unwrap().is_some());
        }
        assert_eq!(reader.reader.seen, [(0, READ_BYTES_DEFAULT); 10]);
    }
}

/// Brings a line of `byte`s of a given length, its end, and a short line.
struct OneLongLine {
    byte: u8,
    remaining: u64,
    after: &'static [u8],
}

impl Read for OneLongLine {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.remaining == 0 {
            return self.after.read(into);
        }
        let count = into.len().min(usize::try_from(self.remaining).unwrap());
        into[..count].fill(self.byte);
        self.remaining -= count as u64;
        Ok(count)
    }
}

#[test]
fn a_line_of_300_megabytes_passes_in_flat_memory() {
    const LENGTH: u64 = 300_000_000;
    for byte in [b'x', b' '] {
        let source = OneLongLine { byte, remaining: LENGTH, after: b"\r\nlast\n" };
        let mut reader = LineReader::new(source, 0, LineLimits::default());
        let buffer_bytes = reader.buffer.len();
        assert!(buffer_bytes <= LINE_BYTES_MAX + READ_BYTES_DEFAULT + 128);
        let long = match byte {
            b' ' => SlabRef { bytes: b"\n", offset: 0, oversized: None },
            _ => SlabRef { bytes: &vec![b'x'; LINE_BYTES_MAX], offset: 0, oversized: Some(LENGTH) },
        };
        assert_eq!(reader.next_slab().unwrap(), Some(long));
        let last = SlabRef { bytes: b"last\n", offset: LENGTH + 2, oversized: None };
        assert_eq!(reader.next_slab().unwrap(), Some(last));
        assert_eq!(reader.next_slab().unwrap(), None);
        assert_eq!(reader.buffer.len(), buffer_bytes);
    }
}
