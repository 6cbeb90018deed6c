//! Records: a clock that mostly rises, small pools of ids, copies near and far.

use engine_model::Reason;

use super::bad;
use super::json::{Json, Style};
use super::{Amounts, Rng};
use crate::Config;
use crate::time::{Cut, DAY};

const EVENT_MONEY_MAX: i64 = 999_999_999_999;

/// The fields of a valid record, how ever they will be written.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) event_type: &'static str,
    pub(crate) time: i64,
    pub(crate) fields: Vec<(&'static str, Json)>,
}

impl Record {
    pub(crate) fn write(&self, rng: &mut Rng) -> String {
        let mut line = String::new();
        let style = Style::any(rng);
        Json::Object(self.fields.clone()).write(129, &style, rng, &mut line);
        line
    }

    /// Replaces the value of a field, or adds the field.
    pub(crate) fn set(&mut self, name: &'static str, value: Json) {
        self.fields.retain(|field| field.0 != name);
        self.fields.push((name, value));
    }
}

/// Writes the lines of one partition after the other.
pub(crate) struct Writer<'a> {
    pub(crate) rng: Rng,
    pub(crate) config: &'a Config,
    amounts: Amounts,
    base: Cut,
    lateness: i64,
    start: i64,
    clock: i64,
    partition: usize,
    ids: usize,
    /// What this partition has said so far.
    history: Vec<Record>,
    /// What any partition may say.
    shared: Vec<Record>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(mut rng: Rng, config: &'a Config, records: usize, amounts: Amounts) -> Writer<'a> {
        let base = Cut::new(config.semantics.base());
        let lateness = config.semantics.lateness().get();
        // Mostly shortly before a midnight; sometimes at the first instants there are.
        let midnight = 1_767_225_600_000_000 - base.offset;
        let start = if rng.one_in(10) { 0 } else { midnight - rng.between(0, 20) * base.length };
        let mut writer = Writer {
            rng,
            config,
            amounts,
            base,
            lateness,
            start,
            clock: start,
            partition: usize::MAX,
            ids: 0,
            history: Vec::new(),
            shared: Vec::new(),
        };
        for _ in 0..=records / 8 {
            // They are spread over more time than as many records of one partition.
            writer.next_time();
            writer.next_time();
            let shared = writer.fresh();
            writer.shared.push(shared);
        }
        writer
    }

    pub(crate) fn start_partition(&mut self, partition: usize) {
        self.partition = partition;
        self.ids = 0;
        self.history.clear();
        self.clock = self.start;
        if self.rng.one_in(3) {
            self.clock += self.rng.between(0, 5) * self.base.length;
        }
    }

    pub(crate) fn good_line(&mut self) -> Vec<u8> {
        let record = self.next_record();
        self.clock = self.clock.max(record.time);
        let mut line = record.write(&mut self.rng);
        self.history.push(record);
        if self.rng.one_in(300) {
            // The longest line there may be.
            let missing = 65_536_usize.saturating_sub(line.len());
            line.push_str(&" ".repeat(missing));
        }
        line.into_bytes()
    }

    pub(crate) fn bad_line(&mut self) -> (Reason, Vec<u8>) {
        let record = self.fresh();
        bad::line(record, &mut self.rng, self.config)
    }

    fn next_record(&mut self) -> Record {
        let said = self.history.len();
        match self.rng.below(24) {
            // An exact copy, near or far.
            0 if said > 0 => self.history[said - 1 - self.rng.below(said.min(5))].clone(),
            1 if said > 0 => self.history[self.rng.below(said)].clone(),
            // The same id with other fields; kept off the ids that other partitions may use.
            2 if said > 0 => {
                let mut record = self.fresh();
                let id = self.rng.below(self.ids);
                record.set("event_id", Json::Text(event_id(self.partition, id)));
                record
            }
            // A record that other partitions say too: a near one, or one from long ago.
            3..=5 => {
                let reach = self.lateness + 2 * self.base.length;
                let reach = if self.rng.one_in(30) { self.clock } else { reach };
                let near =
                    |record: &&Record| (self.clock - reach..=self.clock + 2 * self.base.length).contains(&record.time);
                let near: Vec<&Record> = self.shared.iter().filter(near).collect();
                if near.is_empty() { self.fresh() } else { (*self.rng.pick(&near)).clone() }
            }
            _ => self.fresh(),
        }
    }

    /// A valid record with an id of its own.
    fn fresh(&mut self) -> Record {
        let time = self.next_time();
        let event_type = *self.rng.pick(&[
            "click", "click", "click", "click", "click", "click", "click", "order", "order", "order", "payment",
            "payment", "product", "product", "customer",
        ]);
        let id = event_id(self.partition, self.ids);
        self.ids += 1;
        let mut record = Record { event_type, time, fields: Vec::new() };
        record.set("event_type", Json::Text(event_type.to_owned()));
        record.set("event_id", Json::Text(id));
        record.set("event_time", Json::Time(time));
        match event_type {
            "click" => self.click(&mut record),
            "order" => self.order(&mut record),
            "payment" => self.payment(&mut record),
            "product" => {
                record.set("product_id", self.id("p", 9));
                record.set("name", self.text(&["Shoe", "Café \"crème\"", &"n".repeat(200), "\\ \u{1F45F} \n"]));
                record.set("category", self.category());
                record.set("price", self.money());
            }
            _ => {
                record.set("customer_id", self.id("c", 7));
                let country = self.text(&["DE", "", "US", &"x".repeat(64)]);
                self.perhaps(&mut record, "country", country);
                let segment = self.text(&["vip", "new", "", "é"]);
                self.perhaps(&mut record, "segment", segment);
            }
        }
        record
    }

    fn click(&mut self, record: &mut Record) {
        let action = *self.rng.pick(&["view", "view", "add_to_cart", "checkout"]);
        record.set("action", Json::Text(action.to_owned()));
        record.set("session_id", self.id("s", 10));
        let customer = self.id("c", 7);
        self.perhaps(record, "customer_id", customer);
        let product = self.id("p", 9);
        if action == "checkout" {
            self.perhaps(record, "product_id", product);
        } else {
            record.set("product_id", product);
        }
    }

    fn order(&mut self, record: &mut Record) {
        record.set("customer_id", self.id("c", 7));
        let session = self.id("s", 10);
        self.perhaps(record, "session_id", session);
        record.set("order_id", self.id("o", 6));
        record.set("currency", Json::Text(self.config.semantics.currency().as_str().to_owned()));
        record.set("total", self.money());
        let saturating = self.amounts == Amounts::Saturating && self.rng.one_in(2);
        let count = if saturating || self.rng.one_in(60) { 100 } else { 1 + self.rng.below(4) };
        let items = (0..count).map(|_| self.item(saturating)).collect();
        record.set("items", Json::Array(items));
    }

    fn item(&mut self, saturating: bool) -> Json {
        let quantity = if saturating { 10_000 } else { *self.rng.pick(&[1, 1, 1, 2, 3, 10_000]) };
        let price = if saturating {
            Json::Money(EVENT_MONEY_MAX)
        } else {
            // Few prices, so that ranks are often equal.
            Json::Money(*self.rng.pick(&[0, 1, 100, 100, 200, 300, 1_999]))
        };
        let product = if saturating { Json::Text("p".to_owned()) } else { self.id("p", 9) };
        let mut item =
            vec![("product_id", product), ("quantity", Json::Written(quantity.to_string())), ("unit_price", price)];
        match self.rng.below(8) {
            0 | 1 => item.push(("category", self.category())),
            2 => item.push(("category", Json::Written("null".to_owned()))),
            _ => {}
        }
        Json::Object(item)
    }

    fn payment(&mut self, record: &mut Record) {
        record.set("order_id", self.id("o", 6));
        record.set("payment_id", self.id("y", 10));
        record.set("currency", Json::Text(self.config.semantics.currency().as_str().to_owned()));
        record.set("method", self.text(&["card", "paypal", &"m".repeat(32), "é"]));
        record.set("amount", self.money());
        record.set("status", self.text(&["succeeded", "succeeded", "failed"]));
        let customer = self.id("c", 7);
        self.perhaps(record, "customer_id", customer);
        let reason = self.text(&["declined", "fraud", &"r".repeat(64)]);
        if self.rng.one_in(2) {
            self.perhaps(record, "failure_reason", reason);
        }
    }

    /// Sets an optional field, or leaves it out, or says null.
    fn perhaps(&mut self, record: &mut Record, name: &'static str, value: Json) {
        match self.rng.below(6) {
            0 => {}
            1 => record.set(name, Json::Written("null".to_owned())),
            _ => record.set(name, value),
        }
    }

    fn id(&mut self, prefix: &str, count: usize) -> Json {
        Json::Text(id(prefix, self.rng.below(count)))
    }

    fn text(&mut self, of: &[&str]) -> Json {
        Json::Text((*self.rng.pick(of)).to_owned())
    }

    fn category(&mut self) -> Json {
        self.text(&["Shoes", "Toys", "unknown", "Bücher/Livres", &"k".repeat(64), "a"])
    }

    fn money(&mut self) -> Json {
        let any = self.rng.between(0, 50_000);
        Json::Money(*self.rng.pick(&[0, 1, 5, 99, 100, 1_999, 2_050, any, any, any, EVENT_MONEY_MAX]))
    }

    /// The clock moves on, mostly a little; the record's time is mostly the clock's.
    fn next_time(&mut self) -> i64 {
        let length = self.base.length;
        let rng = &mut self.rng;
        match rng.below(80) {
            0 => self.clock += rng.between(1, 4) * length,
            // To where the watermark reaches the end of a window, or just not, or just passes it.
            1..=4 => {
                let end = self.base.end(self.base.window(self.clock));
                self.clock = self.clock.max(end + self.lateness + rng.between(-1, 1));
            }
            5 if rng.one_in(4) => self.clock += DAY,
            6..=55 => self.clock += rng.between(0, length / 3),
            _ => {}
        }
        let time_max = self.config.time_max.as_micros();
        self.clock = self.clock.clamp(0, time_max);
        let mut time = match rng.below(40) {
            0..=5 => self.clock - rng.between(0, self.lateness),
            6 | 7 => self.clock - self.lateness - rng.between(0, 3 * length),
            9 => self.base.start(self.base.window(self.clock)) + rng.between(-1, 1),
            10 if rng.one_in(3) => self.clock - rng.between(0, DAY),
            _ => self.clock,
        };
        if rng.one_in(2) {
            time -= time.rem_euclid(1_000);
        }
        time.clamp(0, time_max)
    }
}

