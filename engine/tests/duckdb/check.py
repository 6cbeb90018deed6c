#!/usr/bin/env python3
"""Recomputes every Gold table from the JSON Lines with SQL in DuckDB and compares it with a lake, row by row.

    check.py --lake LAKE --input events-a.jsonl --input events-b.jsonl.gz --window 60s --rollup 1h,1d

The SQL follows the contract, not the engine: no state machine, no shard, no watermark that moves. Lateness is a
window function over each file, windows are GROUP BYs, rollups are computed from the accepted events again instead of
being added up. Rows are compared as multisets in both directions with EXCEPT ALL: money exactly as DECIMAL, counts
exactly, rates as equal DOUBLEs. Prints a line for each table and at the end `N passed, 0 failed`; the exit code is 1
where a table differs, and 2 where the input is one that this check cannot judge.

Two places are not plain SQL or not plain equality:

- Python cuts the files into lines (and undoes gzip, the byte order mark and CRLF); everything after that is SQL.
- Whether a record is a duplicate depends on the verdicts before it. A recursive query goes through the copies of each
  repeated `event_id`, one step a copy. In time copies of an id in different files must be equal: then they share their
  window, so that the first is accepted and all others are duplicates, in whatever order the files were read. Copies
  that differ are judged in their file's order. Copies that differ and lie in different files are refused: the contract
  lets any of them count.
- Which one of equal copies in different files was accepted shows in `quality`, where either answer is right. There
  `accepted + duplicates` is compared exactly in each window, `accepted` and `duplicates` within the bounds that these
  ids leave, and exactly over all windows. Without such ids the comparison is exact.

`delay_max_ms` is compared exactly, `delay_p50_ms` and `delay_p99_ms` with the neighbouring values of their rank, to
three significant digits.

Left to the oracle: what DuckDB's JSON functions do not show. They take trailing commas, NaN and Infinity, any depth of
nesting and the first of a repeated name; they give numbers without their original text, so that a price of `1e2` or
`1.500` or a time of `-0` passes here; and of a record that breaks several rules they need not find the one that the
engine names. Also left out: sums beyond the greatest DECIMAL(18,2), window starts before 1970, live sources, layers
other than Gold, and Delta tables.
"""

import argparse
import gzip
import json
import sys
import time
from pathlib import Path

import duckdb
import pyarrow

from gold_tables import EVERY_GRAIN, grain_name, minutes_of, rollups_of, seconds_of, tables_of

DIFFERENCES_SHOWN = 5

# The options that the SQL below asks for by name, and words that it is written in.
WORDS = r"""
CREATE MACRO day_us() AS 86400000000;
-- The start of the window of some length that holds an instant. `//` cuts towards zero; instants here are past 1970.
CREATE MACRO start_of(instant, length) AS
    ((instant + option('utc_offset_us')) // length) * length - option('utc_offset_us');
CREATE MACRO date_key(instant) AS
    strftime(make_timestamp(instant + option('utc_offset_us')), '%Y%m%d')::INTEGER;
CREATE MACRO minute_of_day(instant) AS
    (((instant + option('utc_offset_us')) % day_us()) // 60000000)::INTEGER;
CREATE MACRO dollars(cents) AS (cents::DECIMAL(36, 2) / 100)::DECIMAL(18, 2);

-- Money as cents, or null where a JSON value is none. `kind` is its JSON type, `value` its text.
CREATE MACRO cents_of(kind, value) AS CASE
    WHEN kind IN ('VARCHAR', 'UBIGINT', 'DOUBLE') AND regexp_full_match(value, '[0-9]+(\.[0-9]{1,2})?')
        AND value::DECIMAL(38, 2) <= 9999999999.99
    THEN (value::DECIMAL(38, 2) * 100)::BIGINT END;

-- An instant in microseconds since 1970, or null where a JSON value is none. Too big for BIGINT on purpose, so that an
-- instant past the type's end stays one.
CREATE MACRO instant_of(kind, value) AS CASE
    WHEN kind <> 'VARCHAR' AND regexp_full_match(value, '0|[1-9][0-9]*')
    THEN value::HUGEINT * 1000
    WHEN kind = 'VARCHAR' AND regexp_full_match(value,
        '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?'
        || '([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])')
    THEN date_diff('day', DATE '1970-01-01', TRY_CAST(value[1:10] AS DATE))::HUGEINT * day_us()
        + value[12:13]::BIGINT * 3600000000 + value[15:16]::BIGINT * 60000000 + value[18:19]::BIGINT * 1000000
        + rpad(regexp_extract(value, '\.([0-9]{1,6})', 1), 6, '0')::BIGINT
        - CASE WHEN upper(value[-1:]) = 'Z' THEN 0
            ELSE (value[-6:-6] || '1')::BIGINT * (value[-5:-4]::BIGINT * 60 + value[-2:]::BIGINT) * 60000000 END
    END;
"""

