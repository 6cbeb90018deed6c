//! The list of inputs: what the user named, checked before anything is read.
//!
//! The list is fixed at the start and holds no file twice. Globs are expanded here, not by the shell alone, so that a
//! configuration file can hold them too.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use glob::PatternError;

use crate::identity::FileIdentity;
use crate::pattern::{expand, is_pattern};

/// One source partition to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As given, or as a glob spelled it out; `-` for stdin. What the `source` columns hold.
    pub name: String,
    /// Where its bytes come from.
    pub kind: InputKind,
}

/// Where the bytes of an input come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// The process's standard input, never compressed.
    Stdin,
    /// A file, a named pipe or a device.
    File {
        /// Its path.
        path: PathBuf,
        /// How it is compressed, by its extension.
        compression: Compression,
        /// Whether it can be closed and read again: true for a regular file.
        replayable: bool,
    },
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`: gzip members, one after another.
    Gzip,
    /// `.zst`: Zstandard frames, one after another.
    Zstd,
}

impl Compression {
    /// The compression a path's extension stands for; upper and lower case are alike.
    #[must_use]
    pub fn of(path: &Path) -> Compression {
        let is = |extension| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        if is("gz") {
            Compression::Gzip
        } else if is("zst") {
            Compression::Zstd
        } else {
            Compression::None
        }
    }
}

/// Why the inputs named cannot be read. Nothing has been read yet.
///
/// The messages hold their cause, so there is no [`source`](std::error::Error::source) to print after them.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A URI that this build cannot read.
    #[error(
        "cannot read \"{arg}\": scheme \"{scheme}\" is not supported; supported are a file, a glob of files and - (stdin)"
    )]
    UnsupportedScheme {
        /// The argument.
        arg: String,
        /// What stands before its `://`.
        scheme: String,
    },
    /// A glob that cannot be understood.
    #[error("glob \"{pattern}\" is malformed: {cause}")]
    MalformedGlob {
        /// The glob.
        pattern: String,
        /// What is wrong with it, and where.
        cause: PatternError,
    },
    /// A glob without a match.
    #[error("no file matches \"{pattern}\"")]
    NoMatch {
        /// The glob.
        pattern: String,
    },
    /// A glob that matches nothing but directories.
    #[error("no file matches \"{pattern}\", only directories; try \"{pattern}/*.jsonl\"")]
    OnlyDirectories {
        /// The glob.
        pattern: String,
    },
    /// A directory was named.
    #[error("\"{path}\" is a directory; try \"{}/*.jsonl\"", path.trim_end_matches(std::path::is_separator))]
    Directory {
        /// The directory as named.
        path: String,
    },
    /// A file that does not exist or may not be read.
    #[error("cannot read \"{path}\": {cause}")]
    Unreadable {
        /// The file as named.
        path: String,
        /// What the operating system says.
        cause: io::Error,
    },
    /// A file whose name cannot be a `source`, which is text.
    #[error("cannot read \"{}\": its name is not UTF-8", path.display())]
    NameNotUtf8 {
        /// The file a glob matched.
        path: PathBuf,
    },
    /// One file named twice, perhaps by different paths or links.
    #[error("{first} and {second} are the same file; each input is read once")]
    SameTwice {
        /// The first spelling, in quotes, with the glob it comes from.
        first: String,
        /// The second spelling, likewise.
        second: String,
    },
}

/// The inputs that `args` name, in their order, the matches of a glob sorted by their bytes.
///
/// Each argument is `-` (stdin), a path, or a glob (`*`, `?`, `[…]`, `**`); a path that exists is taken literally,
/// whatever it contains. Globs skip directories and, like a shell's, names that start with a dot unless the dot is
/// written; `**` enters no symbolic links. Opens every regular
/// file once to see that it can be read, but reads nothing; named pipes are not opened.
///
/// # Errors
/// Where an argument names nothing that can be read, or the same file is named twice.
pub fn resolve(args: &[String]) -> Result<Vec<Input>, InputError> {
    let mut found: Vec<Found> = Vec::new();
    for arg in args {
        if arg == "-" {
            add(&mut found, Found::stdin()?)?;
        } else if let Some(scheme) = scheme(arg) {
            return Err(InputError::UnsupportedScheme { arg: arg.clone(), scheme: scheme.to_owned() });
        } else if !is_pattern(arg) || Path::new(arg).symlink_metadata().is_ok() {
            match Found::file(arg.clone(), None)? {
                Some(file) => add(&mut found, file)?,
                None => return Err(InputError::Directory { path: arg.clone() }),
            }
        } else {
            add_matches(&mut found, arg)?;
        }
    }
    Ok(found.into_iter().map(|found| found.input).collect())
}

