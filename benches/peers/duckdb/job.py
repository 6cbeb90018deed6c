#!/usr/bin/env python3
"""The job in DuckDB: job.py INPUT OUTPUT_FOLDER.

Options and what they follow:
- one `read_ndjson_objects` with `ignore_errors`, then one `json_transform` with all types given: the JSON pages
  ("Loading JSON", "Transforming JSON") advise giving the structure rather than detecting it. `read_ndjson(columns =
  ...)` reads about twice as fast but cannot show a line's length, depth or the text of a number, which validity needs;
- `threads` and `memory_limit` are the defaults (all cores, 80 % of memory), in memory, as the page "Tuning Workloads"
  advises where data fits; `preserve_insertion_order` stays on, since lateness needs the order of the lines;
- lateness is a running maximum without ORDER BY, which DuckDB computes as a streaming window, without sorting;
- a streaming window runs on one thread and takes what feeds it along, so the valid records are a temporary table
  first, filled by all threads in the order of the lines, and what the three results share is a second one; results are CSV by COPY.
"""

import sys
from pathlib import Path

import duckdb

# Printed beside the figures.
LEAVES_OUT = (
    "strings given as JSON numbers on clicks, orders and payments are taken; money as a string with leading zeros, "
    "and repeated names, are judged as DuckDB's JSON functions do; a copy of an id counts once in the whole file"
)

STRUCTURE = """{
    "event_id": "VARCHAR", "event_type": "VARCHAR", "event_time": "VARCHAR", "session_id": "VARCHAR",
    "customer_id": "VARCHAR", "action": "VARCHAR", "product_id": "VARCHAR", "order_id": "VARCHAR",
    "currency": "VARCHAR", "total": "VARCHAR",
    "items": [{"product_id": "VARCHAR", "quantity": "VARCHAR", "unit_price": "VARCHAR", "category": "VARCHAR"}],
    "payment_id": "VARCHAR", "method": "VARCHAR", "amount": "VARCHAR", "status": "VARCHAR",
    "failure_reason": "VARCHAR", "name": "VARCHAR", "category": "VARCHAR", "price": "VARCHAR",
    "country": "VARCHAR", "segment": "VARCHAR"}"""

MACROS = r"""
CREATE MACRO text_ok(value, most) AS value IS NOT NULL AND strlen(value) BETWEEN 1 AND most;
CREATE MACRO optional_ok(value, most) AS value IS NULL OR strlen(value) BETWEEN 1 AND most;
-- Objects and arrays in place of a string come as their text.
CREATE MACRO word_ok(value, most) AS text_ok(value, most) AND NOT starts_with(value, '{') AND NOT starts_with(value, '[');
CREATE MACRO money_ok(value) AS coalesce(
    regexp_full_match(value, '[0-9]+(\.[0-9]{1,2})?') AND TRY_CAST(value AS DECIMAL(18, 2)) <= 9999999999.99, false);
-- DuckDB prints 1e2 as 100.0 and 1.500 as 1.5; only the line itself still has the text.
CREATE MACRO amounts_ok(line) AS NOT regexp_matches(line,
    '"(total|amount|price|unit_price)"\s*:\s*(-|[0-9]*\.[0-9]{3}|[0-9]*\.?[0-9]*[eE])');
CREATE MACRO items_ok(items) AS len(items) BETWEEN 1 AND 100 AND len(list_filter(items, lambda item: NOT coalesce(
    word_ok(item.product_id, 64) AND regexp_full_match(item.quantity, '[0-9]{1,5}')
    AND TRY_CAST(item.quantity AS INTEGER) BETWEEN 1 AND 10000 AND money_ok(item.unit_price)
    AND optional_ok(item.category, 64), false))) = 0;
CREATE MACRO cents(value) AS (value::DECIMAL(18, 2) * 100)::BIGINT;
CREATE MACRO instant(value) AS CASE
    WHEN value[5] = '-' AND value[11] IN ('T', 't', ' ') AND (value[-1] IN ('Z', 'z') OR value[-6] IN ('+', '-'))
    THEN TRY_CAST(value AS TIMESTAMP)
    ELSE make_timestamp(TRY_CAST(CASE WHEN regexp_full_match(value, '0|[1-9][0-9]*') THEN value END AS BIGINT) * 1000)
    END;
"""