# Section 1: every line becomes a valid event or a rejection. `lines` holds partition, line, raw.
PARSING = r"""
-- The rules of section 1. `least` and `most` bound the length of strings in bytes.
CREATE TABLE rules (event_type VARCHAR, field VARCHAR, required BOOLEAN, form VARCHAR, least INT, most INT);
INSERT INTO rules
SELECT t.event_type, r.* FROM (VALUES ('click'), ('order'), ('payment'), ('customer'), ('product')) t(event_type),
    (VALUES ('event_id', true, 'string', 1, 64), ('event_time', true, 'instant', 0, 0)) r;
INSERT INTO rules VALUES
    ('click', 'session_id', true, 'string', 1, 64),
    ('click', 'customer_id', false, 'string', 1, 64),
    ('click', 'action', true, 'view|add_to_cart|checkout', 0, 0),
    ('click', 'product_id', null, 'string', 1, 64),  -- required unless the action is `checkout`
    ('order', 'order_id', true, 'string', 1, 64),
    ('order', 'session_id', false, 'string', 1, 64),
    ('order', 'customer_id', true, 'string', 1, 64),
    ('order', 'currency', true, 'currency', 0, 0),
    ('order', 'total', true, 'money', 0, 0),
    ('order', 'items', true, 'items', 0, 0),
    ('payment', 'payment_id', true, 'string', 1, 64),
    ('payment', 'order_id', true, 'string', 1, 64),
    ('payment', 'customer_id', false, 'string', 1, 64),
    ('payment', 'method', true, 'string', 1, 32),
    ('payment', 'amount', true, 'money', 0, 0),
    ('payment', 'currency', true, 'currency', 0, 0),
    ('payment', 'status', true, 'succeeded|failed', 0, 0),
    ('payment', 'failure_reason', false, 'string', 1, 64),
    ('customer', 'customer_id', true, 'string', 1, 64),
    ('customer', 'country', false, 'string', 0, 64),
    ('customer', 'segment', false, 'string', 0, 64),
    ('product', 'product_id', true, 'string', 1, 64),
    ('product', 'name', true, 'string', 1, 200),
    ('product', 'category', true, 'string', 1, 64),
    ('product', 'price', true, 'money', 0, 0),
    ('item', 'product_id', true, 'string', 1, 64),
    ('item', 'quantity', true, 'quantity', 0, 0),
    ('item', 'unit_price', true, 'money', 0, 0),
    ('item', 'category', false, 'string', 1, 64);

-- The rejection of one field, or null. `kind` is null where the field is absent.
CREATE MACRO verdict(rule_form, least, most, required, kind, value) AS CASE
    WHEN kind IS NULL THEN CASE WHEN required THEN 'missing_field' END
    WHEN kind = 'NULL' THEN CASE WHEN required THEN 'invalid_field' END
    WHEN rule_form = 'money' THEN CASE WHEN cents_of(kind, value) IS NULL THEN 'invalid_field' END
    WHEN rule_form = 'quantity' THEN CASE
        WHEN kind <> 'UBIGINT' OR value::HUGEINT NOT BETWEEN 1 AND 10000 THEN 'invalid_field' END
    WHEN rule_form = 'items' THEN CASE
        WHEN kind <> 'ARRAY' OR json_array_length(value) NOT BETWEEN 1 AND 100 THEN 'invalid_field' END
    WHEN rule_form = 'instant' THEN CASE
        WHEN instant_of(kind, value) IS NULL OR instant_of(kind, value) < 0 THEN 'invalid_field'
        WHEN instant_of(kind, value) > option('future_us') THEN 'future_event_time' END
    WHEN kind <> 'VARCHAR' THEN 'invalid_field'
    WHEN rule_form = 'string' THEN CASE WHEN strlen(value) NOT BETWEEN least AND most THEN 'invalid_field' END
    WHEN rule_form = 'currency' THEN CASE WHEN value <> option_text('currency') THEN 'currency_mismatch' END
    WHEN NOT list_contains(string_split(rule_form, '|'), value) THEN 'invalid_field'
    END;

CREATE TABLE texts AS
SELECT partition, line, octet_length(raw) AS bytes, TRY(decode(raw)) AS text FROM lines;

-- Blank lines are no records.
CREATE TABLE records AS
SELECT *, CASE
    WHEN bytes > 65536 THEN 'too_large'
    WHEN text IS NULL THEN 'invalid_utf8'
    WHEN NOT json_valid(text) THEN 'malformed_json'
    END AS unreadable
FROM texts WHERE text IS NULL OR NOT regexp_full_match(text, '[ \t]*');

CREATE TABLE objects AS
SELECT partition, line, text, json_type(text) AS kind,
    json_type(text, '$.event_type') AS type_kind, json_extract_string(text, '$.event_type') AS event_type,
    json_extract_string(text, '$.action') AS action
FROM records WHERE unreadable IS NULL;

-- One row for each field that a record's type looks at.
CREATE TABLE fields AS
WITH looked_at AS (
    SELECT o.partition, o.line, r.*, coalesce(r.required, o.action <> 'checkout', true) AS needed,
        json_type(o.text, '$.' || r.field) AS kind, json_extract_string(o.text, '$.' || r.field) AS found
    FROM objects o JOIN rules r USING (event_type)
    WHERE o.kind = 'OBJECT' AND o.type_kind = 'VARCHAR')
SELECT partition, line, event_type, field, kind, CASE WHEN kind <> 'NULL' THEN found END AS value,
    verdict(form, least, most, needed, kind, found) AS reason
FROM looked_at;

CREATE TABLE raw_items AS
SELECT partition, line, unnest(range(len(elements))) AS item, unnest(elements) AS text FROM (
    SELECT partition, line, json_extract(value, '$[*]') AS elements
    FROM fields WHERE field = 'items' AND kind = 'ARRAY' AND reason IS NULL);

CREATE TABLE item_fields AS
SELECT i.partition, i.line, i.item, r.field, kind, CASE WHEN kind <> 'NULL' THEN found END AS value,
    CASE WHEN json_type(i.text) <> 'OBJECT' THEN 'invalid_field'
        ELSE verdict(r.form, r.least, r.most, r.required, kind, found) END AS reason
FROM raw_items i, rules r,
    LATERAL (SELECT json_type(i.text, '$.' || r.field) AS kind, json_extract_string(i.text, '$.' || r.field) AS found)
WHERE r.event_type = 'item';

-- A record that breaks several rules gets the first by name here; the inputs made for this check break one at most.
CREATE TABLE rejected AS
SELECT partition, line, min(reason) AS reason FROM (
    SELECT partition, line, unreadable AS reason FROM records
    UNION ALL
    SELECT partition, line, CASE
        WHEN kind <> 'OBJECT' THEN 'not_an_object'
        WHEN type_kind IS NULL THEN 'missing_field'
        WHEN type_kind <> 'VARCHAR' THEN 'invalid_field'
        WHEN event_type NOT IN (SELECT event_type FROM rules WHERE event_type <> 'item') THEN 'unknown_event_type'
        END FROM objects
    UNION ALL SELECT partition, line, reason FROM fields
    UNION ALL SELECT partition, line, reason FROM item_fields)
WHERE reason IS NOT NULL GROUP BY ALL;

CREATE TABLE items AS
SELECT partition, line, item,
    max(value) FILTER (field = 'product_id') AS product_id,
    max(value) FILTER (field = 'category') AS category,
    max(TRY_CAST(value AS BIGINT)) FILTER (field = 'quantity') AS quantity,
    max(cents_of(kind, value)) FILTER (field = 'unit_price') AS unit_cents
FROM item_fields ANTI JOIN rejected USING (partition, line)
GROUP BY ALL;

CREATE TABLE valid AS
SELECT partition, line, event_type,
    max(value) FILTER (field = 'event_id') AS event_id,
    max(instant_of(kind, value)) FILTER (field = 'event_time')::BIGINT AS time_us,
    max(value) FILTER (field = 'session_id') AS session_id,
    max(value) FILTER (field = 'customer_id') AS customer_id,
    max(value) FILTER (field = 'product_id') AS product_id,
    max(value) FILTER (field = 'order_id') AS order_id,
    max(value) FILTER (field = 'payment_id') AS payment_id,
    max(value) FILTER (field = 'action') AS action,
    max(value) FILTER (field = 'method') AS method,
    max(value) FILTER (field = 'status') AS status,
    max(value) FILTER (field = 'failure_reason') AS failure_reason,
    max(value) FILTER (field = 'name') AS name,
    max(value) FILTER (field = 'category') AS category,
    max(value) FILTER (field = 'country') AS country,
    max(value) FILTER (field = 'segment') AS segment,
    max(cents_of(kind, value)) FILTER (field IN ('total', 'amount', 'price')) AS cents
FROM fields ANTI JOIN rejected USING (partition, line)
GROUP BY ALL;
"""

