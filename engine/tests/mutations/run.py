#!/usr/bin/env python3
"""Breaks the engine on purpose, one mutation at a time, and expects the test named for each to fail.

    engine/tests/mutations/run.py              all mutations
    engine/tests/mutations/run.py late rank    those whose name contains one of these words
    engine/tests/mutations/run.py --verbose    also what each failing test said
    engine/tests/mutations/run.py --list       their names and tests
    engine/tests/mutations/run.py --check      only that each text to replace occurs exactly once (needs no build)

The workspace (tracked and new files, nothing ignored) is copied to target/mutations/workspace and only ever changed
there; builds go to target/mutations/target, unoptimised, and are kept, so that a mutation rebuilds what depends on it
and nothing else. First all named tests run unmutated and must pass. Then, for each mutation, its texts are replaced
(each must occur exactly once), the tests are built (what does not compile is no mutation), and every named test must
fail. At the end the named tests must pass unmutated once more, so nothing was left behind. A line per mutation, then
`N passed, N failed`; exit 1 if any survived.

Not here, because nothing a contract speaks of changes: `delayed` judged after `max_p` has moved (a file's record is
older than the new `max_p` exactly if it is older than the former), and cents through a float that is then rounded (a
double holds every amount an event may have; sums, and floats that are cut, are here).

Python 3.11, standard library only.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLACE = ROOT / "target" / "mutations"
COPY = PLACE / "workspace"

# A test that runs longer than this has not failed, it hangs.
TEST_SECONDS_MAX = 120

MODEL = "engine/crates/model/src/"
PARSE = "engine/crates/parse/src/"
WINDOW = "engine/crates/window/src/"
LAKE = "engine/crates/lake/src/"
SOURCE = "engine/src/"

# Where tests live: package and target.
IN_MODEL = ("engine-model", "--lib")
IN_PARSE = ("engine-parse", "--lib")
IN_WINDOW = ("engine-window", "--lib")
CLAIMS = ("engine", "--test=claims")
COPIES = ("engine", "--test=copies")
CRASH = ("engine", "--test=crash")
RESTART = ("engine", "--test=restart")


@dataclass
class Mutation:
    """A break of the code: texts to replace, as (file, old, new), and the tests of which each must fail."""

    name: str
    edits: list[tuple[str, str, str]]
    where: tuple[str, str]
    tests: list[str]


# Ordered so that mutations of one crate follow each other and rebuild little.
MUTATIONS = [
    # Money, time, identifiers.
    Mutation(
        "float money: cents of an amount through a float",
        [(
            PARSE + "money.rs",
            "    Some(Cents::new(units * 100 + i64::from(cents)))",
            "    let _ = cents;\n"
            "    Some(Cents::new((std::str::from_utf8(text).ok()?.parse::<f64>().ok()? * 100.0) as i64))",
        )],
        IN_PARSE,
        ["tests::rules::money_is_read_from_its_text_to_the_cent"],
    ),
    Mutation(
        "tenths read as hundredths",
        [(PARSE + "money.rs", "[b'.', tenths] => digit(tenths)? * 10,", "[b'.', tenths] => digit(tenths)?,")],
        IN_PARSE,
        ["tests::rules::money_is_read_from_its_text_to_the_cent"],
    ),
    Mutation(
        "an event's offset from UTC taken with the other sign",
        [(
            PARSE + "time.rs",
            "Some(if sign == b'-' { -east } else { east })",
            "Some(if sign == b'-' { east } else { -east })",
        )],
        IN_PARSE,
        ["tests::rules::event_time_takes_rfc_3339_and_nothing_else"],
    ),
    Mutation(
        "fractions of a second rounded, not cut",
        [(
            PARSE + "time.rs",
            "    Some((micros, rest))",
            "    Some((micros + i64::from(fraction.get(6).is_some_and(|&digit| digit >= b'5')), rest))",
        )],
        IN_PARSE,
        ["tests::rules::event_time_takes_rfc_3339_and_nothing_else"],
    ),
    Mutation(
        "a minute of sixty seconds and more, in times as most programs write them",
        [(PARSE + "time.rs", "micros >= 60 * Micros::SECOND.get()", "micros > 99 * Micros::SECOND.get()")],
        IN_PARSE,
        ["tests::rules::event_time_with_six_digits_of_a_fraction_is_nothing_special"],
    ),
    # The tokens of a line.
    Mutation(
        "a backslash forgotten where a block ends",
        [(PARSE + "tokens.rs", "(self.escape, self.closing, self.scalar) = (escapes >> 63,", "(self.escape, self.closing, self.scalar) = (0,")],
        IN_PARSE,
        ["tests::tokens::strings_and_escapes_are_read_alike_wherever_a_block_ends"],
    ),
    Mutation(
        "control characters in a string let through",
        [(PARSE + "tokens.rs", "if (classes.controls & in_string & live) | (escapes", "if (escapes")],
        IN_PARSE,
        ["tests::tokens::what_stands_between_tokens_must_be_blank"],
    ),
    Mutation(
        "what follows a number not looked at",
        [(PARSE + "walk.rs", "ends.then_some(Value { kind, start, end })", "(ends || end > start).then_some(Value { kind, start, end })")],
        IN_PARSE,
        ["tests::tokens::what_stands_between_tokens_must_be_blank"],
    ),
    Mutation(
        "names taken by their place in the table alone",
        [(PARSE + "names.rs", "entry.slots[usize::from(differs == 0)]", "entry.slots[usize::from(differs == 0 || len > 0)]")],
        IN_PARSE,
        ["names::tests::names_are_found_as_by_comparing_them"],
    ),
    Mutation(
        "of a name given twice the first counts",
        [(
            PARSE + "walk.rs",
            "        self.present |= 1 << slot;",
            "        if self.present & 1 << slot != 0 {\n            return;\n        }\n        self.present |= 1 << slot;",
        )],
        IN_PARSE,
        ["tests::twin::the_parser_and_its_twin_read_every_line_alike"],
    ),
    Mutation(
        "the bound of future_event_time exclusive",
        [(
            PARSE + "record.rs",
            "Some(time) if time > rules.time_max.min(EventTime::EVENT_MAX) => {",
            "Some(time) if time >= rules.time_max.min(EventTime::EVENT_MAX) => {",
        )],
        IN_PARSE,
        ["tests::rules::an_event_may_be_as_late_as_the_limit_and_no_later"],
    ),
    Mutation(
        "a quotient rounded down",
        [(MODEL + "units.rs", "((2 * cents + count) / (2 * count)) as i64", "(cents / count) as i64")],
        IN_MODEL,
        ["units::tests::a_quotient_is_rounded_half_away_from_zero"],
    ),
    Mutation(
        "the end of a window inclusive",
        [(
            MODEL + "window.rs",
            "WindowId(local.div_euclid(self.length.0.get()))",
            "WindowId((local - 1).div_euclid(self.length.0.get()))",
        )],
        IN_MODEL,
        ["window::tests::windows_are_half_open_below_at_and_above"],
    ),
    Mutation(
        "windows by truncation",
        [(
            MODEL + "window.rs",
            "WindowId(local.div_euclid(self.length.0.get()))",
            "WindowId(local / self.length.0.get())",
        )],
        IN_MODEL,
        ["window::tests::windows_are_half_open_below_at_and_above"],
    ),
    Mutation(
        "--utc-offset taken with the other sign",
        [(
            MODEL + "window.rs",
            "let local = time.as_micros() + self.offset.as_micros().get();",
            "let local = time.as_micros() - self.offset.as_micros().get();",
        )],
        IN_MODEL,
        ["window::tests::an_offset_shifts_days_and_minutes"],
    ),
    Mutation(
        "date_key by UTC",
        [(
            MODEL + "window.rs",
            "(window.0 * self.length.0.get()).div_euclid(Micros::DAY.get())",
            "self.start(window).as_micros().div_euclid(Micros::DAY.get())",
        )],
        IN_MODEL,
        ["window::tests::an_offset_shifts_days_and_minutes"],
    ),
    Mutation(
        "minute_of_day by UTC",
        [(
            MODEL + "window.rs",
            "((window.0 * self.length.0.get()).rem_euclid(",
            "(self.start(window).as_micros().rem_euclid(",
        )],
        IN_MODEL,
        ["window::tests::an_offset_shifts_days_and_minutes"],
    ),
    Mutation(
        "a watermark at the end of a window does not pass it",
        [(MODEL + "units.rs", "        end.0 <= self.0.0\n", "        end.0 < self.0.0\n")],
        IN_MODEL,
        ["units::tests::a_watermark_passes_a_window_when_it_reaches_its_end"],
    ),
    Mutation(
        "long identifiers compared by their hash alone",
        [(
            MODEL + "text.rs",
            "return self.words[1] == other.words[1] && arena[self.arena_range()] == other_arena[other.arena_range()];",
            "let _ = (arena, other_arena);\n            return self.words[1] == other.words[1];",
        )],
        IN_MODEL,
        ["text::tests::a_hash_is_no_proof_two_long_texts_with_one_hash_stay_apart"],
    ),
    Mutation(
        "long identifiers compared by their first 16 bytes",
        [
            (
                MODEL + "text.rs",
                "return self.words[1] == other.words[1] && arena[self.arena_range()] == other_arena[other.arena_range()];",
                "return arena[self.arena_range()][..16] == other_arena[other.arena_range()][..16];",
            ),
            (
                MODEL + "text.rs",
                "    let mut hash = SEED ^ bytes.len() as u64;",
                "    let bytes = &bytes[..bytes.len().min(16)];\n    let mut hash = SEED ^ bytes.len() as u64;",
            ),
        ],
        COPIES,
        ["identifiers_equal_in_their_first_sixteen_bytes_are_different"],
    ),
    Mutation(
        "a UUID in upper case taken for the one in lower case",
        [(
            MODEL + "text.rs",
            "    let letters = word >> 6 & ONES;\n    let nibbles",
            "    let letters = word >> 6 & ONES;\n    let word = word | letters << 5;\n    let nibbles",
        )],
        COPIES,
        ["a_uuid_in_upper_case_or_without_hyphens_is_another_identifier"],
    ),
    Mutation(
        "data of customers counted as activity",
        [(
            MODEL + "event.rs",
            "!matches!(self, EventKind::Customer | EventKind::Product)",
            "!matches!(self, EventKind::Product)",
        )],
        CLAIMS,
        ["data_of_customers_and_products_is_no_activity"],
    ),
    Mutation(
        "a payment's session counted as one",
        [
            (
                PARSE + "record.rs",
                "        let customer = self.optional_text(Field::CustomerId, &ID_BYTES, &mut batch.arena)?;\n"
                "        let order = self.text(",
                "        let customer = self.optional_text(Field::CustomerId, &ID_BYTES, &mut batch.arena)?;\n"
                "        let session = self.optional_text(Field::SessionId, &ID_BYTES, &mut batch.arena)?;\n"
                "        let order = self.text(",
            ),
            (
                PARSE + "record.rs",
                "        event.amount = amount;\n",
                "        event.amount = amount;\n        event.set_session(session);\n",
            ),
            (
                WINDOW + "partial.rs",
                "            EventKind::PaymentSucceeded | EventKind::PaymentFailed => {\n",
                "            EventKind::PaymentSucceeded | EventKind::PaymentFailed => {\n"
                "                if !event.session().is_absent() {\n"
                "                    self.see_session(event, arena, tags, 0);\n"
                "                }\n",
            ),
        ],
        CLAIMS,
        ["a_session_named_by_a_payment_is_no_session"],
    ),
    # Progress of a partition.
    Mutation(
        "no lateness term",
        [(WINDOW + "progress.rs", "Watermark::trailing(self.max, self.lateness)", "Watermark::at(self.max)")],
        CLAIMS,
        ["a_record_is_in_time_while_the_watermark_trails_by_the_lateness"],
    ),
    Mutation(
        "late by the global instead of the partition's watermark",
        # Progress judges by what has been emitted, which files do not tell it; the shard then does by what it emitted.
        [(
            WINDOW + "progress.rs",
            "let is_late = event.watermark.max(arrival.emitted).passes(end);",
            "let is_late = arrival.emitted.passes(end);",
        )],
        CLAIMS,
        ["a_record_is_late_by_its_own_partitions_watermark_while_another_holds_the_global_one_back"],
    ),
    Mutation(
        "judged by the watermark after the record",
        [(
            WINDOW + "progress.rs",
            "event.watermark = self.watermark();",
            "event.watermark = Watermark::trailing(self.max.max(event.time), self.lateness);",
        )],
        CLAIMS,
        ["a_copy_is_judged_by_the_watermark_before_it_not_by_its_own_time"],
    ),
    Mutation(
        "observed window by event time",
        [(
            WINDOW + "progress.rs",
            """            event.observed = self.current.window;
            let ledger = &mut self.current.ledger;
            ledger.records += 1;
            ledger.late += u64::from(is_late);
            ledger.delayed += u64::from(is_delayed);
            // Ahead of the clock is no delay.
            self.current.delays.record((self.max - event.time).max(Micros::ZERO));
