//! Whether two names mean the same file.

#[cfg(not(unix))]
pub(crate) use elsewhere::FileIdentity;
#[cfg(unix)]
pub(crate) use unix::FileIdentity;

#[cfg(unix)]
mod unix {
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    /// Device and inode: alike for every path, symbolic link and hard link of a file, and for stdin read from it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct FileIdentity {
        device: u64,
        inode: u64,
    }

    impl FileIdentity {
        pub(crate) fn of_path(path: &Path) -> io::Result<FileIdentity> {
            fs::metadata(path).map(FileIdentity::from)
        }

        pub(crate) fn of_file(_path: &Path, file: &File) -> io::Result<FileIdentity> {
            file.metadata().map(FileIdentity::from)
        }

        pub(crate) fn of_stdin() -> io::Result<FileIdentity> {
            File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata().map(FileIdentity::from)
        }
    }

    impl From<Metadata> for FileIdentity {
        fn from(metadata: Metadata) -> FileIdentity {
            FileIdentity { device: metadata.dev(), inode: metadata.ino() }
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::fs::File;
    use std::io;
    use std::path::{Path, PathBuf};

    /// The path with every link in it followed; hard links count as different files here.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct FileIdentity(PathBuf);

    impl FileIdentity {
        pub(crate) fn of_path(path: &Path) -> io::Result<FileIdentity> {
            path.canonicalize().map(FileIdentity)
        }

        pub(crate) fn of_file(path: &Path, _file: &File) -> io::Result<FileIdentity> {
            FileIdentity::of_path(path)
        }

        pub(crate) fn of_stdin() -> io::Result<FileIdentity> {
            Ok(FileIdentity(PathBuf::from("-")))
        }
    }
}