# Section 2: what becomes of each record.
JUDGING = r"""
-- max_p before a record and once it is read, over the valid records of its partition.
CREATE TABLE timed AS
SELECT *, time_us < before_us AS delayed, end_us <= before_us - option('lateness_us') AS late FROM (
    SELECT *, start_of(time_us, option('window_us')) + option('window_us') AS end_us,
        max(time_us) OVER (PARTITION BY partition ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS before_us,
        max(time_us) OVER (PARTITION BY partition ORDER BY line) AS after_us
    FROM valid);

-- The copies of ids that come in time more than once, numbered in an order in which they may have been read.
CREATE TABLE copies AS
SELECT partition, line, event_id, end_us, before_us - option('lateness_us') AS watermark_us,
    row_number() OVER (PARTITION BY event_id ORDER BY partition, line) AS number
FROM (SELECT *, count(*) OVER (PARTITION BY event_id) AS copies FROM timed WHERE late IS NOT TRUE)
WHERE copies > 1;

-- A copy is a duplicate where an accepted one before it lies in a window that ends after the watermark. Of the
-- accepted ones the latest end decides, so that it is all there is to remember.
CREATE TABLE judged_copies AS
WITH RECURSIVE steps AS (
    SELECT partition, line, event_id, number, false AS duplicate, end_us AS accepted_end_us FROM copies WHERE number = 1
    UNION ALL
    SELECT c.partition, c.line, c.event_id, c.number,
        coalesce(s.accepted_end_us > c.watermark_us, true),
        CASE WHEN coalesce(s.accepted_end_us > c.watermark_us, true) THEN s.accepted_end_us
            ELSE greatest(s.accepted_end_us, c.end_us) END
    FROM steps s JOIN copies c ON c.event_id = s.event_id AND c.number = s.number + 1)
SELECT partition, line, duplicate FROM steps;

CREATE TABLE judged AS
SELECT t.*, CASE WHEN late THEN 'late' WHEN c.duplicate THEN 'duplicate' ELSE 'accepted' END AS outcome
FROM timed t LEFT JOIN judged_copies c USING (partition, line);

-- The records of which one of several may be the accepted one: the first in time of each file, for ids in several.
CREATE TABLE undecided AS
SELECT partition, line FROM (
    SELECT partition, line, row_number() OVER (PARTITION BY event_id, partition ORDER BY line) AS number,
        min(partition) OVER (PARTITION BY event_id) <> max(partition) OVER (PARTITION BY event_id) AS spread
    FROM copies) WHERE spread AND number = 1;

-- Every record with the base window that is being observed. Those before a partition's first valid record count with
-- it; those of a partition without any count nowhere.
CREATE TABLE observed AS
SELECT partition, line, reason, outcome, delayed, (after_us - time_us) AS delay_us,
    start_of(coalesce(
        max(after_us) OVER (PARTITION BY partition ORDER BY line),
        first_value(time_us IGNORE NULLS) OVER (PARTITION BY partition ORDER BY line
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)), option('window_us')) AS start_us
FROM records LEFT JOIN rejected USING (partition, line) LEFT JOIN judged USING (partition, line);
"""