""",
            """            event.observed = self.base.containing(event.time);
            let mut own = QualityPartial::new(event.observed);
            own.ledger.records += 1;
            own.ledger.late += u64::from(is_late);
            own.ledger.delayed += u64::from(is_delayed);
            own.delays.record((self.max - event.time).max(Micros::ZERO));
            observed.push(own);
""",
        )],
        CLAIMS,
        ["quality_counts_a_record_in_the_window_being_observed_not_in_its_own"],
    ),
    Mutation(
        "a record as old as max_p counted as delayed",
        [
            (
                WINDOW + "progress.rs",
                "let is_delayed = event.time < self.max;",
                "let is_delayed = event.time <= self.max;",
            ),
            (WINDOW + "progress.rs", "if newest <= event.time &&", "if newest < event.time &&"),
        ],
        CLAIMS,
        ["a_record_as_old_as_the_newest_is_not_delayed"],
    ),
    Mutation(
        "late records not counted as delayed",
        [(
            WINDOW + "progress.rs",
            "ledger.delayed += u64::from(is_delayed);",
            "ledger.delayed += u64::from(is_delayed && !is_late);",
        )],
        CLAIMS,
        ["late_records_and_duplicates_count_as_delayed_too"],
    ),
    Mutation(
        "rejected lines before the first valid record lost",
        [(
            WINDOW + "progress.rs",
            "            self.current.window = window;",
            "            self.current = QualityPartial::new(window);",
        )],
        IN_WINDOW,
        ["tests::rejected_lines_count_where_max_p_stands_and_those_before_the_first_event_count_with_it"],
    ),
    Mutation(
        "a fast clock moves max_p of a live partition",
        [(
            WINDOW + "progress.rs",
            "self.max = self.max.max(event.time.min(time_max));",
            "self.max = self.max.max(event.time);\n            let _ = time_max;",
        )],
        IN_WINDOW,
        ["tests::a_fast_clock_makes_no_one_else_late_in_a_live_partition"],
    ),
    Mutation(
        "the rank of a percentile rounded down",
        [(
            WINDOW + "delay.rs",
            "let rank = (self.count * percent).div_ceil(100);",
            "let rank = self.count * percent / 100;",
        )],
        IN_WINDOW,
        ["delay::tests::percentiles_are_the_rounded_ones_of_the_sorted_delays"],
    ),
    # Duplicates.
    Mutation(
        "a duplicate counted",
        [(
            WINDOW + "shard.rs",
            "            return Outcome::Duplicate(former);\n",
            "            if let Ok(index) = position(&self.windows, former, WindowPartial::window) {\n"
            "                self.windows[index].add(event, tags, batch, &mut self.scratch);\n"
            "            }\n"
            "            return Outcome::Duplicate(former);\n",
        )],
        CLAIMS,
        ["a_duplicate_counts_in_no_figure"],
    ),
    Mutation(
        "a duplicate accepted",
        [(
            WINDOW + "shard.rs",
            "            run.duplicates += 1;\n            return Outcome::Duplicate(former);\n",
            "            run.duplicates += 0;\n            let _ = former;\n",
        )],
        COPIES,
        ["an_equal_copy_nearby_is_a_duplicate"],
    ),
    Mutation(
        "shard-local watermark",
        [
            (
                WINDOW + "shard.rs",
                "    emitted: Watermark,\n    scratch: Scratch,\n",
                "    emitted: Watermark,\n    scratch: Scratch,\n"
                "    max: engine_model::EventTime,\n    lateness: engine_model::Micros,\n",
            ),
            (
                WINDOW + "shard.rs",
                "            emitted: Watermark::NONE,\n",
                "            emitted: Watermark::NONE,\n"
                "            max: engine_model::EventTime::MIN,\n            lateness: semantics.lateness(),\n",
            ),
            (
                WINDOW + "shard.rs",
                "let bound = event.watermark.max(self.emitted).get();",
                "let bound = Watermark::trailing(self.max, self.lateness).max(self.emitted).get();\n"
                "            self.max = self.max.max(event.time);",
            ),
        ],
        CLAIMS,
        ["a_duplicate_is_judged_by_its_own_partitions_watermark_whatever_else_its_shard_has_seen"],
    ),
    Mutation(
        "identifiers forgotten at a partition's watermark, not at emission",
        [(
            WINDOW + "shard.rs",
            "let bound = event.watermark.max(self.emitted).get();",
            "let bound = event.watermark.max(self.emitted).get();\n            self.dedup.forget(bound);",
        )],
        CLAIMS,
        ["a_duplicate_is_judged_by_its_own_partitions_watermark_whatever_else_its_shard_has_seen"],
    ),
    Mutation(
        "duplicates judged by what is emitted alone",
        [(
            WINDOW + "shard.rs",
            "let bound = event.watermark.max(self.emitted).get();",
            "let bound = self.emitted.get();",
        )],
        COPIES,
        ["a_second_differing_copy_counts_only_from_a_partition_whose_watermark_has_passed_the_window_of_the_first"],
    ),
    Mutation(
        "a copy at the end of the first one's window a duplicate",
        [
            (
                WINDOW + "dedup.rs",
                "            if self.base.end(former.from(*origin)) > bound {\n",
                "            if self.base.end(former.from(*origin)) >= bound {\n",
            ),
            (
                WINDOW + "dedup.rs",
                "(self.base.end(former) > bound).then_some(former)",
                "(self.base.end(former) >= bound).then_some(former)",
            ),
            (
                WINDOW + "dedup.rs",
                "self.base.end(generation.last) > bound",
                "self.base.end(generation.last) >= bound",
            ),
        ],
        COPIES,
        ["a_differing_copy_is_a_duplicate_until_the_watermark_reaches_the_end_of_the_firsts_window"],
    ),
    Mutation(
        "the window of an identifier accepted again not renewed",
        [(WINDOW + "dedup.rs", "            *former = offset;\n", "")],
        COPIES,
        ["an_identifier_may_be_accepted_again_as_often_as_its_window_has_passed"],
    ),
    Mutation(
        "a record of an emitted window accepted",
        [(WINDOW + "shard.rs", "if self.emitted.passes(end) {", "if false {")],
        IN_WINDOW,
        ["tests::what_is_emitted_stays_emitted_for_a_partition_that_comes_back"],
    ),
    # Figures of a window.
    Mutation(
        "the mask of the first stage wrong",
        [(WINDOW + "partial.rs", "self.see_session(event, arena, tags, 1);", "self.see_session(event, arena, tags, 2);")],
        CLAIMS,
        ["a_session_is_in_the_stages_of_its_own_events_and_in_no_other"],
    ),
    Mutation(
        "a session kept in its last stage only",
        [(
            WINDOW + "sessions.rs",
            "                        known.value |= entry.value;\n",
            "                        known.value = entry.value;\n",
        )],
        CLAIMS,
        ["a_session_is_in_the_stages_of_its_own_events_and_in_no_other"],
    ),
    Mutation(
        "an order counted for each of its items of a product",
        [(
            WINDOW + "partial.rs",
            "            if add_once(product_places, place(product)) {\n",
            "            if add_once(product_places, place(product)) || true {\n",
        )],
        CLAIMS,
        ["an_order_counts_once_for_a_category_and_a_product_however_many_of_its_items_name_them"],
    ),
    Mutation(
        "an order counted for each of its items that name a category",
        [(WINDOW + "partial.rs", "            add_once(places, place(index));\n", "            places.push(place(index));\n")],
        CLAIMS,
        ["an_order_counts_once_for_a_category_and_a_product_however_many_of_its_items_name_them"],
    ),
    Mutation(
        "an order counted for each of its items that resolve to a category",
        [(
            WINDOW + "partial.rs",
            "                if add_once(&mut distinct, place) {\n",
            "                if add_once(&mut distinct, place) || true {\n",
        )],
        IN_WINDOW,
        ["tests::an_order_counts_once_for_a_category_however_its_items_resolve"],
    ),
    Mutation(
        "a product seen only at checkout lost",
        [(WINDOW + "partial.rs", "self.product(event, arena, tags);", "")],
        CLAIMS,
        ["a_product_seen_only_at_checkout_has_a_row"],
    ),
    Mutation(
        "failed payments counted in paid_revenue",
        [(
            WINDOW + "partial.rs",
            "            sums.paid_revenue.add(event.amount);\n        } else {\n",
            "            sums.paid_revenue.add(event.amount);\n        } else {\n"
            "            sums.paid_revenue.add(event.amount);\n",
        )],
        CLAIMS,
        ["a_failed_payment_pays_nothing"],
    ),
    Mutation(
        "category from the final catalogue",
        # Versions of windows still to be closed are there when an earlier one is resolved.
        [
            (
                WINDOW + "partial.rs",
                "    unresolved: Unresolved,\n    products: Dimension,\n",
                "    unresolved: Unresolved,\n    pub(crate) products: Dimension,\n",
            ),
            (
                WINDOW + "merge.rs",
                "        self.assert_open(partial.window());\n",
                "        self.assert_open(partial.window());\n        self.catalogue.merge(&partial.products);\n",
            ),
        ],
        CLAIMS,
        ["an_item_takes_the_category_its_product_had_before_the_end_of_its_window"],
    ),
    Mutation(
        "of versions at one time the least event_id",
        [(
            WINDOW + "dimension.rs",
            "known.event_id.compare(&self.arena, &version.event_id, arena)",
            "version.event_id.compare(arena, &known.event_id, &self.arena)",
        )],
        IN_WINDOW,
        ["dimension::tests::the_newest_version_stays_and_replaced_texts_do_not_pile_up"],
    ),
    # Sums, ranks, rates.
    Mutation(
        "float money: sums of cents as a double",
        [(
            WINDOW + "totals.rs",
            "        self.0 = (self.0 + cents.get()).min(MoneySum::STOPPED);",
            "        self.0 = ((self.0 as f64 + cents.get() as f64) as i64).min(MoneySum::STOPPED);",
        )],
        CLAIMS,
        ["cents_are_exact_from_the_line_to_the_table"],
    ),
    Mutation(
        "float money: sums in units of the currency",
        [(
            WINDOW + "totals.rs",
            "        self.0 = (self.0 + cents.get()).min(MoneySum::STOPPED);",
            "        self.0 = (((self.0 as f64 / 100.0 + cents.get() as f64 / 100.0) * 100.0) as i64).min(MoneySum::STOPPED);",
        )],
        CLAIMS,
        ["cents_are_exact_from_the_line_to_the_table"],
    ),
    Mutation(
        "ranks by shard",
        # The order of products and categories is that of the sums of the first shard handed over.
        [
            (
                WINDOW + "totals.rs",
                "    pub(crate) units: u64,\n    pub(crate) revenue: MoneySum,\n}\n\nimpl Sold {\n",
                "    pub(crate) units: u64,\n    pub(crate) revenue: MoneySum,\n    pub(crate) of_one_shard: MoneySum,\n}\n\n"
                "impl Sold {\n",
            ),
            (
                WINDOW + "totals.rs",
                "    pub(crate) fn merge(&mut self, other: &Sold) {\n",
                "    pub(crate) fn merge(&mut self, other: &Sold) {\n"
                "        if self.orders == 0 && self.units == 0 {\n"
                "            self.of_one_shard = other.of_one_shard;\n"
                "        }\n",
            ),
            (
                WINDOW + "totals.rs",
                "        self.revenue.add(revenue);\n",
                "        self.revenue.add(revenue);\n        self.of_one_shard.add(revenue);\n",
            ),
            (
                WINDOW + "totals.rs",
                "(std::cmp::Reverse(sold.revenue.get()), ",
                "(std::cmp::Reverse(sold.of_one_shard.get()), ",
            ),
            (
                WINDOW + "state.rs",
                "revenue: MoneySum::decode(from)? })\n",
                "revenue: MoneySum::decode(from)?, ..Sold::default() })\n",
            ),
        ],
        CLAIMS,
        ["ranks_are_those_of_the_merged_window_not_of_a_shard"],
    ),
    Mutation(
        "ties in revenue broken by the key alone",
        [(
            WINDOW + "totals.rs",
            "(std::cmp::Reverse(sold.revenue.get()), std::cmp::Reverse(sold.units))",
            "std::cmp::Reverse(sold.revenue.get())",
        )],
        IN_WINDOW,
        ["tests::a_tie_in_revenue_is_broken_by_units_and_then_by_the_bytes_of_the_key"],
    ),
    Mutation(
        "conversion of all sessions, not of those with a view",
        [(WINDOW + "totals.rs", "            rate(orders, views),\n", "            rate(orders, views.max(sessions)),\n")],
        CLAIMS,
        ["a_session_is_in_the_stages_of_its_own_events_and_in_no_other"],
    ),
    Mutation(
        "payments succeeded divided by those that failed",
        [(
            WINDOW + "totals.rs",
            "rate(sums.payments_succeeded, sums.payments_succeeded + sums.payments_failed),",
            "rate(sums.payments_succeeded, sums.payments_failed),",
        )],
        CLAIMS,
        ["a_failed_payment_pays_nothing"],
    ),
    # Rollups.
    Mutation(
        "distinct customers summed in a rollup",
        # Each base window's customers go in under names of their own, so a rollup counts the sum.
        [(
            WINDOW + "merge.rs",
            "            open.totals.customers.absorb(&totals.customers, ",
            "            let mut apart = totals.clone();\n"
            "            apart.customers = Default::default();\n"
            "            for place in 0..totals.customers.len() {\n"
            "                let own = engine_model::Text::in_place(format!(\"{}-{place}\", window.0).as_bytes());\n"
            "                apart.customers.entry_or_insert_with(&own.expect(\"a short name\"), &[], || ());\n"
            "            }\n"
            "            open.totals.customers.absorb(&apart.customers, ",
        )],
        IN_WINDOW,
        ["tests::a_rollup_counts_distinct_customers_and_sessions_once"],
    ),
    Mutation(
        "distinct sessions summed in a rollup",
        [(
            WINDOW + "sessions.rs",
            "            self.entries.extend_from_slice(&other.entries);\n",
            "            self.entries.extend_from_slice(&other.entries);\n"
            "            self.distinct = self.entries.len();\n",
        )],
        CLAIMS,
        ["a_rollup_counts_a_session_once_in_figures_and_funnel"],
    ),
    Mutation(
        "customer_activity per window, not per day",
        [(
            WINDOW + "text_map.rs",
            "if self.entry_or_insert_with(&text, &other.arena, || ()).1 {",
            "if self.entry_or_insert_with(&text, &other.arena, || ()).1 || true {",
        )],
        CLAIMS,
        ["a_customer_has_one_row_of_activity_a_day_in_the_first_window_of_that_day"],
    ),
    Mutation(
        "a rollup closed one base window early",
        [(
            WINDOW + "merge.rs",
            "let end = grains[index + 1].end(open.as_ref()?.window);",
            "let end = grains[index + 1].end(open.as_ref()?.window) - grains[0].length().get();",
        )],
        CLAIMS,
        ["a_rollup_closes_with_its_last_base_window_neither_before_nor_after_and_once"],
    ),
    Mutation(
        "a rollup closed one base window late",
        [(
            WINDOW + "merge.rs",
            "let end = grains[index + 1].end(open.as_ref()?.window);",
            "let end = grains[index + 1].end(open.as_ref()?.window) + grains[0].length().get();",
        )],
        CLAIMS,
        ["a_rollup_closes_with_its_last_base_window_neither_before_nor_after_and_once"],
    ),
    # Commits and restarts.
    Mutation(
        "after a restart duplicates of open windows are taken for accepted",
        [(
            SOURCE + "source/replay.rs",
            "                && !excluded(event.offset, false)\n",
            "",
        )],
        CRASH,
        ["a_run_that_dies_at_a_named_step_is_made_whole_by_the_next"],
    ),
    Mutation(
        "after a restart open windows begin without what they had",
        [(SOURCE + "source/replay.rs", "    stand.replay.map_or(stand.offset, |replay| replay.offset)", "    stand.offset")],
        CRASH,
        ["a_run_that_dies_at_a_named_step_is_made_whole_by_the_next"],
    ),
    Mutation(
        "the increments of the state log are left out at a restart",
        [(SOURCE + "run.rs", "if index == 0 { merger.restore(frame) } else { merger.apply(frame) };", "if index == 0 { merger.restore(frame) } else { Ok(()) };")],
        CRASH,
        ["a_run_that_dies_at_a_named_step_is_made_whole_by_the_next"],
    ),
    Mutation(
        "a commit that is recorded is not shown by the next run",
        [(LAKE + "writer.rs", "            lake.show(&file.name, &file.place)?;\n", "")],
        CRASH,
        ["a_run_that_dies_at_a_named_step_is_made_whole_by_the_next"],
    ),
    Mutation(
        "a record of a window that an earlier run has emitted is in time",
        [(SOURCE + "source.rs", "let arrival = Arrival { emitted: self.emitted, received: None };", "let arrival = Arrival::REPLAY;")],
        RESTART,
        ["records_of_windows_that_an_earlier_run_has_emitted_are_late_and_it_is_said"],
    ),
]


def copy_workspace() -> None:
    """Brings the copy to the state of the workspace; files that are the same keep their time, so nothing is rebuilt."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode().split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for path in [path for path in COPY.rglob("*") if path.is_file()] if COPY.exists() else []:
        if str(path.relative_to(COPY)) not in wanted:
            path.unlink()
    for name in wanted:
        content, target = (ROOT / name).read_bytes(), COPY / name
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def cargo_test(where: tuple[str, str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    package, target = where
    command = [
        "cargo", "test", "-j1", "--config", 'profile.dev.package."*".opt-level=0',
        "--package", package, target, *arguments,
    ]  # fmt: skip
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(PLACE / "target"),
        # Built once and run for a moment, so the time goes into compiling.
        "CARGO_PROFILE_DEV_OPT_LEVEL": "0",
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "CARGO_INCREMENTAL": "1",
        "CARGO_TERM_COLOR": "never",
        "RUST_BACKTRACE": "0",
    }
    for inherited in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]:
        environment.pop(inherited, None)
    return subprocess.run(
        command, cwd=COPY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=None if "--no-run" in arguments else TEST_SECONDS_MAX,
    )  # fmt: skip


