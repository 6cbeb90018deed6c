//! Goal: our own conventions hold where no tool looks.
//!
//! Method: reads the sources of the workspace as text.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files below `folder` with the given extension, but for what is built or installed.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !["target", ".git", ".venv", "node_modules", "lake"].contains(&name) {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root(), "rs", &mut found);
    assert!(found.len() > 50, "only {} sources found", found.len());
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("UTF-8"))).collect()
}

#[test]
fn every_source_opens_by_saying_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with a //! paragraph", path.display());
    }
}

#[test]
fn no_file_is_named_after_nothing() {
    for (path, _) in sources() {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(!["utils", "util", "helpers", "misc", "common"].contains(&name), "{}", path.display());
    }
}

#[test]
fn every_crate_forbids_unsafe_code_and_takes_the_workspace_lints() {
    let mut manifests = Vec::new();
    files(&root(), "toml", &mut manifests);
    let mut crates = 0;
    for manifest in manifests.iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(manifest).expect("UTF-8");
        if !text.contains("[package]") {
            continue;
        }
        crates += 1;
        assert!(text.contains("[lints]\nworkspace = true"), "{} sets its own lints", manifest.display());
    }
    assert!(crates >= 8, "only {crates} crates found");
    let allowed = ["simd.rs", "dispatch.rs", "memory.rs"];
    for (path, text) in sources() {
        let is_named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| allowed.contains(&name));
        let has_block = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        assert!(!has_block || is_named || path.ends_with("tidy.rs"), "unsafe code in {}", path.display());
    }
}

#[test]
fn the_state_machines_and_the_parser_know_no_clock_thread_or_file() {
    for crate_name in ["window", "parse", "model"] {
        let mut found = Vec::new();
        files(&root().join("engine/crates").join(crate_name).join("src"), "rs", &mut found);
        for path in found.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "tests")) {
            let text = fs::read_to_string(path).expect("UTF-8");
            for word in ["std::time", "std::thread", "std::fs", "std::io", "std::sync", "println!"] {
                assert!(!text.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn only_gold_and_lake_know_arrow_and_parquet() {
    for folder in ["model", "parse", "window", "source"] {
        let manifest = root().join("engine/crates").join(folder).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("UTF-8");
        assert!(!text.contains("arrow") && !text.contains("parquet"), "{}", manifest.display());
    }
}