/// The `number`th event id of a partition; of `usize::MAX` the ids that all partitions may use.
fn event_id(partition: usize, number: usize) -> String {
    let letter = if partition == usize::MAX { "S" } else { &"ABCDEFGHIJKLMNOPQR"[partition..=partition] };
    id(letter, number)
}

/// Ids of all lengths and kinds; different numbers and prefixes give different ids.
fn id(prefix: &str, number: usize) -> String {
    let group = number / 10;
    let stem = format!("{prefix}{group}-");
    let padded = |length: usize| format!("{stem:x<length$}");
    let seed = prefix.bytes().fold(group as u64, |seed, byte| seed * 256 + u64::from(byte));
    let hash = Rng::new(seed).bits();
    let uuid = format!("{:08x}-{group:04x}-4abc-8def-{hash:016x}", hash >> 32);
    let uuid = uuid[..36].to_owned();
    match number % 10 {
        0 if group == 0 => prefix.to_owned(),
        0 => format!("{prefix}{group}"),
        1 => padded(15),
        2 => padded(16),
        3 => padded(17),
        4 => uuid,
        5 => uuid.to_uppercase(),
        6 => padded(64),
        7 => format!("{}y", padded(63)),
        8 => format!("{stem}\u{1F600}é\"\\\n"),
        _ => format!("{stem}z"),
    }
}
