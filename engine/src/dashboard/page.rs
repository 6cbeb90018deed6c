//! The page: the files of `wasm-demo/web`, inside the binary.

use hyper::StatusCode;

use super::reply::{Reply, whole};

/// Where the page says what it shows; see `docs/feed.md`.
const DEMO: &str = "<meta name=\"tillrace-source\" content=\"demo\">";
const LIVE: &str = "<meta name=\"tillrace-source\" content=\"live\">";

/// The path of each file, its type, and its bytes.
macro_rules! files {
    ($($path:literal, $content_type:literal;)*) => {
        &[$(($path, $content_type, include_bytes!(concat!("../../../wasm-demo/web/", $path)) as &[u8]),)*]
    };
}

const FILES: &[(&str, &str, &[u8])] = files! {
    "index.html", "text/html; charset=utf-8";
    "app.js", "text/javascript; charset=utf-8";
    "dom.js", "text/javascript; charset=utf-8";
    "format.js", "text/javascript; charset=utf-8";
    "icon.svg", "image/svg+xml";
    "panels.js", "text/javascript; charset=utf-8";
    "picture.js", "text/javascript; charset=utf-8";
    "revenue.js", "text/javascript; charset=utf-8";
    "settings.js", "text/javascript; charset=utf-8";
    "source.js", "text/javascript; charset=utf-8";
    "state.js", "text/javascript; charset=utf-8";
    "style.css", "text/css; charset=utf-8";
    "theme.js", "text/javascript; charset=utf-8";
    "worker.js", "text/javascript; charset=utf-8";
};

/// The file at a path, where there is one.
pub(crate) fn file(path: &str) -> Option<Reply> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    let (_, content_type, bytes) = FILES.iter().find(|(file, ..)| *file == name)?;
    let reply = match std::str::from_utf8(bytes) {
        Ok(html) if name == "index.html" => whole(StatusCode::OK, content_type, html.replacen(DEMO, LIVE, 1)),
        _ => whole(StatusCode::OK, content_type, *bytes),
    };
    Some(reply)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_there_and_the_page_says_live() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm-demo/web");
        let mut found = Vec::new();
        list(&folder, "", &mut found);
        found.sort();
        let mut known: Vec<&str> = FILES.iter().map(|(path, ..)| *path).collect();
        known.sort_unstable();
        assert_eq!(known, found);
        let index = FILES.iter().find(|(path, ..)| *path == "index.html").unwrap().2;
        assert_eq!(std::str::from_utf8(index).unwrap().matches(DEMO).count(), 1);
    }

    /// All files below, without what a build puts beside them.
    fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in folder.read_dir().unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                list(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }
}
