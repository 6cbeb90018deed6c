//! What decides the events: one plain struct, with its defaults as named constants.

use std::fmt;

use engine_model::{Currency, EventTime, Micros, UtcOffset, WindowLength};

use crate::payment::Method;

/// The most lanes there can be: a lane's number is part of every identifier it makes.
pub const LANES_MAX: u32 = 256;

/// When the simulator is at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// Never: live, or as long as somebody asks.
    #[default]
    None,
    /// After this span of event time. Records still held back then come at the end.
    Duration(Micros),
    /// After this many records over all lanes, faults included; each lane gives an equal part, the first ones one more
    /// where it does not divide. Records still held back then never come.
    Records(u64),
}

/// Faults as shares of all records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Copies of an earlier record of the lane, while it is still remembered.
    pub duplicates: f64,
    /// Out of order, but within lateness.
    pub delayed: f64,
    /// So far behind that the window has passed.
    pub late: f64,
    /// Not a valid event, in one of many ways.
    pub malformed: f64,
}

impl Shares {
    /// The shares unless set: 1 % duplicates, 2 % delayed, 0.5 % late, 0.1 % malformed.
    pub const DEFAULT: Shares = Shares { duplicates: 0.01, delayed: 0.02, late: 0.005, malformed: 0.001 };
    /// A stream without a fault.
    pub const NONE: Shares = Shares { duplicates: 0.0, delayed: 0.0, late: 0.0, malformed: 0.0 };
}

impl Default for Shares {
    fn default() -> Shares {
        Shares::DEFAULT
    }
}

/// A stretch of event time, counted from the start of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How long after the start it begins.
    pub after: Micros,
    /// How long it lasts.
    pub length: Micros,
}

impl Span {
    /// A span of `length` minutes that begins `after` minutes from the start.
    #[must_use]
    pub const fn minutes(after: i64, length: i64) -> Span {
        Span { after: Micros::from_seconds(after * 60), length: Micros::from_seconds(length * 60) }
    }
}

/// A method of payment that fails for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When.
    pub span: Span,
    /// Which; its failures give `gateway_timeout` as the reason.
    pub method: Method,
}

/// What happens in the shop besides daily business. All off unless set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stories {
    /// Twice the traffic, and visitors readier to buy.
    pub campaign: Option<Span>,
    /// A method of payment fails nine times in ten.
    pub outage: Option<Outage>,
    /// The prices of one category drop by a third and a third of all views go there.
    pub flash_sale: Option<Span>,
}

impl Stories {
    /// All three over a day that starts at midnight: flash sale 10:00–12:00, outage of cards 14:00–14:45, campaign
    /// 18:00–21:00.
    pub const DAY: Stories = Stories {
        campaign: Some(Span::minutes(18 * 60, 180)),
        outage: Some(Outage { span: Span::minutes(14 * 60, 45), method: Method::Card }),
        flash_sale: Some(Span::minutes(10 * 60, 120)),
    };
}

/// What decides the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where all draws come from.
    pub seed: u64,
    /// Events a second of event time over all lanes, before faults: the mean over an average day. From about 4 000 a
    /// second and lane on visitors act faster than people do, so that no more of them are under way at once than there
    /// is memory for.
    pub rate: f64,
    /// The first instant of event time.
    pub start: EventTime,
    /// When it ends.
    pub bound: Bound,
    /// Number of lanes, 1–[`LANES_MAX`].
    pub lanes: u32,
    /// Customers known at the start.
    pub customers: u32,
    /// Products of the catalogue.
    pub products: u32,
    /// Faults.
    pub shares: Shares,
    /// The pipeline's base window: decides when a record is late.
    pub window: WindowLength,
    /// How far the pipeline's watermark trails: decides when a record is late.
    pub lateness: Micros,
    /// Local time of the shop, and the alignment of its windows.
    pub utc_offset: UtcOffset,
    /// The currency of orders and payments.
    pub currency: Currency,
    /// What happens besides daily business.
    pub stories: Stories,
}

impl Config {
    /// The seed unless set.
    pub const SEED: u64 = 1;
    /// Events a second unless set.
    pub const RATE: f64 = 1_000.0;
    /// 2026-01-01T00:00:00Z, the start unless set.
    pub const START: EventTime = EventTime::from_micros(1_767_225_600_000_000);
    /// Lanes unless set.
    pub const LANES: u32 = 1;
    /// Customers unless set.
    pub const CUSTOMERS: u32 = 200_000;
    /// Products unless set.
    pub const PRODUCTS: u32 = 5_000;
    /// The pipeline's lateness unless set.
    pub const LATENESS: Micros = Micros::from_seconds(10);

