//! Goal: the committed sample is what its command makes, so that whoever doubts it can make it again.
//!
//! `tillrace simulate --mode batch --duration 24h --rate 0.25 --customers 3000 --products 200 --seed 7 --stories all
//! --delayed 0.03 --malformed 0.002`

use std::fs::File;
use std::io::Read;
use std::process::Command;

#[test]
fn the_sample_is_what_its_command_makes() {
    let options = "--mode batch --duration 24h --rate 0.25 --customers 3000 --products 200 --seed 7 --stories all \
                   --delayed 0.03 --malformed 0.002";
    let output =
        Command::new(env!("CARGO_BIN_EXE_tillrace")).arg("simulate").args(options.split(' ')).output().unwrap();
    assert!(output.status.success());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/day.jsonl.gz");
    let mut sample = Vec::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut sample).unwrap();
    assert!(sample == output.stdout, "the sample and the command differ");
}
