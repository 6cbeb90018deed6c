//! Every kind of argument in a folder of its own, and the text of every error.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder with the files named, each holding its name and a line end; names that end in `/` become folders.
fn folder(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        let path = folder.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::write(path, format!("{name}\n")).unwrap();
        }
    }
    folder
}

/// Resolves arguments in which `DIR` stands for the folder, and puts `DIR` back into the names or the error.
fn names(folder: &TempDir, args: &[&str]) -> Result<Vec<String>, String> {
    let dir = folder.path().to_str().unwrap();
    let args: Vec<String> = args.iter().map(|arg| arg.replace("DIR", dir)).collect();
    match resolve(&args) {
        Ok(inputs) => Ok(inputs.into_iter().map(|input| input.name.replace(dir, "DIR")).collect()),
        Err(error) => Err(error.to_string().replace(dir, "DIR")),
    }
}

fn check(folder: &TempDir, args: &[&str], expected: &[&str]) {
    assert_eq!(names(folder, args).unwrap(), expected);
}

fn check_error(folder: &TempDir, args: &[&str], expected: &str) {
    assert_eq!(names(folder, args).unwrap_err(), expected);
}

#[test]
fn inputs_keep_the_order_of_the_arguments() {
    let folder = folder(&["b.jsonl", "a.jsonl"]);
    check(&folder, &["DIR/b.jsonl", "-", "DIR/a.jsonl"], &["DIR/b.jsonl", "-", "DIR/a.jsonl"]);
    check(&folder, &[], &[]);
}

#[test]
fn a_glob_is_sorted_by_bytes() {
    let folder = folder(&["b.jsonl", "B.jsonl", "a10.jsonl", "a9.jsonl", "ä.jsonl", "z.jsonl", "x.txt"]);
    let expected = ["DIR/B.jsonl", "DIR/a10.jsonl", "DIR/a9.jsonl", "DIR/b.jsonl", "DIR/z.jsonl", "DIR/ä.jsonl"];
    check(&folder, &["DIR/*.jsonl"], &expected);
    check(&folder, &["DIR/a?.jsonl", "DIR/[bB].jsonl"], &["DIR/a9.jsonl", "DIR/B.jsonl", "DIR/b.jsonl"]);
}

#[test]
fn a_glob_sorts_whole_paths_and_enters_folders() {
    let folder = folder(&["a/", "a/b/", "a.jsonl", "a/x.jsonl", "a/b/y.jsonl"]);
    let all = ["DIR/a.jsonl", "DIR/a/b/y.jsonl", "DIR/a/x.jsonl"];
    check(&folder, &["DIR/**/*.jsonl"], &all);
    check(&folder, &["DIR/**/**/*.jsonl"], &all);
    check(&folder, &["DIR/**"], &all);
    check(&folder, &["DIR/**/b/**/*.jsonl"], &["DIR/a/b/y.jsonl"]);
    check(&folder, &["DIR/*/*.jsonl"], &["DIR/a/x.jsonl"]);
    check(&folder, &["DIR/*/b/../x.jsonl"], &["DIR/a/b/../x.jsonl"]);
    check_error(&folder, &["DIR/*/c/*"], "no file matches \"DIR/*/c/*\"");
}

#[test]
fn a_glob_skips_directories_and_hidden_files() {
    let folder = folder(&["one", "sub/", ".hidden", ".dir/", ".dir/two"]);
    check(&folder, &["DIR/*"], &["DIR/one"]);
    check(&folder, &["DIR/**"], &["DIR/one"]);
    check_error(&folder, &["DIR/*/*"], "no file matches \"DIR/*/*\"");
    check(&folder, &["DIR/.dir/*"], &["DIR/.dir/two"]);
    check(&folder, &["DIR/.*/*"], &["DIR/.dir/two"]);
    check(&folder, &["DIR/.h*"], &["DIR/.hidden"]);
}

#[test]
fn a_path_that_exists_is_taken_literally() {
    let folder = folder(&["a[1].jsonl", "a1.jsonl", "b*.jsonl", "b2.jsonl"]);
    check(&folder, &["DIR/a[1].jsonl"], &["DIR/a[1].jsonl"]);
    check(&folder, &["DIR/b*.jsonl"], &["DIR/b*.jsonl"]);
    check(&folder, &["DIR/[a]1.jsonl"], &["DIR/a1.jsonl"]);
}

#[test]
fn a_file_that_only_claims_to_be_compressed_is_an_error() {
    let folder = folder(&["a.gz", "b.zst"]);
    let expected = |name: &str, format| {
        format!(
            "cannot read \"DIR/{name}\": by its extension it is compressed, but it does not start like {format}; \
             rename it, or compress it"
        )
    };
    check_error(&folder, &["DIR/a.gz"], &expected("a.gz", "gzip"));
    check_error(&folder, &["DIR/b.zst"], &expected("b.zst", "zstd"));
}

#[test]
fn the_extension_says_the_compression() {
    let folder = folder(&["a.jsonl", "b.gz", "c.jsonl.GZ", "d.zst", "e.Zst", "gz"]);
    let starts: [(&str, &[u8]); 4] = [
        ("b.gz", b"\x1f\x8b\x08"),
        ("c.jsonl.GZ", b""),
        ("d.zst", b"\x28\xb5\x2f\xfd"),
        ("e.Zst", b"\x5a\x2a\x4d\x18..."),
    ];
    for (name, start) in starts {
        fs::write(folder.path().join(name), start).unwrap();
    }
    let inputs = resolve(&[format!("{}/*", folder.path().display())]).unwrap();
    let found: Vec<Compression> = inputs
        .into_iter()
        .map(|input| match input.kind {
            InputKind::File { compression, replayable: true, path } => {
                assert_eq!(path.to_str(), Some(&*input.name));
                compression
            }
            kind => panic!("{kind:?}"),
        })
        .collect();
    assert_eq!(
        found,
        [
            Compression::None,
            Compression::Gzip,
            Compression::Gzip,
            Compression::Zstd,
            Compression::Zstd,
            Compression::None
        ]
    );
}

