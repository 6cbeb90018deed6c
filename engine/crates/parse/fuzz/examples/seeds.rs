//! Writes the seeds of the fuzz target `lines` into `corpus/lines`: lines of the simulator, sound and broken, as they are
//! and written otherwise.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sim::{Bound, Config, Shares, Simulator};

/// Of the order of what one input is to hold, so that an edit reaches a line before the next.
const LINES_A_SEED: usize = 2;
const RECORDS: u64 = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/lines");
    fs::create_dir_all(&folder)?;
    let shares = Shares { duplicates: 0.0, delayed: 0.1, late: 0.0, malformed: 0.3 };
    let config = Config { bound: Bound::Records(RECORDS), shares, ..Config::default() };
    let mut lines = Vec::new();
    Simulator::new(&config, 0)?.write_lines(usize::MAX, &mut lines);
    let lines: Vec<&[u8]> = lines.split_inclusive(|&byte| byte == b'\n').collect();
    let mut count = 0;
    for (index, lines) in lines.chunks(LINES_A_SEED).enumerate() {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| written(line, index % 4)).collect();
        fs::write(folder.join(format!("seed-{index:04}")), bytes)?;
        count += 1;
    }
    println!("{count} seeds in {}", folder.display());
    Ok(())
}

/// A line as it is, or with its members sorted, with spaces, escapes and a nested member, or at another offset.
fn written(line: &[u8], way: usize) -> Vec<u8> {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(line) else { return line.to_vec() };
    match way {
        0 => return line.to_vec(),
        1 => {}
        2 => {
            members
                .insert("context".to_owned(), serde_json::json!({"page": ["/p", {"event_id": null}], "score": -1.5e3}));
        }
        _ => {
            if let Some(Value::String(time)) = members.get_mut("event_time") {
                *time = time.replace('Z', "+00:00");
            }
        }
    }
    let text = serde_json::to_string(&members).expect("members of a line");
    let text = if way == 2 { text.replace(":", " : ").replace("s_", "s\\u005f").replace('/', "\\/") } else { text };
    [text.as_bytes(), b"\r\n"].concat()
}
