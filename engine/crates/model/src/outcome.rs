//! What becomes of a record: the words of the ledger.

use std::fmt;

use crate::units::Micros;
use crate::window::WindowId;

/// What became of one record. Every record becomes exactly one of these: the ledger adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Counted in this base window.
    Accepted(WindowId),
    /// Its `event_id` was accepted before, into this base window, which is still open for its partition.
    Duplicate(WindowId),
    /// Its window had passed; by how much the watermark was ahead of the window's end.
    Late {
        /// Watermark minus window end.
        by: Micros,
    },
    /// Not a valid event.
    Rejected(Rejection),
}

/// The kinds of rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The line is longer than 65 536 bytes.
    TooLarge,
    /// The line is not UTF-8.
    InvalidUtf8,
    /// The line is not JSON.
    MalformedJson,
    /// The line is JSON, but no object.
    NotAnObject,
    /// A required field is absent.
    MissingField,
    /// A field's value breaks its rule.
    InvalidField,
    /// `event_type` is a string, but none of the five.
    UnknownEventType,
    /// `currency` is not the pipeline's.
    CurrencyMismatch,
    /// `event_time` is too far ahead of the clock.
    FutureEventTime,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Reason; 9] = [
        Reason::TooLarge,
        Reason::InvalidUtf8,
        Reason::MalformedJson,
        Reason::NotAnObject,
        Reason::MissingField,
        Reason::InvalidField,
        Reason::UnknownEventType,
        Reason::CurrencyMismatch,
        Reason::FutureEventTime,
    ];

    /// The name in tables and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::MalformedJson => "malformed_json",
            Reason::NotAnObject => "not_an_object",
            Reason::MissingField => "missing_field",
            Reason::InvalidField => "invalid_field",
            Reason::UnknownEventType => "unknown_event_type",
            Reason::CurrencyMismatch => "currency_mismatch",
            Reason::FutureEventTime => "future_event_time",
        }
    }

    /// The number of the reason, 0–8: its place in [`Reason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Declares [`Field`] with the name each field has in JSON.
macro_rules! fields {
    ($($variant:ident = $name:literal,)*) => {
        /// A field that the parser looks at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            /// The name, with the array's before it for a field of an item.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }
        }
    };
}

fields! {
    EventId = "event_id",
    EventType = "event_type",
    EventTime = "event_time",
    SessionId = "session_id",
    CustomerId = "customer_id",
    Action = "action",
    ProductId = "product_id",
    OrderId = "order_id",
    Currency = "currency",
    Total = "total",
    Items = "items",
    PaymentId = "payment_id",
    Method = "method",
    Amount = "amount",
    Status = "status",
    FailureReason = "failure_reason",
    Name = "name",
    Category = "category",
    Price = "price",
    Country = "country",
    Segment = "segment",
    ItemsProductId = "items.product_id",
    ItemsQuantity = "items.quantity",
    ItemsUnitPrice = "items.unit_price",
    ItemsCategory = "items.category",
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why one record is not a valid event. Data, not failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The kind.
    pub reason: Reason,
    /// The field to blame, where there is one.
    pub field: Option<Field>,
    /// The byte of the line at which it shows, where that is known.
    pub at: Option<u32>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if let Some(field) = self.field {
            write!(f, " in field {field}")?;
        }
        if let Some(at) = self.at {
            write!(f, " at byte {at}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_names_reason_field_and_place() {
        let mut rejection = Rejection { reason: Reason::InvalidField, field: Some(Field::ItemsQuantity), at: Some(17) };
        assert_eq!(rejection.to_string(), "invalid_field in field items.quantity at byte 17");
        rejection = Rejection { reason: Reason::TooLarge, field: None, at: None };
        assert_eq!(rejection.to_string(), "too_large");
    }

    #[test]
    fn a_reason_stands_at_its_number() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
