//! Expansion of globs.
//!
//! The `glob` crate matches the names; the folders are walked here, because its own walk passes over names that are not
//! UTF-8, so that data would be missing without a word, or panics at them (0.3.4, with `require_literal_leading_dot`).

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::inputs::InputError;

/// Whether `arg` has to be expanded, unless there is a file of that very name.
pub(crate) fn is_pattern(arg: &str) -> bool {
    arg.contains(['*', '?', '['])
}

/// All paths that `pattern` matches, directories too, sorted by their bytes and each once.
///
/// `*`, `?` and `[…]` match within a name, `**` any number of directories, at the end also the files below them. As in
/// a shell, a name that starts with a dot is matched only by a dot, and `**` follows no symbolic links.
pub(crate) fn expand(pattern: &str) -> Result<Vec<PathBuf>, InputError> {
    let parsed = Pattern::new(pattern);
    parsed.map_err(|cause| InputError::MalformedGlob { pattern: pattern.to_owned(), cause })?;
    let mut parts: Vec<Component<'_>> = Path::new(pattern).components().collect();
    parts.dedup_by(|a, b| is_recursive(*a) && is_recursive(*b));
    if parts.last().is_some_and(|last| is_recursive(*last)) {
        parts.push(Component::Normal(OsStr::new("*")));
    }
    let mut found = Vec::new();
    walk(&PathBuf::new(), &parts, &mut found)?;
    found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    found.dedup();
    Ok(found)
}

fn is_recursive(part: Component<'_>) -> bool {
    part.as_os_str() == "**"
}

/// Adds to `found` what `parts` match below `base`.
fn walk(base: &Path, parts: &[Component<'_>], found: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let [part, rest @ ..] = parts else {
        if base.symlink_metadata().is_ok() {
            found.push(base.to_owned());
        }
        return Ok(());
    };
    let text = part.as_os_str().to_str().expect("a component of a str is a str");
    if is_recursive(*part) {
        walk(base, rest, found)?;
        for entry in entries(base)? {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory && !is_hidden(&entry.file_name()) {
                walk(&base.join(entry.file_name()), parts, found)?;
            }
        }
    } else if is_pattern(text) {
        let pattern =
            Pattern::new(text).map_err(|cause| InputError::MalformedGlob { pattern: text.to_owned(), cause })?;
        for entry in entries(base)? {
            let name = entry.file_name();
            let is_visible = text.starts_with('.') || !is_hidden(&name);
            if is_visible && pattern.matches_with(&name.to_string_lossy(), MatchOptions::new()) {
                walk(&base.join(name), rest, found)?;
            }
        }
    } else {
        walk(&base.join(part), rest, found)?;
    }
    Ok(())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// What is in `folder`, which is empty where there is no such directory; an empty path is the current one.
fn entries(folder: &Path) -> Result<Vec<DirEntry>, InputError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>) {
        Ok(entries) => Ok(entries),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(cause) => Err(InputError::Unreadable { path: folder.display().to_string(), cause }),
    }
}