    const RATE_MIN: f64 = 0.001;
    const RATE_MAX: f64 = 100_000_000.0;
    const CUSTOMERS_MAX: u32 = 1_000_000_000;
    const PRODUCTS_MAX: u32 = 1_000_000;

    /// Checks what the types do not.
    ///
    /// # Errors
    /// Where a field lies outside its range; the first one in the order of the fields.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let shares = self.shares;
        let sum = shares.duplicates + shares.delayed + shares.late + shares.malformed;
        let is_share = |share: f64| (0.0..=0.5).contains(&share);
        // The warm-up before the start reads the curve of traffic, and events lie within 1970 to 9999.
        let is_start = (Micros::DAY.get()..EventTime::EVENT_MAX.as_micros() / 2).contains(&self.start.as_micros());
        let wrong = |field, expected| Err(InvalidConfig { field, expected });
        if !(Config::RATE_MIN..=Config::RATE_MAX).contains(&self.rate) {
            return wrong("rate", "0.001 to 100000000 events a second");
        }
        if !is_start {
            return wrong("start", "an instant from 1970-01-02 on");
        }
        if !(1..=LANES_MAX).contains(&self.lanes) {
            return wrong("lanes", "1 to 256");
        }
        if !(1..=Config::CUSTOMERS_MAX).contains(&self.customers) {
            return wrong("customers", "1 to 1000000000");
        }
        if !(1..=Config::PRODUCTS_MAX).contains(&self.products) {
            return wrong("products", "1 to 1000000");
        }
        for (name, share) in [
            ("duplicates", shares.duplicates),
            ("delayed", shares.delayed),
            ("late", shares.late),
            ("malformed", shares.malformed),
        ] {
            if !is_share(share) {
                return wrong(name, "a share from 0 to 0.5");
            }
        }
        if sum > 0.9 {
            return wrong("shares", "a sum of at most 0.9");
        }
        if !(0..=Micros::DAY.get()).contains(&self.lateness.get()) {
            return wrong("lateness", "0 s to 1 d");
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            seed: Config::SEED,
            rate: Config::RATE,
            start: Config::START,
            bound: Bound::None,
            lanes: Config::LANES,
            customers: Config::CUSTOMERS,
            products: Config::PRODUCTS,
            shares: Shares::DEFAULT,
            window: WindowLength::MINUTE,
            lateness: Config::LATENESS,
            utc_offset: UtcOffset::ZERO,
            currency: Currency::USD,
            stories: Stories::default(),
        }
    }
}

/// Why a [`Config`] does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// The field to blame.
    pub field: &'static str,
    /// What was expected of it.
    pub expected: &'static str,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the simulator is not {}", self.field, self.expected)
    }
}

impl std::error::Error for InvalidConfig {}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(config: &Config) -> Option<&'static str> {
        config.check().err().map(|error| error.field)
    }

    #[test]
    fn the_defaults_hold_and_each_bound_is_checked_below_at_and_above() {
        assert_eq!(field(&Config::default()), None);
        let rate = |rate| field(&Config { rate, ..Config::default() });
        assert_eq!([rate(0.000_9), rate(0.001), rate(1.0)], [Some("rate"), None, None]);
        assert_eq!(rate(f64::NAN), Some("rate"));
        let lanes = |lanes| field(&Config { lanes, ..Config::default() });
        assert_eq!([lanes(0), lanes(1), lanes(256), lanes(257)], [Some("lanes"), None, None, Some("lanes")]);
        let late = |late| field(&Config { shares: Shares { late, ..Shares::NONE }, ..Config::default() });
        assert_eq!([late(-0.1), late(0.0), late(0.5), late(0.51)], [Some("late"), None, None, Some("late")]);
        let products = |products| field(&Config { products, ..Config::default() });
        assert_eq!([products(0), products(1), products(1_000_001)], [Some("products"), None, Some("products")]);
    }

    #[test]
    fn an_error_names_the_field_and_what_was_expected() {
        let error = Config { rate: -1.0, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "rate of the simulator is not 0.001 to 100000000 events a second");
    }
}