VALID = """
CREATE TEMP TABLE valid AS
WITH lines AS (
    SELECT json AS line FROM read_ndjson_objects($input, ignore_errors = true)
    WHERE strlen(json) <= 65536 AND starts_with(json, '{')
        -- Deeper than 128 levels takes that many brackets, and they take room.
        AND CASE WHEN strlen(json) < 258 THEN true
            ELSE strlen(json) - strlen(replace(replace(json, '[', ''), '{', '')) <= 128 END
), parsed AS (
    SELECT line, unnest(json_transform(line, $structure)) FROM lines
), timed AS (
    SELECT *, instant(event_time) AS time FROM parsed
)
    SELECT event_id, event_type, epoch_us(time) AS time_us, session_id, customer_id, action, product_id, method,
        status, failure_reason,
        CASE event_type WHEN 'order' THEN cents(total) WHEN 'payment' THEN cents(amount) END AS cents,
        CASE event_type WHEN 'order' THEN [{
            'product_id': item.product_id,
            'quantity': item.quantity::BIGINT,
            'cents': cents(item.unit_price) * item.quantity::BIGINT} FOR item IN items] END AS items
    FROM timed
    WHERE text_ok(event_id, 64) AND time >= TIMESTAMP '1970-01-01' AND time <= $latest
        AND CASE event_type
            WHEN 'click' THEN text_ok(session_id, 64) AND optional_ok(customer_id, 64) AND optional_ok(product_id, 64)
                AND (action IN ('view', 'add_to_cart') AND product_id IS NOT NULL OR action = 'checkout')
            WHEN 'order' THEN word_ok(order_id, 64) AND optional_ok(session_id, 64) AND word_ok(customer_id, 64)
                AND currency = 'USD' AND money_ok(total) AND items_ok(items) AND amounts_ok(line)
            WHEN 'payment' THEN word_ok(payment_id, 64) AND word_ok(order_id, 64) AND optional_ok(customer_id, 64)
                AND word_ok(method, 32) AND money_ok(amount) AND currency = 'USD' AND status IN ('succeeded', 'failed')
                AND optional_ok(failure_reason, 64) AND amounts_ok(line)
            WHEN 'customer' THEN text_ok(customer_id, 64) AND json_type(line, '$.customer_id') = 'VARCHAR'
                AND coalesce(strlen(country) <= 64, true) AND coalesce(strlen(segment) <= 64, true)
                AND coalesce(json_type(line, '$.country') IN ('VARCHAR', 'NULL'), true)
                AND coalesce(json_type(line, '$.segment') IN ('VARCHAR', 'NULL'), true)
            WHEN 'product' THEN word_ok(product_id, 64) AND word_ok(name, 200) AND word_ok(category, 64)
                AND money_ok(price) AND amounts_ok(line)
            ELSE false END
"""

ACCEPTED = """
CREATE TEMP TABLE accepted AS
WITH watched AS (
    -- The record itself may be in the maximum: one that raises it is not late by either.
    SELECT *, time_us // 60000000 * 60 AS window_start,
        max(time_us) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS max_us
    FROM valid
)
SELECT * EXCLUDE (max_us, time_us)
FROM watched WHERE (window_start + 60) * 1000000 > max_us - 10000000
QUALIFY row_number() OVER (PARTITION BY event_id) = 1
"""

RESULTS = {
    "kpis": """
        SELECT window_start, count(*) AS events,
            coalesce(sum(cents) FILTER (event_type = 'order'), 0) AS revenue_cents,
            count(*) FILTER (event_type = 'order') AS orders,
            coalesce(sum(list_sum([item.quantity FOR item IN items])), 0)::BIGINT AS units,
            count(DISTINCT customer_id) FILTER (event_type IN ('click', 'order', 'payment')) AS unique_customers,
            count(DISTINCT session_id) FILTER (event_type IN ('click', 'order')) AS sessions,
            count(*) FILTER (event_type = 'payment' AND status = 'succeeded') AS payments_succeeded,
            count(*) FILTER (event_type = 'payment' AND status = 'failed') AS payments_failed,
            coalesce(sum(cents) FILTER (event_type = 'payment' AND status = 'succeeded'), 0) AS paid_revenue_cents
        FROM accepted GROUP BY window_start""",
    "products": """
        SELECT window_start, product_id, sum(views)::BIGINT AS views, sum(add_to_carts)::BIGINT AS add_to_carts,
            sum(orders)::BIGINT AS orders, sum(units)::BIGINT AS units, sum(cents)::BIGINT AS revenue_cents
        FROM (
            SELECT window_start, product_id, count(*) FILTER (action = 'view') AS views,
                count(*) FILTER (action = 'add_to_cart') AS add_to_carts, 0 AS orders, 0 AS units, 0 AS cents
            FROM accepted WHERE event_type = 'click' AND product_id IS NOT NULL GROUP BY ALL
            UNION ALL
            SELECT window_start, item.product_id, 0, 0, count(DISTINCT event_id), sum(item.quantity), sum(item.cents)
            FROM (SELECT window_start, event_id, unnest(items) AS item FROM accepted WHERE event_type = 'order')
            GROUP BY ALL)
        GROUP BY ALL""",
    "payments": """
        SELECT window_start, method, status, failure_reason, count(*) AS payments, sum(cents) AS amount_cents
        FROM accepted WHERE event_type = 'payment' GROUP BY ALL""",
}


def main():
    source, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    sql = duckdb.connect()
    sql.execute(MACROS)
    latest = sql.execute("SELECT epoch_us(now()) + 300000000").fetchone()[0]
    latest = sql.execute("SELECT make_timestamp(?)", [latest]).fetchone()[0]
    structure = " ".join(STRUCTURE.split())
    query = VALID.replace("$structure", f"'{structure}'").replace("$latest", f"TIMESTAMP '{latest}'")
    sql.execute(query.replace("$input", "'" + source.replace("'", "''") + "'"))
    sql.execute(ACCEPTED)
    for name, query in RESULTS.items():
        target = str(folder / f"{name}.csv").replace("'", "''")
        sql.execute(f"COPY ({query}) TO '{target}' (HEADER)")


if __name__ == "__main__":
    main()
