//! Bytes in: files, compressed files and stdin as slabs of whole lines with their offsets.