# Copies of an id that differ and came in time in different files: the contract leaves open which of them counts.
OPEN_ENDED = """
WITH contents AS (
    SELECT partition, line, list((product_id, category, quantity, unit_cents) ORDER BY item) AS content
    FROM items GROUP BY ALL)
SELECT event_id FROM (
    SELECT event_id, partition, hash(*COLUMNS(* EXCLUDE (partition, line))) AS hash
    FROM valid SEMI JOIN copies USING (partition, line) LEFT JOIN contents USING (partition, line))
GROUP BY event_id HAVING count(DISTINCT partition) > 1 AND count(DISTINCT hash) > 1
"""

# Section 3, before windows: accepted events and items with what each grain needs of them.
ACCEPTED = r"""
CREATE TABLE accepted AS SELECT * FROM judged WHERE outcome = 'accepted';

-- The catalogue: of products' updates at the same instant the one with the greatest event_id by bytes.
CREATE TABLE updates AS
SELECT product_id, time_us, arg_max(category, event_id) AS category
FROM accepted WHERE event_type = 'product' GROUP BY ALL;

CREATE TABLE sold AS
SELECT i.partition, i.line, i.product_id, a.time_us, i.quantity, i.quantity * i.unit_cents AS cents,
    coalesce(i.category, u.category, 'unknown') AS category
FROM accepted a JOIN items i USING (partition, line)
ASOF LEFT JOIN updates u ON u.product_id = i.product_id AND a.end_us > u.time_us;
"""

