//! Decompression: members and frames, what may stand behind them, and what is said of a broken stream.

use std::io::{Cursor, Write};

use flate2::write::GzEncoder;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// A source that brings a few bytes at a time.
fn trickle(bytes: Vec<u8>) -> BufReader<Cursor<Vec<u8>>> {
    BufReader::with_capacity(3, Cursor::new(bytes))
}

fn drain(mut reader: impl Read) -> (Vec<u8>, Option<String>) {
    let mut found = Vec::new();
    let mut buffer = [0; 7];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (found, None),
            Ok(count) => found.extend_from_slice(&buffer[..count]),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

fn gunzip(bytes: Vec<u8>) -> (Vec<u8>, Option<String>) {
    drain(GzipReader::new(trickle(bytes)))
}

fn unzstd(bytes: Vec<u8>) -> (Vec<u8>, Option<String>) {
    drain(ZstdReader::new(trickle(bytes)).unwrap())
}

const GZIP_TRUNCATED: &str = "unexpected end of the gzip stream; the file is truncated";
const ZSTD_TRUNCATED: &str = "unexpected end of the zstd stream; the file is truncated";

#[test]
fn members_and_frames_follow_each_other() {
    let parts: [&[u8]; 4] = [b"one\ntw", b"", b"o\n", b"three"];
    let expected = (parts.concat(), None);
    assert_eq!(gunzip(parts.map(gzip).concat()), expected);
    assert_eq!(unzstd(parts.map(zstd).concat()), expected);
}

#[test]
fn zero_bytes_may_follow_a_gzip_stream() {
    for count in [1, 2, 9, 512] {
        assert_eq!(gunzip([gzip(b"one"), vec![0; count]].concat()), (b"one".to_vec(), None));
    }
}

#[test]
fn nothing_else_may_follow() {
    let gzip_error = Some("unexpected bytes after the end of the gzip stream".to_owned());
    assert_eq!(gunzip([gzip(b"one"), b"garbage".to_vec()].concat()), (b"one".to_vec(), gzip_error.clone()));
    assert_eq!(gunzip([gzip(b"one"), b"\0\0\0\0x".to_vec()].concat()), (b"one".to_vec(), gzip_error));
    let zstd_error = Some("unexpected bytes after the end of a zstd frame".to_owned());
    assert_eq!(unzstd([zstd(b"one"), b"garbage".to_vec()].concat()), (b"one".to_vec(), zstd_error.clone()));
    assert_eq!(unzstd([zstd(b"one"), vec![0; 8]].concat()), (b"one".to_vec(), zstd_error));
}

#[test]
fn a_stream_cut_anywhere_is_truncated() {
    let text: Vec<u8> = (0..200).flat_map(|n: u32| format!("line {}\n", n * n % 1_000).into_bytes()).collect();
    let check = |whole: Vec<u8>, found: &dyn Fn(Vec<u8>) -> (Vec<u8>, Option<String>), error: &str| {
        for length in 0..whole.len() {
            let (bytes, message) = found(whole[..length].to_vec());
            assert_eq!(message.as_deref(), Some(error), "cut at {length} of {}", whole.len());
            assert!(text.starts_with(&bytes));
        }
        assert_eq!(found(whole), (text.clone(), None));
    };
    check(gzip(&text), &gunzip, GZIP_TRUNCATED);
    check(zstd(&text), &unzstd, ZSTD_TRUNCATED);
}

#[test]
fn what_was_there_before_a_cut_is_read() {
    // Flushed half-way, so that all of the first half can be known.
    let half = [b"x".repeat(10_000), b"\n".to_vec()].concat();
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&half).unwrap();
    encoder.flush().unwrap();
    let flushed = encoder.get_ref().clone();
    assert_eq!(gunzip(flushed), (half.clone(), Some(GZIP_TRUNCATED.to_owned())));

    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.write_all(&half).unwrap();
    encoder.flush().unwrap();
    let flushed = encoder.get_ref().clone();
    assert_eq!(unzstd(flushed), (half, Some(ZSTD_TRUNCATED.to_owned())));
}

#[test]
fn other_files_are_recognised() {
    assert_eq!(gunzip(b"{}\n".to_vec()), (vec![], Some("not a gzip file".to_owned())));
    assert_eq!(gunzip(vec![0; 100]), (vec![], Some("not a gzip file".to_owned())));
    assert_eq!(unzstd(b"{\"event\":1}\n".to_vec()), (vec![], Some("not a zstd file".to_owned())));
    let header = (vec![], Some("the gzip stream is corrupt: invalid gzip header".to_owned()));
    assert_eq!(gunzip(b"\x1f\x8c..........".to_vec()), header);
}

#[test]
fn corruption_is_said() {
    let mut bytes = gzip(b"one\ntwo\n");
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    let message = "the gzip stream is corrupt: corrupt gzip stream does not have a matching checksum";
    assert_eq!(gunzip(bytes), (b"one\ntwo\n".to_vec(), Some(message.to_owned())));

    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(b"one\ntwo\n").unwrap();
    let mut bytes = encoder.finish().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let (_, message) = unzstd(bytes);
    assert_eq!(message.unwrap(), "the zstd stream is corrupt: Restored data doesn't match checksum");
}

#[test]
fn a_window_of_128_mebibytes_is_allowed_and_no_larger_one() {
    // Written by hand: a frame whose header asks for a window of 2^log bytes, with one raw block `a\n` in it.
    let frame = |log: u8| {
        let window = (log - 10) << 3;
        let block = u32::to_le_bytes(2 << 3 | 1);
        [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, window][..], &block[..3], b"a\n"].concat()
    };
    assert_eq!(unzstd(frame(20)), (b"a\n".to_vec(), None));
    assert_eq!(unzstd(frame(27)), (b"a\n".to_vec(), None));
    let message = "a zstd frame has a window of more than 128 MiB; compress it without --long or --ultra";
    assert_eq!(unzstd(frame(28)), (vec![], Some(message.to_owned())));
}
