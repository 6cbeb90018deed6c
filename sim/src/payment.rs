//! Payments: methods, how often each fails, and why.

use crate::draw::{Chance, weighted};

/// A method of payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `card`
    #[default]
    Card,
    /// `paypal`
    Paypal,
    /// `apple_pay`
    ApplePay,
    /// `google_pay`
    GooglePay,
    /// `bank_transfer`
    BankTransfer,
    /// `gift_card`
    GiftCard,
}

impl Method {
    /// The name in `method`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::Card => "card",
            Method::Paypal => "paypal",
            Method::ApplePay => "apple_pay",
            Method::GooglePay => "google_pay",
            Method::BankTransfer => "bank_transfer",
            Method::GiftCard => "gift_card",
        }
    }

    /// One of the methods, by how often each is used.
    pub(crate) fn draw(bits: u32) -> Method {
        const WEIGHTS: [(u32, Method); 6] = [
            (520, Method::Card),
            (210, Method::Paypal),
            (110, Method::ApplePay),
            (70, Method::GooglePay),
            (50, Method::BankTransfer),
            (40, Method::GiftCard),
        ];
        weighted(&WEIGHTS, bits)
    }

    /// How often it fails on a normal day.
    pub(crate) const fn failure(self) -> Chance {
        Chance::permille(match self {
            Method::Card => 90,
            Method::Paypal => 30,
            Method::ApplePay | Method::GooglePay => 45,
            Method::BankTransfer => 20,
            Method::GiftCard => 120,
        })
    }

    /// Why it failed, on a normal day; one in a hundred failures gives no reason.
    pub(crate) fn failure_reason(self, bits: u32) -> Option<&'static str> {
        const CARD: [(u32, Option<&str>); 6] = [
            (420, Some("card_declined")),
            (310, Some("insufficient_funds")),
            (110, Some("expired_card")),
            (90, Some("fraud_suspected")),
            (60, Some("gateway_timeout")),
            (10, None),
        ];
        const WALLET: [(u32, Option<&str>); 4] = [
            (450, Some("authentication_failed")),
            (400, Some("insufficient_funds")),
            (140, Some("gateway_timeout")),
            (10, None),
        ];
        const GIFT: [(u32, Option<&str>); 3] =
            [(800, Some("insufficient_funds")), (190, Some("expired_card")), (10, None)];
        match self {
            Method::Card => weighted(&CARD, bits),
            Method::Paypal | Method::ApplePay | Method::GooglePay | Method::BankTransfer => weighted(&WALLET, bits),
            Method::GiftCard => weighted(&GIFT, bits),
        }
    }

    /// How often it fails in an outage, and the reason then given.
    pub(crate) const OUTAGE: (Chance, Option<&'static str>) = (Chance::permille(900), Some("gateway_timeout"));
}