# The tables of every grain; `length()` is the grain's. `w` is the window's start and becomes the leading columns.
GRAIN_QUERIES = {
    "kpis": r"""
        SELECT w, count(*) AS events,
            dollars(coalesce(sum(cents) FILTER (event_type = 'order'), 0)) AS revenue,
            count(*) FILTER (event_type = 'order') AS orders,
            -- Half away from zero, in whole cents: twice the sum and the count, over twice the count.
            dollars((2 * sum(cents) FILTER (event_type = 'order') + count(*) FILTER (event_type = 'order'))
                // nullif(2 * count(*) FILTER (event_type = 'order'), 0)) AS aov,
            coalesce(sum(units), 0)::BIGINT AS units,
            count(DISTINCT customer_id) FILTER (event_type IN ('click', 'order', 'payment')) AS unique_customers,
            count(DISTINCT session_id) AS sessions,
            count(*) FILTER (status = 'succeeded') AS payments_succeeded,
            count(*) FILTER (status = 'failed') AS payments_failed,
            dollars(coalesce(sum(cents) FILTER (status = 'succeeded'), 0)) AS paid_revenue,
            count(*) FILTER (status = 'succeeded')::DOUBLE / nullif(count(status), 0) AS payment_success_rate,
            count(DISTINCT session_id) FILTER (event_type = 'order')::DOUBLE
                / nullif(count(DISTINCT session_id) FILTER (action = 'view'), 0) AS conversion_rate
        FROM (SELECT *, start_of(time_us, length()) AS w FROM accepted)
        LEFT JOIN (SELECT partition, line, sum(quantity) AS units FROM sold GROUP BY ALL) USING (partition, line)
        GROUP BY w""",
    "products": r"""
        SELECT w, product_id, views, add_to_carts, orders, units, dollars(cents) AS revenue,
            (row_number() OVER (PARTITION BY w ORDER BY cents DESC, units DESC, product_id))::INTEGER AS revenue_rank
        FROM (
            SELECT start_of(time_us, length()) AS w, product_id,
                count(*) FILTER (action = 'view') AS views,
                count(*) FILTER (action = 'add_to_cart') AS add_to_carts,
                count(DISTINCT (partition, line)) FILTER (action IS NULL) AS orders,
                coalesce(sum(quantity), 0)::BIGINT AS units, coalesce(sum(cents), 0) AS cents
            FROM (
                SELECT time_us, product_id, action, partition, line, 0 AS quantity, 0 AS cents
                FROM accepted WHERE event_type = 'click' AND product_id IS NOT NULL
                UNION ALL
                SELECT time_us, product_id, NULL, partition, line, quantity, cents FROM sold)
            GROUP BY ALL)""",
    "categories": r"""
        SELECT w, category, orders, units, dollars(cents) AS revenue,
            (row_number() OVER (PARTITION BY w ORDER BY cents DESC, units DESC, category))::INTEGER AS revenue_rank
        FROM (
            SELECT start_of(time_us, length()) AS w, category, count(DISTINCT (partition, line)) AS orders,
                sum(quantity)::BIGINT AS units, sum(cents) AS cents
            FROM sold GROUP BY ALL)""",
    "funnel": r"""
        SELECT w, stage, step, count(DISTINCT session_id) FILTER (coalesce(action, event_type) = stage) AS sessions
        FROM (SELECT *, start_of(time_us, length()) AS w FROM accepted),
            (VALUES ('view', 1), ('add_to_cart', 2), ('checkout', 3), ('order', 4)) stages(stage, step)
        GROUP BY ALL""",
    "payments": r"""
        SELECT start_of(time_us, length()) AS w, method, status, failure_reason, count(*) AS payments,
            dollars(sum(cents)) AS amount
        FROM accepted WHERE event_type = 'payment' GROUP BY ALL""",
}