def run_tests(where: tuple[str, str], tests: list[str]) -> tuple[dict[str, str], str]:
    """What became of each test: `ok`, `FAILED`, `hangs` or `was not run`; and what was printed."""
    try:
        run = cargo_test(where, ["--", "--exact", *tests])
    except subprocess.TimeoutExpired:
        return dict.fromkeys(tests, "hangs"), ""
    # A test that prints in the middle of its line still ends it with the word.
    results = dict(re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)$", run.stdout, re.MULTILINE))
    return {test: results.get(test, "was not run") for test in tests}, run.stdout


def build(where: tuple[str, str]) -> str | None:
    """Compiles the tests; what the compiler says where it refuses."""
    run = cargo_test(where, ["--no-run"])
    return None if run.returncode == 0 else run.stdout


def try_mutation(mutation: Mutation, verbose: bool) -> str | None:
    """Why the mutation is not caught, if it is not."""
    originals: dict[Path, bytes] = {}
    try:
        for file, old, new in mutation.edits:
            path = COPY / file
            content = path.read_bytes()
            originals.setdefault(path, content)
            count = content.count(old.encode())
            if count != 1:
                return f"the text to replace occurs {count} times in {file}: {old.strip()!r}"
            path.write_bytes(content.replace(old.encode(), new.encode()))
        if errors := build(mutation.where):
            return "does not compile\n" + errors
        results, printed = run_tests(mutation.where, mutation.tests)
        if verbose:
            print(printed)
        survived = [f"{test} {result}" for test, result in results.items() if result != "FAILED"]
        return "survived: " + ", ".join(survived) + "\n" + printed if survived else None
    finally:
        # Written anew, not with its old time: cargo compares times.
        for path, content in originals.items():
            path.write_bytes(content)


