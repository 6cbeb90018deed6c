//! What decides the rows: window, rollups, lateness, currency, offset. Two runs with equal semantics and equal
//! input give equal Gold.

use std::fmt;

use crate::units::Micros;
use crate::window::{Grain, UtcOffset, WindowLength};

/// A pipeline's currency: three ASCII capital letters, after ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is no currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("currency {value:?} is not three capital letters like USD")]
pub struct InvalidCurrency {
    /// What was refused.
    pub value: String,
}

impl Currency {
    /// United States dollars, the default.
    pub const USD: Currency = Currency(*b"USD");

    /// The three letters.
    ///
    /// # Panics
    /// Never: the letters are ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters")
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(value: &str) -> Result<Currency, InvalidCurrency> {
        match value.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Currency([a, b, c])),
            _ => Err(InvalidCurrency { value: value.to_owned() }),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a rollup does not go with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rollup {rollup} is not a multiple of the window {window}")]
pub struct InvalidRollup {
    /// The rollup that was refused.
    pub rollup: WindowLength,
    /// The base window.
    pub window: WindowLength,
}

/// What decides the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Semantics {
    grains: Vec<Grain>,
    has_day_rollup: bool,
    lateness: Micros,
    currency: Currency,
}

impl Semantics {
    /// Checks window and rollups against each other. A rollup named twice counts once; one as long as the window is
    /// the base grain itself and adds no table.
    ///
    /// # Errors
    /// Where a rollup is not a multiple of the window.
    ///
    /// # Panics
    /// Where `lateness` is negative.
    pub fn new(
        window: WindowLength,
        rollups: &[WindowLength],
        lateness: Micros,
        currency: Currency,
        offset: UtcOffset,
    ) -> Result<Semantics, InvalidRollup> {
        assert!(lateness >= Micros::ZERO, "lateness is a bound on out-of-orderness, so not negative");
        if let Some(&rollup) = rollups.iter().find(|rollup| !rollup.is_multiple_of(window)) {
            return Err(InvalidRollup { rollup, window });
        }
        let mut lengths = rollups.to_vec();
        lengths.push(window);
        lengths.sort_unstable();
        lengths.dedup();
        let grains = lengths.into_iter().map(|length| Grain::new(length, offset)).collect();
        Ok(Semantics { grains, has_day_rollup: rollups.contains(&WindowLength::DAY), lateness, currency })
    }

    /// All grains, the base window first, then the rollups from short to long.
    #[must_use]
    pub fn grains(&self) -> &[Grain] {
        &self.grains
    }

    /// The base window.
    #[must_use]
    pub fn base(&self) -> Grain {
        self.grains[0]
    }

    /// The rollups, from short to long.
    #[must_use]
    pub fn rollups(&self) -> &[Grain] {
        &self.grains[1..]
    }

    /// Whether a `1d` rollup was asked for, and with it `customer_activity`.
    #[must_use]
    pub fn has_day_rollup(&self) -> bool {
        self.has_day_rollup
    }

    /// How far the watermark trails.
    #[must_use]
    pub fn lateness(&self) -> Micros {
        self.lateness
    }

    /// The same with another currency.
    #[must_use]
    pub fn with_currency(self, currency: Currency) -> Semantics {
        Semantics { currency, ..self }
    }

    /// The pipeline's currency.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency
    }
}

impl Default for Semantics {
    /// Windows of a minute, rollups of an hour and a day, ten seconds of lateness, USD, UTC.
    fn default() -> Semantics {
        let rollups = [WindowLength::HOUR, WindowLength::DAY];
        Semantics::new(WindowLength::MINUTE, &rollups, Micros::from_seconds(10), Currency::USD, UtcOffset::ZERO)
            .expect("an hour and a day are whole minutes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollups_are_sorted_multiples_and_counted_once() {
        let length = |seconds| WindowLength::new(Micros::from_seconds(seconds)).unwrap();
        let make = |window, rollups: &[WindowLength]| {
            Semantics::new(window, rollups, Micros::ZERO, Currency::USD, UtcOffset::ZERO)
        };
        let semantics = make(length(60), &[length(86_400), length(300), length(86_400), length(60)]).unwrap();
        let names: Vec<String> = semantics.grains().iter().map(|grain| grain.length().to_string()).collect();
        assert_eq!(names, ["1m", "5m", "1d"]);
        assert!(semantics.has_day_rollup());
        let error = make(length(90), &[length(3_600), length(60)]).unwrap_err();
        assert_eq!(error.to_string(), "rollup 1m is not a multiple of the window 90s");
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "EUR");
        for value in ["eur", "EURO", "", "E1R"] {
            let error = value.parse::<Currency>().unwrap_err();
            assert_eq!(error.to_string(), format!("currency {value:?} is not three capital letters like USD"));
        }
    }
}