BASE_QUERIES = {
    "quality": r"""
        SELECT start_us AS w, count(*) AS records,
            count(*) FILTER (outcome = 'accepted') AS accepted,
            count(*) FILTER (outcome = 'duplicate') AS duplicates,
            count(*) FILTER (outcome = 'late') AS late,
            count(reason) AS rejected,
            count(*) FILTER (delayed) AS delayed,
            max(delay_us) / 1000.0::DOUBLE AS delay_max_ms
        FROM observed WHERE start_us IS NOT NULL GROUP BY ALL""",
    "rejections": r"""
        SELECT start_us AS w, reason, count(*) AS records
        FROM observed WHERE start_us IS NOT NULL AND reason IS NOT NULL GROUP BY ALL""",
}

# One row for each customer and local day, in the first base window in which the customer occurs.
CUSTOMER_ACTIVITY = r"""
    SELECT min(start_of(time_us, length())) AS w, customer_id
    FROM accepted WHERE customer_id IS NOT NULL AND event_type <> 'customer'
    GROUP BY customer_id, start_of(time_us, day_us())"""

DIMENSION_QUERIES = {
    "dim_product": r"""
        SELECT product_id, name, category, dollars(cents) AS price, make_timestamptz(time_us) AS updated_at
        FROM accepted WHERE event_type = 'product'
        QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY time_us DESC, event_id DESC) = 1""",
    "dim_customer": r"""
        SELECT customer_id, country, segment, make_timestamptz(time_us) AS updated_at
        FROM accepted WHERE event_type = 'customer'
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY time_us DESC, event_id DESC) = 1""",
}

# Counts of the summary, also over records that no window observed.
SUMMARY = r"""
    SELECT count(*) AS records, count(*) FILTER (outcome = 'accepted') AS accepted,
        count(*) FILTER (outcome = 'duplicate') AS duplicates, count(*) FILTER (outcome = 'late') AS late,
        count(reason) AS rejected, count(*) FILTER (delayed) AS delayed,
        (SELECT count(DISTINCT end_us) FROM accepted) AS windows
    FROM observed"""


class Unjudgeable(Exception):
    """The input is one that this check cannot judge, or an option is not one."""


def lines_of(path):
    """The lines of a file: without line ends and the byte order mark. Empty ones stay, SQL drops them."""
    data = Path(path).read_bytes()
    if str(path).endswith(".gz"):
        data = gzip.decompress(data)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [line.removesuffix(b"\r") for line in lines]


