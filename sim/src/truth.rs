//! The truth: what was done to each record, and what the pipeline must therefore make of it.

use engine_model::Rejection;

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is a copy of an earlier record, byte for byte.
    Duplicate,
    /// It was held back, and comes after a later one, within lateness.
    Delayed,
    /// It was held back until its window had passed.
    Late,
    /// It was made invalid.
    Malformed,
}

impl Fault {
    /// The name in a truth file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::Duplicate => "duplicate",
            Fault::Delayed => "delayed",
            Fault::Late => "late",
            Fault::Malformed => "malformed",
        }
    }
}

/// What the pipeline must make of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// Its id was accepted before.
    Duplicate,
    /// Its window has passed.
    Late,
    /// It is not a valid event; `at` is never known.
    Rejected(Rejection),
}

impl Verdict {
    /// The name in a truth file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Duplicate => "duplicate",
            Verdict::Late => "late",
            Verdict::Rejected(_) => "rejected",
        }
    }
}

/// The truth about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The lane.
    pub lane: u32,
    /// The record's place in the lane, from 0: the index of its line, and its offset where it comes in a batch.
    pub index: u64,
    /// What was done to it.
    pub fault: Fault,
    /// What the pipeline must make of it.
    pub verdict: Verdict,
    /// Whether it is valid and its event time is before that of a valid one ahead of it.
    pub is_delayed: bool,
}

impl Truth {
    /// Appends the truth as a line of JSON:
    /// `{"lane":0,"index":7,"fault":"late","outcome":"late","delayed":true}`, with `reason` and, where there is one,
    /// `field` on a rejected one.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        let Truth { lane, index, fault, verdict, is_delayed } = self;
        let (fault, outcome) = (fault.name(), verdict.name());
        let written = write!(
            out,
            r#"{{"lane":{lane},"index":{index},"fault":"{fault}","outcome":"{outcome}","delayed":{is_delayed}"#
        )
        .and_then(|()| match verdict {
            Verdict::Rejected(rejection) => {
                write!(out, r#","reason":"{}""#, rejection.reason)?;
                rejection.field.map_or(Ok(()), |field| write!(out, r#","field":"{field}""#))
            }
            Verdict::Accepted | Verdict::Duplicate | Verdict::Late => Ok(()),
        })
        .and_then(|()| out.write_all(b"}\n"));
        written.expect("writing to memory does not fail");
    }
}

#[cfg(test)]
mod tests {
    use engine_model::{Field, Reason};

    use super::*;

    fn line(truth: Truth) -> String {
        let mut out = Vec::new();
        truth.write_line(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_truth_is_a_line_of_json() {
        let truth = Truth { lane: 2, index: 7, fault: Fault::Late, verdict: Verdict::Late, is_delayed: true };
        assert_eq!(line(truth), "{\"lane\":2,\"index\":7,\"fault\":\"late\",\"outcome\":\"late\",\"delayed\":true}\n");
        let rejection = Rejection { reason: Reason::InvalidField, field: Some(Field::ItemsQuantity), at: None };
        let truth = Truth {
            lane: 0,
            index: 8,
            fault: Fault::Malformed,
            verdict: Verdict::Rejected(rejection),
            is_delayed: false,
        };
        assert_eq!(
            line(truth),
            "{\"lane\":0,\"index\":8,\"fault\":\"malformed\",\"outcome\":\"rejected\",\"delayed\":false,\
             \"reason\":\"invalid_field\",\"field\":\"items.quantity\"}\n"
        );
    }
}
