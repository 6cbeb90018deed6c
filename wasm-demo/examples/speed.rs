//! The session natively, for comparison with WebAssembly: `tests/speed.sh` runs both.
//!
//! `cargo run --release -p wasm-demo --example speed -- lines|events|FILE`, where FILE is JSON Lines. Prints the records a
//! second of the best of some rounds.

use std::fs::File;
use std::time::Instant;

use engine_model::EventTime;
use wasm_demo::{Form, Session, Settings};

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let what = std::env::args().nth(1).ok_or("say lines, events or a file")?;
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let mut session = open(&what)?;
        let start = Instant::now();
        while !session.is_finished() {
            session.run(1_000_000, EventTime::EVENT_MAX)?;
            session.take_messages();
        }
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let records = session.ledger().records as f64;
        best = best.max(records / start.elapsed().as_secs_f64());
    }
    println!("{best:.0}");
    Ok(())
}

/// The same as `tests/speed.mjs` opens.
fn open(what: &str) -> Result<Session, Box<dyn std::error::Error>> {
    let settings = Settings { hours: 1, rate: 400.0, ..Settings::default() };
    let form = match what {
        "lines" => Form::Lines,
        "events" => Form::Events,
        path => {
            let file = Box::new(File::open(path)?);
            return Ok(Session::of_file(&settings, "speed".to_owned(), path.to_owned(), file, EventTime::EVENT_MAX)?);
        }
    };
    Ok(Session::simulated(&Settings { form, ..settings }, "speed".to_owned())?)
}
