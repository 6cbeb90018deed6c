//! Files of every compression: read through, suspended everywhere, and changed behind the reader's back.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use engine_model::{EventTime, PartitionId};
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{OpenReaders, resolve};

const SMALL: LineLimits = LineLimits { line_bytes_max: 8, read_bytes: 16 };

const EXTENSIONS: [&str; 3] = ["jsonl", "gz", "zst"];

/// `bytes` as a file's content, in two members or frames where it is compressed.
fn encode(bytes: &[u8], extension: &str) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    [first, second].map(|part| encode_once(part, extension)).concat()
}

fn encode_once(bytes: &[u8], extension: &str) -> Vec<u8> {
    match extension {
        "gz" => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zst" => zstd::encode_all(bytes, 3).unwrap(),
        _ => bytes.to_vec(),
    }
}

struct Fixture {
    folder: TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new(bytes: &[u8], extension: &str) -> Fixture {
        Fixture::raw(&encode(bytes, extension), extension)
    }

    fn raw(content: &[u8], extension: &str) -> Fixture {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(format!("x.{extension}"));
        fs::write(&path, content).unwrap();
        Fixture { folder, path }
    }

    fn reader(&self, offset: u64) -> PartitionReader {
        let input = resolve(&[self.path.to_str().unwrap().to_owned()]).unwrap().remove(0);
        PartitionReader::starting_at(input, offset, SMALL)
    }

    /// An error's text with `DIR` for the folder.
    fn text(&self, error: &ReadError) -> String {
        error.to_string().replace(self.folder.path().to_str().unwrap(), "DIR")
    }
}

/// A slab's facts, owned.
type Seen = (u64, Vec<u8>, Option<u64>);

fn seen(slab: SlabRef<'_>) -> Seen {
    (slab.offset, slab.bytes.to_vec(), slab.oversized)
}

/// Lines with their offsets and ends, since slabs may be cut differently.
fn lines(slabs: &[Seen]) -> Vec<Seen> {
    let mut lines = Vec::new();
    for (offset, bytes, oversized) in slabs {
        let mut offset = *offset;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Whether a line that is too long is seen whole depends on where it lies in the buffer.
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            let length = oversized.unwrap_or(content.len() as u64);
            lines.push((offset, content[..content.len().min(SMALL.line_bytes_max)].to_vec(), Some(length)));
            offset += line.len() as u64;
        }
    }
    lines
}

fn drain(reader: &mut PartitionReader, suspend: bool) -> (Vec<Seen>, Option<ReadError>) {
    let mut slabs = Vec::new();
    loop {
        match reader.next_slab() {
            Ok(Some(slab)) => slabs.push(seen(slab)),
            Ok(None) => return (slabs, None),
            Err(error) => return (slabs, Some(error)),
        }
        assert!(reader.is_open());
        if suspend {
            reader.suspend();
            assert!(!reader.is_open());
        }
    }
}

/// The error that draining ends with.
fn failure(reader: &mut PartitionReader) -> ReadError {
    drain(reader, false).1.expect("reading fails")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_suspended_reader_yields_the_same_lines(
        content in proptest::collection::vec(("[ab]{0,12}|[ab]{13,60}", "\n"), 0..30),
        mark: bool,
        end: bool,
    ) {
        let mut text: String = content.into_iter().flat_map(|(line, end)| [line, end]).collect();
        if mark {
            text.insert(0, '\u{feff}');
        }
        if !end {
            text.truncate(text.trim_end_matches('\n').len());
        }
        let expected = {
            let file = Fixture::new(text.as_bytes(), "jsonl");
            lines(&drain(&mut file.reader(0), false).0)
        };
        let count = text.trim_start_matches('\u{feff}').lines().count();
        prop_assert_eq!(expected.len(), count);
        for extension in EXTENSIONS {
            let file = Fixture::new(text.as_bytes(), extension);
            for suspend in [false, true] {
                let mut reader = file.reader(0);
                let (slabs, error) = drain(&mut reader, suspend);
                prop_assert!(error.is_none(), "{:?}", error);
                prop_assert_eq!(&lines(&slabs), &expected, "{}, suspended: {}", extension, suspend);
                prop_assert_eq!(reader.next_offset(), text.len() as u64);
                prop_assert!(!reader.is_open());
            }
            // Started anew at any line, as after a restart.
            for (index, (offset, ..)) in expected.iter().enumerate() {
                let (slabs, error) = drain(&mut file.reader(*offset), false);
                prop_assert!(error.is_none(), "{:?}", error);
                prop_assert_eq!(&lines(&slabs), &expected[index..]);
            }
        }
    }

    #[test]
    fn what_is_given_back_survives_a_suspension(lengths in proptest::collection::vec(0..8_usize, 1..30)) {
        let text: String = lengths.iter().flat_map(|length| ["x".repeat(*length), "\n".to_owned()]).collect();
        for extension in EXTENSIONS {
            let file = Fixture::new(text.as_bytes(), extension);
            let mut reader = file.reader(0);
            let mut found = Vec::new();
            while let Some(slab) = reader.next_slab().unwrap() {
                prop_assert_eq!(slab.offset, found.len() as u64);
                let first = slab.bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
                found.extend_from_slice(&slab.bytes[..first]);
                let unread = slab.bytes.len() - first;
                reader.give_back(unread);
                reader.suspend();
            }
            prop_assert_eq!(&found, text.as_bytes());
        }
    }
}