def check_unmutated(mutations: list[Mutation]) -> bool:
    """Runs every named test on the code as it is."""
    named: dict[tuple[str, str], set[str]] = {}
    for mutation in mutations:
        named.setdefault(mutation.where, set()).update(mutation.tests)
    is_sound = True
    for where, tests in named.items():
        if errors := build(where):
            print(errors)
            return False
        results, printed = run_tests(where, sorted(tests))
        wrong = {test: result for test, result in results.items() if result != "ok"}
        is_sound &= not wrong
        for test, result in wrong.items():
            print(f"unmutated: {' '.join(where)} {test}: {result}\n{printed}")
    return is_sound


def stale_texts(mutations: list[Mutation]) -> list[str]:
    """The texts that do not occur exactly once in the sources any more, before anything is built."""
    sources = {file: (ROOT / file).read_text() for m in mutations for file, _, _ in m.edits}
    return [
        f"{m.name}: the text to replace occurs {sources[file].count(old)} times in {file}: {old.strip()!r}"
        for m in mutations
        for file, old, _ in m.edits
        if sources[file].count(old) != 1
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("words", nargs="*", help="run only mutations whose name contains one of these")
    parser.add_argument("--verbose", action="store_true", help="print what each failing test said")
    parser.add_argument("--list", action="store_true", help="print the mutations and their tests")
    parser.add_argument("--check", action="store_true", help="only look whether the texts to replace are there")
    arguments = parser.parse_args()
    mutations = [m for m in MUTATIONS if not arguments.words or any(word in m.name for word in arguments.words)]
    if arguments.list:
        for mutation in mutations:
            print(f"{mutation.name}\n    {' '.join(mutation.where)} {' '.join(mutation.tests)}")
        return 0
    stale = stale_texts(mutations)
    if stale or arguments.check:
        print("\n".join(stale) or f"{len(mutations)} mutations: all texts to replace are there")
        return 1 if stale else 0
    start = time.monotonic()
    copy_workspace()
    if not check_unmutated(mutations):
        print("the tests must pass before they can tell anything", flush=True)
        return 1
    print(f"unmutated: all named tests pass ({time.monotonic() - start:.0f} s)", flush=True)
    failed = 0
    for mutation in mutations:
        begin = time.monotonic()
        trouble = try_mutation(mutation, arguments.verbose)
        failed += trouble is not None
        what = f"caught by {', '.join(mutation.tests)}" if trouble is None else f"NOT CAUGHT: {trouble}"
        print(f"{mutation.name}: {what} ({time.monotonic() - begin:.1f} s)", flush=True)
    if not check_unmutated(mutations):
        print("the tests do not pass any more: a mutation was left behind")
        failed += 1
    print(f"{len(mutations) - failed} passed, {failed} failed ({time.monotonic() - start:.0f} s)")
    return 1 if failed or not mutations else 0


if __name__ == "__main__":
    sys.exit(main())