class Check:
    """Expected tables in DuckDB, and the comparison of a lake with them."""

    def __init__(self, options):
        self.options = options
        self.sql = duckdb.connect()
        self.sql.execute("SET TimeZone = 'UTC'")
        self.passed = self.failed = 0

    def compute(self):
        """Fills the schema `expected`."""
        options = self.options
        numbers = {
            "window_us": options.window * 1_000_000,
            "lateness_us": options.lateness * 1_000_000,
            "utc_offset_us": options.utc_offset * 60_000_000,
            "future_us": int((time.time() + options.max_future) * 1_000_000),
        }
        cases = " ".join(f"WHEN '{name}' THEN {number}" for name, number in numbers.items())
        self.sql.execute(f"CREATE MACRO option(name) AS (CASE name {cases} END)::BIGINT")
        self.sql.execute(f"CREATE MACRO option_text(name) AS CASE name WHEN 'currency' THEN '{options.currency}' END")
        self.load()
        for statements in (WORDS, PARSING, JUDGING, ACCEPTED):
            self.sql.execute(statements)
        open_ended = self.sql.execute(OPEN_ENDED).fetchall()
        if open_ended:
            raise Unjudgeable(f"copies of event_id {open_ended[0][0]!r} differ and lie in different files")
        self.sql.execute("CREATE SCHEMA expected")
        for seconds in sorted({options.window, *options.rollup}):
            for name, query in GRAIN_QUERIES.items():
                self.windowed(f"{name}_{grain_name(seconds)}", seconds, query)
        for name, query in BASE_QUERIES.items():
            self.windowed(f"{name}_{grain_name(options.window)}", options.window, query)
        if 86_400 in options.rollup:
            self.windowed("customer_activity", options.window, CUSTOMER_ACTIVITY)
        for name, query in DIMENSION_QUERIES.items():
            self.sql.execute(f"CREATE TABLE expected.{name} AS {query}")

    def load(self):
        """Every line of every file, with its partition and number."""
        partitions, numbers, raws = [], [], []
        for partition, path in enumerate(self.options.input):
            lines = lines_of(path)
            partitions += [partition] * len(lines)
            numbers += range(len(lines))
            raws += lines
        table = {
            "partition": pyarrow.array(partitions, pyarrow.int32()),
            "line": pyarrow.array(numbers, pyarrow.int64()),
            "raw": pyarrow.array(raws, pyarrow.binary()),
        }
        self.sql.register("input", pyarrow.table(table))
        self.sql.execute("CREATE TABLE lines AS FROM input")

    def windowed(self, name, seconds, query):
        """Makes an expected table from a query, whose `w` becomes the four leading columns."""
        self.sql.execute(f"CREATE OR REPLACE MACRO length() AS {seconds * 1_000_000}")
        self.sql.execute(f"""
            CREATE TABLE expected.{name} AS
            SELECT make_timestamptz(w) AS window_start, make_timestamptz(w + length()) AS window_end,
                date_key(w) AS date_key, minute_of_day(w) AS minute_of_day, * EXCLUDE (w)
            FROM ({query})""")

    def compare(self):
        """Compares every table of the lake with its expected twin."""
        gold = self.options.lake / "gold"
        tables = tables_of(self.options.window, self.options.rollup)
        for name, columns in tables.items():
            self.sql.execute("CREATE SCHEMA IF NOT EXISTS actual")
            glob = str(gold / name / "**" / "*.parquet").replace("'", "''")
            try:
                self.sql.execute(
                    f"CREATE TABLE actual.{name} AS FROM read_parquet('{glob}', hive_partitioning = false)"
                )
            except duckdb.Error as error:
                self.report(name, [str(error)])
                continue
            found = {row[0]: row[1] for row in self.sql.execute(f"DESCRIBE actual.{name}").fetchall()}
            if list(found.items()) != list(columns.items()):
                self.report(name, [f"columns are {found}", f"expected    {columns}"])
            elif name.startswith("quality_"):
                self.compare_quality(name)
            else:
                self.report(name, self.differences(f"FROM expected.{name}", f"FROM actual.{name}"))
        strangers = sorted(path.name for path in gold.glob("*") if path.is_dir() and path.name not in tables)
        if strangers:
            self.report("gold", [f"tables that this run should not have: {', '.join(strangers)}"])

    def compare_quality(self, name):
        """Exactly, except for which of equal copies in different files is the accepted one."""
        own = "* EXCLUDE (accepted, duplicates), accepted + duplicates AS in_time"
        differences = self.differences(
            f"SELECT {own} FROM expected.{name}",
            f"SELECT {own} FROM (SELECT * EXCLUDE (delay_p50_ms, delay_p99_ms) FROM actual.{name})",
        )
        totals = "SELECT sum(accepted), sum(duplicates)"
        differences += self.differences(f"{totals} FROM expected.{name}", f"{totals} FROM actual.{name}")
        differences += self.rows(
            "accepted is out of bounds",
            f"""
            SELECT window_start, a.accepted, certain AS least, certain + open AS most
            FROM actual.{name} a JOIN (
                SELECT make_timestamptz(start_us) AS window_start,
                    count(*) FILTER (outcome = 'accepted' AND u.line IS NULL) AS certain, count(u.line) AS open
                FROM observed LEFT JOIN undecided u USING (partition, line)
                WHERE start_us IS NOT NULL GROUP BY ALL) USING (window_start)
            WHERE a.accepted NOT BETWEEN certain AND certain + open""",
        )
        # A percentile lies between the neighbours of its rank, whichever definition it follows; three significant
        # digits are half a percent at most.
        differences += self.rows(
            "percentiles are out of bounds",
            f"""
            SELECT window_start, delay_p50_ms, delay_p99_ms, delays[below_p50] AS least_p50,
                delays[above_p50] AS most_p50, delays[below_p99] AS least_p99, delays[above_p99] AS most_p99
            FROM (SELECT *, greatest(1, floor(0.5 * len(delays)))::INT AS below_p50,
                    least(len(delays), ceil(0.5 * len(delays)) + 1)::INT AS above_p50,
                    greatest(1, floor(0.99 * len(delays)))::INT AS below_p99,
                    least(len(delays), ceil(0.99 * len(delays)) + 1)::INT AS above_p99
                FROM actual.{name} LEFT JOIN (
                    SELECT make_timestamptz(start_us) AS window_start,
                        list(delay_us / 1000.0 ORDER BY delay_us) AS delays
                    FROM observed WHERE start_us IS NOT NULL AND delay_us IS NOT NULL GROUP BY ALL)
                USING (window_start))
            WHERE coalesce(NOT (delay_p50_ms BETWEEN delays[below_p50] * 0.995 AND delays[above_p50] * 1.005
                    AND delay_p99_ms BETWEEN delays[below_p99] * 0.995 AND delays[above_p99] * 1.005),
                NOT (delays IS NULL AND delay_p50_ms IS NULL AND delay_p99_ms IS NULL))""",
        )
        open_count = self.sql.execute("SELECT count(*) FROM undecided").fetchall()[0][0]
        note = f" (accepted within bounds: {open_count} copies undecided)" if open_count else ""
        self.report(name, differences, note)

    def differences(self, expected, actual):
        """The rows that only one side has."""
        return self.rows("missing in the lake", f"({expected}) EXCEPT ALL ({actual})") + self.rows(
            "unexpected in the lake", f"({actual}) EXCEPT ALL ({expected})"
        )

    def rows(self, what, query):
        """How many rows a query gives, and the first of them."""
        # Everything as text, since a TIMESTAMPTZ would want pytz on its way to Python.
        count = self.sql.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
        if count == 0:
            return []
        result = self.sql.execute(
            f"SELECT columns(*)::VARCHAR FROM ({query}) ORDER BY ALL LIMIT {DIFFERENCES_SHOWN}"
        )
        names = [column[0] for column in result.description]
        shown = [" ".join(f"{name}={value}" for name, value in zip(names, row)) for row in result.fetchall()]
        return [f"{count} rows {what}:"] + [f"  {row}" for row in shown]

    def compare_summary(self, path):
        """Compares the counts of `--summary json`."""
        found = json.loads(path.read_text())
        result = self.sql.execute(SUMMARY)
        expected = dict(zip((column[0] for column in result.description), result.fetchall()[0]))
        wrong = [
            f"{name} is {found.get(name)}, expected {count}"
            for name, count in expected.items()
            if found.get(name) != count
        ]
        self.report("summary", wrong)

    def report(self, name, differences, note=""):
        if differences:
            self.failed += 1
            print(f"{name}: DIFFERS")
            for line in differences:
                print(f"  {line}")
        else:
            self.passed += 1
            count = ""
            if name != "summary":
                count = f"{self.sql.execute(f'SELECT count(*) FROM expected.{name}').fetchall()[0][0]} rows "
            print(f"{name}: {count}equal{note}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--input", action="append", required=True, help="a file; once for each")
    parser.add_argument("--window", type=seconds_of, default="60s")
    parser.add_argument("--rollup", type=rollups_of, default="1h,1d", help="1h,1d or none")
    parser.add_argument("--lateness", type=seconds_of, default="10s")
    parser.add_argument("--max-future", type=seconds_of, default="5m")
    parser.add_argument("--utc-offset", type=minutes_of, default="+00:00", help="write --utc-offset=-05:00")
    parser.add_argument("--currency", default="USD")
    parser.add_argument("--summary", type=Path, help="what the run printed with --summary json; compares its counts")
    check = Check(parser.parse_args())
    try:
        check.compute()
    except Unjudgeable as reason:
        print(f"check.py: {reason}", file=sys.stderr)
        return 2
    check.compare()
    if check.options.summary:
        check.compare_summary(check.options.summary)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