#[test]
fn a_suspended_reader_is_small() {
    fn is_send<T: Send>() {}
    is_send::<PartitionReader>();
    // Besides this only the input's name and path.
    assert!(size_of::<PartitionReader>() <= 160, "{}", size_of::<PartitionReader>());
}

#[test]
fn opening_waits_for_the_first_slab() {
    let file = Fixture::new(b"one\n", "jsonl");
    let mut reader = file.reader(0);
    assert!(!reader.is_open() && reader.is_replayable());
    reader.suspend();
    reader.give_back(0);
    fs::remove_file(&file.path).unwrap();
    let error = reader.next_slab().unwrap_err();
    assert_eq!(file.text(&error), "cannot read \"DIR/x.jsonl\" at byte 0: No such file or directory (os error 2)");
    let error = reader.next_slab().unwrap_err();
    assert_eq!(file.text(&error), "cannot read \"DIR/x.jsonl\" at byte 0: an earlier read failed");
}

/// Always reads the partition that is least far, as the engine does.
#[test]
fn four_hundred_files_are_read_with_two_open() {
    let texts: Vec<String> = (0..400).map(|n| format!("{n}\n").repeat(16)).collect();
    let files: Vec<Fixture> = texts.iter().map(|text| Fixture::new(text.as_bytes(), "jsonl")).collect();
    let mut readers: Vec<PartitionReader> = files.iter().map(|file| file.reader(0)).collect();
    let mut open = OpenReaders::new(2);
    let mut found = vec![String::new(); texts.len()];
    let mut unfinished: Vec<usize> = (0..texts.len()).collect();
    while let Some(index) = unfinished.iter().copied().min_by_key(|index| found[*index].len()) {
        let partition = PartitionId(u32::try_from(index).unwrap());
        if let Some(slab) = readers[index].next_slab().unwrap() {
            found[index].push_str(str::from_utf8(slab.bytes).unwrap());
            let max = EventTime::from_micros(i64::try_from(found[index].len()).unwrap());
            if let Some(other) = open.read(partition, max) {
                readers[usize::try_from(other.0).unwrap()].suspend();
            }
        } else {
            unfinished.retain(|other| *other != index);
            open.closed(partition);
        }
        assert!(readers.iter().filter(|reader| reader.is_open()).count() <= 2);
    }
    assert_eq!(found, texts);
}

#[test]
fn a_truncated_file_yields_its_lines_first() {
    // Bytes that do not compress, so that a cut takes only the end.
    let mut state = 1_u32;
    let mut text = Vec::new();
    for _ in 0..4_000 {
        for _ in 0..7 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(b'!' + u8::try_from((state >> 16) % 90).unwrap());
        }
        text.push(b'\n');
    }
    for (extension, name) in [("gz", "gzip"), ("zst", "zstd")] {
        // The second member ends after a block that is whole, then a piece of a third one.
        let mut content = encode(&text, extension);
        let third = encode_once(&text, extension);
        content.extend_from_slice(&third[..third.len() - 20]);
        let file = Fixture::raw(&content, extension);
        let (slabs, error) = drain(&mut file.reader(0), false);
        let found: Vec<u8> = slabs.into_iter().flat_map(|(_, bytes, _)| bytes).collect();
        assert!(found.starts_with(&text) && found.ends_with(b"\n"));
        assert!([text.clone(), text.clone()].concat().starts_with(&found));
        let error = error.unwrap();
        assert!(error.compressed && error.offset >= found.len() as u64);
        let expected = format!(
            "cannot read \"DIR/x.{extension}\" at byte {} (uncompressed): \
             unexpected end of the {name} stream; the file is truncated",
            error.offset
        );
        assert_eq!(file.text(&error), expected);
    }
}

#[test]
fn an_empty_file_is_an_empty_partition_unless_it_is_compressed() {
    let file = Fixture::raw(b"", "jsonl");
    let mut reader = file.reader(0);
    assert_eq!(reader.next_slab().unwrap(), None);
    assert!(!reader.is_open());
    for (extension, name) in [("gz", "gzip"), ("zst", "zstd")] {
        let file = Fixture::raw(b"", extension);
        let expected = format!(
            "cannot read \"DIR/x.{extension}\" at byte 0 (uncompressed): \
             unexpected end of the {name} stream; the file is truncated"
        );
        assert_eq!(file.text(&failure(&mut file.reader(0))), expected);
        let file = Fixture::new(b"", extension);
        assert_eq!(file.reader(0).next_slab().unwrap(), None);
    }
}

