#!/usr/bin/env python3
"""The job in chDB, which is ClickHouse in the process: job.py INPUT OUTPUT_FOLDER.

Options and what they follow:
- lines are read with the format `LineAsString` and parsed by one `JSONExtract` of a typed tuple, as the page "Working
  with JSON: other approaches" describes. `JSONEachRow` with `input_format_allow_errors_num` goes on behind a broken
  line somewhere in the next one, and would lose valid records;
- `_row_number` gives the order of the lines, which lateness needs; `max_threads` is the default (all cores);
- lateness and duplicates are found on narrow columns and taken out by `NOT IN` a small set, rather than by carrying
  whole rows through a window function ("avoid wide sorts" in the query optimisation guide);
- intermediate tables are of the engine Memory in a session; distinct counts are `uniqExact`.
"""

import sys
import tempfile
from pathlib import Path

from chdb import session

# Printed beside the figures.
LEAVES_OUT = (
    "strings given as JSON numbers on clicks, orders and payments are taken; times are read by "
    "parseDateTime64BestEffort, which knows more forms; repeated names are judged as ClickHouse's JSON functions do; a "
    "copy of an id counts once in the whole file"
)

FIELDS = (
    "event_id event_type event_time session_id customer_id action product_id order_id currency total payment_id method "
    "amount status failure_reason name category price country segment"
).split()
ITEM = "product_id Nullable(String), quantity Nullable(String), unit_price Nullable(String), category Nullable(String)"
STRUCTURE = f"Tuple({', '.join(f'{name} Nullable(String)' for name in FIELDS)}, items Array(Tuple({ITEM})))"

FUNCTIONS = r"""
CREATE FUNCTION text_ok AS (value, most) -> ifNull(length(value) BETWEEN 1 AND most, 0);
CREATE FUNCTION optional_ok AS (value, least, most) -> ifNull(length(value) BETWEEN least AND most, 1);
CREATE FUNCTION word_ok AS (value, most) ->
    ifNull(length(value) BETWEEN 1 AND most AND NOT startsWith(value, '{') AND NOT startsWith(value, '['), 0);
CREATE FUNCTION money_ok AS (value) -> ifNull(
    match(value, '^[0-9]+(\\.[0-9]{1,2})?$') AND toDecimal64OrNull(value, 2) <= toDecimal64('9999999999.99', 2), 0);
CREATE FUNCTION cents AS (value) -> toInt64(ifNull(toDecimal64OrNull(value, 2), toDecimal64(0, 2)) * 100);
CREATE FUNCTION item_ok AS (item) -> word_ok(item.1, 64) AND ifNull(match(item.2, '^[0-9]{1,5}$'), 0)
    AND ifNull(toInt64OrNull(item.2) BETWEEN 1 AND 10000, 0) AND money_ok(item.3) AND optional_ok(item.4, 1, 64);
"""

# ClickHouse prints 1e2 as 100 and 1.500 as 1.5; only the line itself still has the text.
NOT_MONEY = r'"(total|amount|price|unit_price)"\\s*:\\s*(-|[0-9]*\\.[0-9]{3}|[0-9]*\\.?[0-9]*[eE])'
NOT_TEXT = r'"(customer_id|country|segment|product_id|name|category)"\\s*:\\s*[^"n\\s]'

VALID = r"""
CREATE TABLE valid ENGINE = Memory AS
WITH toDateTime64('1970-01-01 00:00:00', 6, 'UTC') AS first_instant, now64(6, 'UTC') + INTERVAL 5 MINUTE AS latest
SELECT number, event_id, event_type, toUnixTimestamp64Micro(assumeNotNull(time)) AS time_us,
    intDiv(time_us, 60000000) * 60 AS window_start, session_id, customer_id, action, product_id, method, status,
    failure_reason, multiIf(event_type = 'order', cents(total), event_type = 'payment', cents(amount), 0) AS cents,
    if(event_type = 'order', arrayMap(item -> (assumeNotNull(item.1), toInt64(assumeNotNull(item.2)),
        toInt64(assumeNotNull(item.2)) * cents(item.3)), items), []) AS sold
FROM (
    SELECT number, line, FIELDS, parsed.items AS items, multiIf(
        substring(event_time, 5, 1) = '-', parseDateTime64BestEffortOrNull(event_time, 6, 'UTC'),
        match(event_time, '^(0|[1-9][0-9]{0,14})$'),
            fromUnixTimestamp64Micro(ifNull(toInt64OrNull(event_time), 0) * 1000, 'UTC'), NULL) AS time
    FROM (
        SELECT _row_number AS number, line, JSONExtract(line, 'STRUCTURE') AS parsed
        FROM file('INPUT', 'LineAsString', 'line String')
        WHERE startsWith(line, '{') AND length(line) <= 65536 AND isValidUTF8(line)
            AND (length(line) < 258 OR length(line) - length(replaceRegexpAll(line, '[\\[{]', '')) <= 128))
    WHERE text_ok(parsed.event_id, 64))
WHERE ifNull(time >= first_instant AND time <= latest, 0) AND ifNull(multiIf(
    event_type = 'click', text_ok(session_id, 64) AND optional_ok(customer_id, 1, 64) AND optional_ok(product_id, 1, 64)
        AND (action IN ('view', 'add_to_cart') AND product_id IS NOT NULL OR action = 'checkout'),
    event_type = 'order', word_ok(order_id, 64) AND optional_ok(session_id, 1, 64) AND word_ok(customer_id, 64)
        AND currency = 'USD' AND money_ok(total) AND length(items) BETWEEN 1 AND 100
        AND arrayAll(item -> item_ok(item), items) AND NOT match(line, 'NOT_MONEY'),
    event_type = 'payment', word_ok(payment_id, 64) AND word_ok(order_id, 64) AND optional_ok(customer_id, 1, 64)
        AND word_ok(method, 32) AND money_ok(amount) AND currency = 'USD' AND status IN ('succeeded', 'failed')
        AND optional_ok(failure_reason, 1, 64) AND NOT match(line, 'NOT_MONEY'),
    event_type = 'customer', text_ok(customer_id, 64) AND optional_ok(country, 0, 64) AND optional_ok(segment, 0, 64)
        AND NOT match(line, 'NOT_TEXT'),
    event_type = 'product', word_ok(product_id, 64) AND word_ok(name, 200) AND word_ok(category, 64)
        AND money_ok(price) AND NOT match(line, 'NOT_MONEY') AND NOT match(line, 'NOT_TEXT'),
    0), 0)
"""

