//! Customers: who they are, by number alone, so that none has to be remembered.

use crate::draw::{hashed, high, scaled, weighted};
use crate::identity::ShortText;

/// A customer; by default nobody known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Customer(u32);

/// How close a customer is to the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Signed up just now.
    #[default]
    New,
    /// Comes seldom.
    Occasional,
    /// Comes often.
    Regular,
    /// One of the busiest of all.
    Vip,
}

/// The customers of the shop, as a lane sees them.
#[derive(Clone, Debug)]
pub(crate) struct Customers {
    known: u32,
    multiplier: u64,
    next_new: u32,
    lanes: u32,
}

const COUNTRIES: [(u32, &str); 14] = [
    (340, "US"),
    (120, "DE"),
    (110, "GB"),
    (80, "FR"),
    (60, "CA"),
    (50, "ES"),
    (50, "IT"),
    (40, "NL"),
    (40, "PL"),
    (30, "SE"),
    (30, "AT"),
    (20, "CH"),
    (20, "JP"),
    (10, "BR"),
];

impl Customer {
    /// Whether it is known who this is.
    #[inline]
    pub(crate) const fn is_known(self) -> bool {
        self.0 != 0
    }

    /// `customer_id` of a known customer.
    #[inline]
    pub(crate) fn id(self) -> ShortText {
        debug_assert!(self.is_known());
        ShortText::numbered(b'c', self.0 - 1)
    }
}

impl Segment {
    /// The name in `segment`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Segment::New => "new",
            Segment::Occasional => "occasional",
            Segment::Regular => "regular",
            Segment::Vip => "vip",
        }
    }
}

impl Customers {
    /// `known` customers at the start, and new ones with numbers of their own in each of `lanes`.
    pub(crate) fn new(known: u32, lane: u32, lanes: u32) -> Customers {
        // A prime that does not divide `known` makes multiplication a bijection of the numbers below it.
        let multiplier = [1_000_003, 998_244_353].into_iter().find(|prime| u64::from(known) % prime != 0);
        Customers { known, multiplier: multiplier.unwrap_or(1), next_new: known + lane, lanes }
    }

    /// Somebody known: a few come all the time, most hardly ever.
    ///
    /// The rank goes with the third power of an even draw: the busiest 1 % make 22 % of the visits.
    #[inline]
    pub(crate) fn returning(&self, bits: u64) -> (Customer, Segment) {
        let even = high(bits);
        let rank = scaled(scaled(scaled(even, even), even), self.known);
        let segment = match u64::from(rank) * 1_000 / u64::from(self.known) {
            0..20 => Segment::Vip,
            20..200 => Segment::Regular,
            _ => Segment::Occasional,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of a 32-bit number")]
        let number = (u64::from(rank) * self.multiplier % u64::from(self.known)) as u32;
        (Customer(number + 1), segment)
    }

    /// Somebody who signs up now.
    pub(crate) fn sign_up(&mut self) -> (Customer, Segment) {
        let number = self.next_new;
        self.next_new += self.lanes;
        (Customer(number + 1), Segment::New)
    }
}

/// Where the customer lives; one in fifty does not say.
pub(crate) fn country(seed: u64, customer: Customer) -> Option<&'static str> {
    let bits = hashed(seed, u64::from(customer.0));
    (!bits.is_multiple_of(50)).then(|| weighted(&COUNTRIES, bits))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_rank_is_a_customer_of_its_own_and_new_ones_are_new() {
        for known in [1, 2, 1_000, 2_000_006] {
            let customers = Customers::new(known, 0, 1);
            let ids: HashSet<u64> =
                (0..u64::from(known)).map(|rank| rank * customers.multiplier % u64::from(known)).collect();
            assert_eq!(ids.len() as u64, u64::from(known));
        }
        let mut customers = [Customers::new(100, 0, 2), Customers::new(100, 1, 2)];
        let new: Vec<u32> = (0..4).map(|n| customers[n % 2].sign_up().0.0 - 1).collect();
        assert_eq!(new, [100, 101, 102, 103]);
    }

    #[test]
    fn the_busiest_come_first() {
        let customers = Customers::new(1_000, 0, 1);
        assert_eq!(customers.returning(0).1, Segment::Vip);
        assert_eq!(customers.returning(u64::MAX).1, Segment::Occasional);
    }
}