/// Reads one slab of a file with eight lines of 7 bytes, which leaves the reader at byte 14, suspends, changes the
/// file to `content`, and goes on.
fn resumed(extension: &str, content: &[u8]) -> (Fixture, PartitionReader) {
    let file = Fixture::new(&b"123456\n".repeat(8), extension);
    let mut reader = file.reader(0);
    reader.next_slab().unwrap().unwrap();
    reader.suspend();
    // Compressed streams come in other portions.
    assert!(reader.next_offset() >= 14);
    fs::write(&file.path, encode(content, extension)).unwrap();
    (file, reader)
}

#[test]
fn a_file_that_shrank_cannot_be_resumed() {
    for extension in EXTENSIONS {
        let (file, mut reader) = resumed(extension, b"12\n");
        let uncompressed = if extension == "jsonl" { "" } else { " (uncompressed)" };
        let expected = format!(
            "cannot read \"DIR/x.{extension}\" at byte 14{uncompressed}: \
             it ends before byte 14, where reading is to go on; it has shrunk since it was read"
        );
        assert_eq!(file.text(&failure(&mut reader)), expected);
    }
}

#[test]
fn a_file_without_a_line_there_cannot_be_resumed() {
    for extension in EXTENSIONS {
        let (file, mut reader) = resumed(extension, &b"1234\n".repeat(10));
        let uncompressed = if extension == "jsonl" { "" } else { " (uncompressed)" };
        let expected = format!(
            "cannot read \"DIR/x.{extension}\" at byte 14{uncompressed}: \
             no line starts at byte 14, where reading is to go on; it has changed since it was read"
        );
        assert_eq!(file.text(&failure(&mut reader)), expected);
    }
}

#[cfg(unix)]
#[test]
fn another_file_cannot_be_resumed() {
    let (file, mut reader) = resumed("jsonl", b"");
    let other = file.folder.path().join("other");
    fs::write(&other, b"123456\n".repeat(8)).unwrap();
    fs::rename(other, &file.path).unwrap();
    let expected = "cannot read \"DIR/x.jsonl\" at byte 14: another file has taken its place since reading began";
    assert_eq!(file.text(&failure(&mut reader)), expected);
}

#[test]
fn a_file_that_grew_is_read_on() {
    let (_file, mut reader) = resumed("jsonl", &b"123456\n".repeat(10));
    let (slabs, error) = drain(&mut reader, true);
    assert!(error.is_none());
    assert_eq!(lines(&slabs).len(), 8);
}

#[test]
fn a_reader_known_to_be_at_its_end_is_not_opened_again() {
    let file = Fixture::new(b"one", "gz");
    let mut reader = file.reader(0);
    assert!(reader.next_slab().unwrap().is_some());
    reader.suspend();
    fs::remove_file(&file.path).unwrap();
    assert_eq!(reader.next_slab().unwrap(), None);
    assert_eq!(reader.next_offset(), 3);
}

#[test]
fn a_last_line_without_its_end_can_be_resumed_behind_only_while_it_is_the_last() {
    for extension in EXTENSIONS {
        let file = Fixture::new(b"one\ntwo", extension);
        let mut reader = file.reader(7);
        assert_eq!(reader.next_slab().unwrap(), None);
        let file = Fixture::new(b"one\ntwo more\n", extension);
        let message = failure(&mut file.reader(7)).to_string();
        assert!(message.contains("no line starts at byte 7"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_read_as_it_comes_and_never_suspended() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let input = resolve(&[path.to_str().unwrap().to_owned()]).unwrap().remove(0);
    let (tx, rx) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
        for line in ["one\ntw", "o\nthree"] {
            pipe.write_all(line.as_bytes()).unwrap();
            // The next line is written only once this one has been seen.
            rx.recv().unwrap();
        }
    });
    let mut reader = PartitionReader::new(input);
    assert_eq!(seen(reader.next_slab().unwrap().unwrap()), (0, b"one\n".to_vec(), None));
    reader.suspend();
    assert!(reader.is_open() && !reader.is_replayable());
    tx.send(()).unwrap();
    assert_eq!(seen(reader.next_slab().unwrap().unwrap()), (4, b"two\n".to_vec(), None));
    tx.send(()).unwrap();
    assert_eq!(seen(reader.next_slab().unwrap().unwrap()), (8, b"three".to_vec(), None));
    assert_eq!(reader.next_slab().unwrap(), None);
    writer.join().unwrap();
}

#[test]
fn an_error_on_standard_input_names_it() {
    let error =
        ReadError { name: "-".to_owned(), offset: 7, compressed: false, cause: io::Error::other("the pipe burst") };
    assert_eq!(error.to_string(), "cannot read standard input at byte 7: the pipe burst");
}