#[test]
fn a_uri_is_refused_with_what_is_supported() {
    let folder = folder(&[]);
    check_error(
        &folder,
        &["kafka://localhost:9092/events"],
        "cannot read \"kafka://localhost:9092/events\": scheme \"kafka\" is not supported; \
         supported are a file, a glob of files and - (stdin)",
    );
    assert_eq!(scheme("s3+x.y-z://bucket"), Some("s3+x.y-z"));
    assert_eq!(scheme("dir/a://b"), None);
    assert_eq!(scheme("://b"), None);
    assert_eq!(scheme("C:\\a"), None);
}

#[test]
fn a_glob_without_a_file_is_an_error() {
    let folder = folder(&["one/", "two/"]);
    check_error(&folder, &["DIR/*.jsonl"], "no file matches \"DIR/*.jsonl\"");
    check_error(&folder, &["DIR/*"], "no file matches \"DIR/*\", only directories; try \"DIR/*/*.jsonl\"");
    check_error(
        &folder,
        &["DIR/a***"],
        "glob \"DIR/a***\" is malformed: Pattern syntax error near position LENGTH: \
         wildcards are either regular `*` or recursive `**`"
            .replace("LENGTH", &(folder.path().to_str().unwrap().len() + 4).to_string())
            .as_str(),
    );
}

#[test]
fn a_directory_is_an_error() {
    let folder = folder(&["one/"]);
    check_error(&folder, &["DIR/one"], "\"DIR/one\" is a directory; try \"DIR/one/*.jsonl\"");
    check_error(&folder, &["DIR/one/"], "\"DIR/one/\" is a directory; try \"DIR/one/*.jsonl\"");
}

#[test]
fn a_missing_file_is_an_error() {
    let folder = folder(&["a"]);
    check_error(&folder, &["DIR/a", "DIR/b"], "cannot read \"DIR/b\": No such file or directory (os error 2)");
    check_error(&folder, &[""], "cannot read \"\": No such file or directory (os error 2)");
}

#[test]
fn the_same_path_twice_is_an_error() {
    let folder = folder(&["a", "b", "sub/"]);
    let same = |first: &str, second: &str| format!("{first} and {second} are the same file; each input is read once");
    check_error(&folder, &["DIR/a", "DIR/b", "DIR/a"], &same("\"DIR/a\"", "\"DIR/a\""));
    check_error(&folder, &["DIR/a", "DIR/sub/../a"], &same("\"DIR/a\"", "\"DIR/sub/../a\""));
    check_error(&folder, &["DIR/[ab]", "DIR/b"], &same("\"DIR/b\" (from \"DIR/[ab]\")", "\"DIR/b\""));
    check_error(&folder, &["-", "-"], &same("\"-\"", "\"-\""));
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn links_to_one_file_are_the_same_file() {
        let folder = folder(&["a"]);
        symlink(folder.path().join("a"), folder.path().join("symbolic")).unwrap();
        fs::hard_link(folder.path().join("a"), folder.path().join("hard")).unwrap();
        for other in ["symbolic", "hard"] {
            let expected = format!("\"DIR/a\" and \"DIR/{other}\" are the same file; each input is read once");
            check_error(&folder, &["DIR/a", &format!("DIR/{other}")], &expected);
        }
        check(&folder, &["DIR/symbolic"], &["DIR/symbolic"]);
    }

    /// Each round through the link would find the file anew, by a longer path.
    #[test]
    fn a_glob_does_not_go_in_circles() {
        let folder = folder(&["sub/", "sub/a"]);
        symlink(folder.path(), folder.path().join("sub/up")).unwrap();
        check(&folder, &["DIR/**/a"], &["DIR/sub/a"]);
        check(&folder, &["DIR/sub/*/sub/a"], &["DIR/sub/up/sub/a"]);
    }

    #[test]
    fn a_dangling_link_is_an_error() {
        let folder = folder(&[]);
        symlink("nowhere", folder.path().join("a*")).unwrap();
        check_error(&folder, &["DIR/a*"], "cannot read \"DIR/a*\": No such file or directory (os error 2)");
        check_error(&folder, &["DIR/?*"], "cannot read \"DIR/a*\": No such file or directory (os error 2)");
    }

    #[test]
    fn an_unreadable_file_is_an_error() {
        let folder = folder(&["a"]);
        let path = folder.path().join("a");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        // The superuser may read it all the same.
        if File::open(&path).is_err() {
            check_error(&folder, &["DIR/a"], "cannot read \"DIR/a\": Permission denied (os error 13)");
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_an_error() {
        let folder = folder(&[]);
        fs::write(folder.path().join(OsStr::from_bytes(b"a\xff")), "").unwrap();
        check_error(&folder, &["DIR/a*"], "cannot read \"DIR/a\u{fffd}\": its name is not UTF-8");
    }

    /// To open the pipe would wait for a writer for ever.
    #[test]
    fn a_named_pipe_is_not_opened_and_not_replayable() {
        let folder = folder(&[]);
        let path = folder.path().join("pipe.gz");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let inputs = resolve(&[path.to_str().unwrap().to_owned()]).unwrap();
        assert_eq!(inputs[0].kind, InputKind::File { path, compression: Compression::Gzip, replayable: false });
    }
}