/// An input and what tells it from the others.
struct Found {
    input: Input,
    identity: FileIdentity,
    pattern: Option<String>,
}

impl Found {
    fn stdin() -> Result<Found, InputError> {
        let name = "-".to_owned();
        match FileIdentity::of_stdin() {
            Ok(identity) => Ok(Found { input: Input { name, kind: InputKind::Stdin }, identity, pattern: None }),
            Err(cause) => Err(InputError::Unreadable { path: name, cause }),
        }
    }

    /// The file at `name`, or `None` where that is a directory.
    fn file(name: String, pattern: Option<&str>) -> Result<Option<Found>, InputError> {
        let path = PathBuf::from(&name);
        match examine(&path) {
            Ok(None) => Ok(None),
            Ok(Some((identity, replayable))) => {
                let kind = InputKind::File { compression: Compression::of(&path), path, replayable };
                Ok(Some(Found { input: Input { name, kind }, identity, pattern: pattern.map(str::to_owned) }))
            }
            Err(cause) => Err(InputError::Unreadable { path: name, cause }),
        }
    }

    fn spelling(&self) -> String {
        match &self.pattern {
            Some(pattern) => format!("\"{}\" (from \"{pattern}\")", self.input.name),
            None => format!("\"{}\"", self.input.name),
        }
    }
}

/// Identity of the file at `path` and whether it is a regular one; `None` for a directory.
fn examine(path: &Path) -> io::Result<Option<(FileIdentity, bool)>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if metadata.is_file() {
        // A pipe is left alone: to open it would wait for its writer, and to close it would break the writer.
        let mut start = Vec::new();
        File::open(path)?.take(4).read_to_end(&mut start)?;
        check_start(Compression::of(path), &start)?;
    }
    Ok(Some((FileIdentity::of_path(path)?, metadata.is_file())))
}

/// Sees that a file which is named as compressed starts like one. One too short to tell is found out when it is read.
fn check_start(compression: Compression, start: &[u8]) -> io::Result<()> {
    let (is_right, name) = match (compression, start) {
        (Compression::Gzip, &[first, second, ..]) => ([first, second] == [0x1f, 0x8b], "gzip"),
        // A frame, or one to be skipped.
        (Compression::Zstd, start @ &[first, second, third, fourth]) => {
            (start == [0x28, 0xb5, 0x2f, 0xfd] || (first >> 4, second, third, fourth) == (5, 0x2a, 0x4d, 0x18), "zstd")
        }
        _ => return Ok(()),
    };
    if is_right {
        return Ok(());
    }
    let message =
        format!("by its extension it is compressed, but it does not start like {name}; rename it, or compress it");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// What stands before `://` where that can be the scheme of a URI.
fn scheme(arg: &str) -> Option<&str> {
    let (scheme, _) = arg.split_once("://")?;
    let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let goes_on_well = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (starts_well && goes_on_well).then_some(scheme)
}

fn add_matches(found: &mut Vec<Found>, pattern: &str) -> Result<(), InputError> {
    let paths = expand(pattern)?;
    if paths.is_empty() {
        return Err(InputError::NoMatch { pattern: pattern.to_owned() });
    }
    let before = found.len();
    for path in paths {
        let name = path
            .into_os_string()
            .into_string()
            .map_err(|path| InputError::NameNotUtf8 { path: PathBuf::from(path) })?;
        if let Some(file) = Found::file(name, Some(pattern))? {
            add(found, file)?;
        }
    }
    if found.len() == before {
        return Err(InputError::OnlyDirectories { pattern: pattern.to_owned() });
    }
    Ok(())
}

/// Adds an input unless it is there already. Quadratic, but over small keys: 10 000 files take well under a second.
fn add(found: &mut Vec<Found>, new: Found) -> Result<(), InputError> {
    if let Some(old) = found.iter().find(|old| old.identity == new.identity) {
        return Err(InputError::SameTwice { first: old.spelling(), second: new.spelling() });
    }
    found.push(new);
    Ok(())
}

#[cfg(test)]
mod tests;
