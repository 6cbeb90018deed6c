//! What the page's controls say, and what the engine and the simulator make of it.

use engine_model::{Currency, EventTime, Micros, Semantics, UtcOffset, WindowLength};
use serde::Deserialize;
use sim::{Bound, Config, Shares};

/// How simulated records reach the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As events, without a parser between.
    Events,
    /// As JSON Lines, which are parsed.
    #[default]
    Lines,
}

/// The page's controls. What is left out has the command line's default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where all draws of the simulator come from.
    pub seed: u64,
    /// Simulated events a second of event time.
    pub rate: f64,
    /// Share of records that are copies.
    pub duplicates: f64,
    /// Share of records out of order, within lateness.
    pub delayed: f64,
    /// Share of records whose window has passed.
    pub late: f64,
    /// Share of records that are no valid events.
    pub malformed: f64,
    /// Length of the base window in seconds.
    pub window_seconds: i64,
    /// How far the watermark trails, in seconds.
    pub lateness_seconds: i64,
    /// How simulated records reach the engine.
    pub form: Form,
    /// Currency of orders and payments.
    pub currency: String,
    /// `+hh:mm`.
    pub utc_offset: String,
    /// Event time after which the simulator stops, in hours.
    pub hours: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        let Shares { duplicates, delayed, late, malformed } = Shares::DEFAULT;
        Settings {
            seed: Config::SEED,
            rate: Config::RATE,
            duplicates,
            delayed,
            late,
            malformed,
            window_seconds: 60,
            lateness_seconds: 10,
            form: Form::default(),
            currency: Currency::USD.to_string(),
            utc_offset: "+00:00".to_owned(),
            hours: 24,
        }
    }
}

/// Why settings do not work.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// They are no settings at all.
    #[error("the settings cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The window.
    #[error(transparent)]
    Window(#[from] engine_model::InvalidWindowLength),
    /// The lateness.
    #[error("lateness_seconds is {0}; expected 0 to 86400")]
    Lateness(i64),
    /// The hours.
    #[error("hours is {0}; expected 1 to 744")]
    Hours(i64),
    /// The currency.
    #[error(transparent)]
    Currency(#[from] engine_model::InvalidCurrency),
    /// The offset.
    #[error(transparent)]
    UtcOffset(#[from] engine_model::InvalidUtcOffset),
    /// Something the simulator is asked for.
    #[error(transparent)]
    Simulator(#[from] sim::InvalidConfig),
}

impl Settings {
    /// The most hours the simulator may be asked for: a month.
    pub const HOURS_MAX: i64 = 31 * 24;

    /// Reads them from JSON.
    ///
    /// # Errors
    /// Where they are no JSON, or a field is not known or of another type.
    pub fn from_json(json: &str) -> Result<Settings, InvalidSettings> {
        Ok(serde_json::from_str(json)?)
    }

    fn window(&self) -> Result<WindowLength, InvalidSettings> {
        Ok(WindowLength::new(Micros::from_seconds(self.window_seconds))?)
    }

    fn lateness(&self) -> Result<Micros, InvalidSettings> {
        if !(0..=86_400).contains(&self.lateness_seconds) {
            return Err(InvalidSettings::Lateness(self.lateness_seconds));
        }
        Ok(Micros::from_seconds(self.lateness_seconds))
    }

    /// What decides the rows: the same as the command line makes of the same options. A default rollup that does not fit
    /// the window is left out.
    ///
    /// # Errors
    /// Where a setting does not work; the first one.
    ///
    /// # Panics
    /// Never: rollups that do not fit are left out before.
    pub fn semantics(&self) -> Result<Semantics, InvalidSettings> {
        let (window, lateness) = (self.window()?, self.lateness()?);
        let (currency, offset): (Currency, UtcOffset) = (self.currency.parse()?, self.utc_offset.parse()?);
        let rollups: Vec<WindowLength> = [WindowLength::HOUR, WindowLength::DAY]
            .into_iter()
            .filter(|rollup| rollup.is_multiple_of(window))
            .collect();
        Ok(Semantics::new(window, &rollups, lateness, currency, offset).expect("only rollups that fit"))
    }

    /// What the simulator is asked for: one lane, bounded.
    ///
    /// # Errors
    /// Where a setting does not work; the first one.
    pub fn simulator(&self) -> Result<Config, InvalidSettings> {
        if !(1..=Settings::HOURS_MAX).contains(&self.hours) {
            return Err(InvalidSettings::Hours(self.hours));
        }
        let semantics = self.semantics()?;
        let config = Config {
            seed: self.seed,
            rate: self.rate,
            start: Settings::start(semantics.base().offset()),
            bound: Bound::Duration(Micros::from_seconds(self.hours * 3_600)),
            shares: Shares {
                duplicates: self.duplicates,
                delayed: self.delayed,
                late: self.late,
                malformed: self.malformed,
            },
            window: semantics.base().length(),
            lateness: semantics.lateness(),
            utc_offset: semantics.base().offset(),
            currency: semantics.currency(),
            ..Config::default()
        };
        config.check()?;
        Ok(config)
    }

    /// Midnight of the shop, so that the day shown is a whole one.
    fn start(offset: UtcOffset) -> EventTime {
        Config::START - offset.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_the_command_lines_default() {
        let settings = Settings::from_json("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.semantics().unwrap(), Semantics::default());
        let config = settings.simulator().unwrap();
        assert_eq!(config, Config { bound: Bound::Duration(Micros::DAY), ..Config::default() });
    }

    #[test]
    fn rollups_that_do_not_fit_the_window_are_left_out() {
        let settings = Settings { window_seconds: 5_400, ..Settings::default() };
        let names: Vec<String> =
            settings.semantics().unwrap().grains().iter().map(|grain| grain.length().to_string()).collect();
        assert_eq!(names, ["90m", "1d"]);
    }

    #[test]
    fn an_error_names_the_setting_and_what_was_expected() {
        let error = |settings: Settings| settings.simulator().unwrap_err().to_string();
        let with = Settings::default;
        assert_eq!(error(Settings { lateness_seconds: -1, ..with() }), "lateness_seconds is -1; expected 0 to 86400");
        assert_eq!(error(Settings { hours: 745, ..with() }), "hours is 745; expected 1 to 744");
        assert_eq!(
            error(Settings { rate: 0.0, ..with() }),
            "rate of the simulator is not 0.001 to 100000000 events a second"
        );
        assert_eq!(
            error(Settings { window_seconds: 7, ..with() }),
            "window length 7000000 us is not a whole number of seconds that divides a day of 86400 s"
        );
        let error = Settings::from_json(r#"{"rat":1}"#).unwrap_err().to_string();
        assert!(error.starts_with("the settings cannot be read: unknown field `rat`"), "{error}");
    }

    #[test]
    fn the_day_begins_at_the_shops_midnight() {
        let settings = Settings { utc_offset: "+02:00".to_owned(), ..Settings::default() };
        assert_eq!(settings.simulator().unwrap().start.to_string(), "2025-12-31T22:00:00Z");
    }
}
