//! A shop that lives: customers who visit, compare, put into the cart, order and pay, as events straight into a batch
//! or as JSON Lines, with duplicates, delays, late and malformed records at chosen shares, and the truth about each.
//!
//! One [`Simulator`] is one lane, which is one source partition. Everything it gives is a function of the
//! [`Config`] and the lane's number: the same on every machine, in debug and release, however it is asked for. Lanes
//! share the catalogue and the customers, and nothing else; with several lanes, the order of the whole is by lane, then
//! by index within the lane.
//!
//! Pure: no clock, thread or file. Live use passes the clock in; see [`Simulator::next_batch_until`].
//!
//! ```
//! use sim::{Bound, Config, Simulator};
//!
//! let config = Config { bound: Bound::Records(3), ..Config::default() };
//! let mut lines = Vec::new();
//! let count = Simulator::new(&config, 0)?.write_lines(usize::MAX, &mut lines);
//! assert_eq!((count, lines.iter().filter(|&&byte| byte == b'\n').count()), (3, 3));
//! # Ok::<(), sim::InvalidConfig>(())
//! ```

#![forbid(unsafe_code)]

mod calendar;
mod catalogue;
mod config;
mod customer;
mod draw;
mod fault;
mod identity;
mod journey;
mod malformation;
mod payment;
mod popularity;
mod quantile;
mod record;
mod render;
mod simulator;
mod sink;
mod traffic;
mod truth;

pub use config::{Bound, Config, InvalidConfig, LANES_MAX, Outage, Shares, Span, Stories};
pub use payment::Method;
pub use simulator::Simulator;
pub use truth::{Fault, Truth, Verdict};