# The record itself may be in the maximum: one that raises it is not late by either.
ACCEPTED = """
CREATE TABLE late ENGINE = Memory AS
SELECT number FROM (
    SELECT number, window_start,
        max(time_us) OVER (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS max_us
    FROM valid)
WHERE (window_start + 60) * 1000000 <= max_us - 10000000;

CREATE TABLE duplicates ENGINE = Memory AS
SELECT arrayJoin(arrayPopFront(arraySort(groupArray(number)))) AS extra
FROM valid WHERE number NOT IN (SELECT number FROM late) GROUP BY event_id HAVING count() > 1;

CREATE VIEW accepted AS
SELECT * FROM valid WHERE number NOT IN (SELECT number FROM late) AND number NOT IN (SELECT extra FROM duplicates)
"""

RESULTS = {
    "kpis": """
        SELECT window_start, count() AS events, sumIf(cents, event_type = 'order') AS revenue_cents,
            countIf(event_type = 'order') AS orders, sum(arraySum(item -> item.2, sold)) AS units,
            uniqExactIf(customer_id, event_type IN ('click', 'order', 'payment')) AS unique_customers,
            uniqExactIf(session_id, event_type IN ('click', 'order')) AS sessions,
            countIf(event_type = 'payment' AND status = 'succeeded') AS payments_succeeded,
            countIf(event_type = 'payment' AND status = 'failed') AS payments_failed,
            sumIf(cents, event_type = 'payment' AND status = 'succeeded') AS paid_revenue_cents
        FROM accepted GROUP BY window_start""",
    "products": """
        SELECT window_start, product, sum(views) AS views, sum(add_to_carts) AS add_to_carts, sum(orders) AS orders,
            sum(units) AS units, sum(revenue) AS revenue_cents
        FROM (
            SELECT window_start, assumeNotNull(product_id) AS product, countIf(action = 'view') AS views,
                countIf(action = 'add_to_cart') AS add_to_carts, 0 AS orders, 0 AS units, 0 AS revenue
            FROM accepted WHERE event_type = 'click' AND product_id IS NOT NULL GROUP BY window_start, product
            UNION ALL
            SELECT window_start, item.1 AS product, 0, 0, uniqExact(number), sum(item.2), sum(item.3)
            FROM accepted ARRAY JOIN sold AS item WHERE event_type = 'order' GROUP BY window_start, product)
        GROUP BY window_start, product""",
    "payments": """
        SELECT window_start, method, status, ifNull(failure_reason, '') AS reason, count() AS payments,
            sum(cents) AS amount_cents
        FROM accepted WHERE event_type = 'payment' GROUP BY window_start, method, status, reason""",
}


def quoted(text):
    return text.replace("\\", "\\\\").replace("'", "\\'")


def main():
    source, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as home:
        sql = session.Session(home)
        statements = VALID.replace("FIELDS", ", ".join(f"parsed.{name} AS {name}" for name in FIELDS))
        statements = statements.replace("STRUCTURE", STRUCTURE).replace("NOT_MONEY", NOT_MONEY)
        statements = statements.replace("NOT_TEXT", NOT_TEXT).replace("INPUT", quoted(source))
        for statement in (FUNCTIONS + statements + ";" + ACCEPTED).split(";\n"):
            if statement.strip():
                sql.query(statement)
        for name, query in RESULTS.items():
            target = quoted(str(folder / f"{name}.csv"))
            sql.query(f"{query} INTO OUTFILE '{target}' FORMAT CSVWithNames")
        sql.close()


if __name__ == "__main__":
    main()
