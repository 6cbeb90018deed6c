#!/usr/bin/env python3
"""The job in Flink, by PyFlink's Table API in streaming mode: job.py INPUT OUTPUT_FOLDER.

Options and what they follow:
- plain SQL, no Python function: all of it runs in the JVM, which the PyFlink FAQ advises for speed;
- the `json` format with the types given and `ignore-parse-errors`; what that format cannot see (a line's length and
  depth, the text of a number, strings given as numbers, a rule for all items of an array) is taken out before by a
  sieve in Python, whose time counts and which is a small part of the whole;
- one plan with three sinks (`STATEMENT SET`), so that source, parse and deduplication are shared;
- "Deduplication" by ROW_NUMBER over processing time, which keeps a flag for each id, with a state TTL of an hour;
- window table-valued functions, which the page "Window Aggregation" prefers to grouped windows;
- late events are dropped by CURRENT_WATERMARK beside the source, where the order is still that of the file. The
  watermark goes on with each record (`auto-watermark-interval` 0) and trails by 10.001 s, since Flink takes a window's
  last millisecond for its end and times are cut to milliseconds;
- `pipeline.object-reuse` and a parallelism of the number of cores ("Performance Tuning", "Configuration"); heap state.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

# Printed beside the figures.
LEAVES_OUT = (
    "times with an offset or as integers are refused; strings given as JSON numbers on clicks are taken; a repeated "
    "name is judged as Jackson does; a copy of an id counts once in an hour; a sieve in Python checks length, UTF-8, "
    "depth, numbers' text and items"
)

ODD_MONEY = re.compile(rb'"(?:total|amount|price|unit_price)"\s*:\s*(?!"?[0-9]+(?:\.[0-9]{1,2})?"?\s*[,}])')
ODD_TEXT = re.compile(
    rb'"(?:event_id|session_id|customer_id|order_id|payment_id|method|failure_reason|country|segment|product_id|name|'
    rb'category)"\s*:\s*[^"n\s]'
)
BRACKETS = re.compile(rb"[\[{]")


def items_ok(line):
    """Whether the items of an order keep the rules."""
    try:
        items = json.loads(line)["items"]
        return 1 <= len(items) <= 100 and all(
            type(item["quantity"]) is int and 1 <= item["quantity"] <= 10_000
            and type(item["product_id"]) is str and 1 <= len(item["product_id"].encode()) <= 64
            and 1 <= len((item.get("category") or "unknown").encode()) <= 64 and item.get("category") != ""
            and "unit_price" in item
            for item in items
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def is_looked_at(line):
    """Whether a line may be a record, by what Flink's JSON format cannot see."""
    if len(line) > 65_537 or line[:1] != b"{":
        return False
    if len(line) > 257 and len(BRACKETS.findall(line)) > 128:
        return False
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError:
            return False
    if b"\\u" in line:
        try:
            json.dumps(json.loads(line), ensure_ascii=False).encode()
        except (ValueError, UnicodeEncodeError):
            return False
    if b'"click"' in line:
        return True
    if ODD_MONEY.search(line) or ODD_TEXT.search(line):
        return False
    return b'"order"' not in line or items_ok(line)


def sieve(source, target):
    """Copies the lines that may be records, in their order."""
    with open(source, "rb") as lines, open(target, "wb", buffering=1 << 20) as kept:
        kept.writelines(filter(is_looked_at, lines))


# Lengths in bytes are those in characters here; the sieve's rules and these together make a valid record.
VALID = """
    CHAR_LENGTH(event_id) BETWEEN 1 AND 64 AND event_time LIKE '____-__-__T__:__:__%Z'
    -- A cast makes the 28th of the 30th of February.
    AND EXTRACT(DAY FROM at ) = TRY_CAST(SUBSTRING(event_time, 9, 2) AS BIGINT)
    AND at BETWEEN TIMESTAMP '1970-01-01 00:00:00' AND TIMESTAMP 'LATEST'
    AND CASE event_type
        WHEN 'click' THEN CHAR_LENGTH(session_id) BETWEEN 1 AND 64
            AND COALESCE(CHAR_LENGTH(customer_id) BETWEEN 1 AND 64, TRUE)
            AND COALESCE(CHAR_LENGTH(product_id) BETWEEN 1 AND 64, TRUE)
            AND (action IN ('view', 'add_to_cart') AND product_id IS NOT NULL OR action = 'checkout')
        WHEN 'order' THEN CHAR_LENGTH(order_id) BETWEEN 1 AND 64 AND CHAR_LENGTH(customer_id) BETWEEN 1 AND 64
            AND COALESCE(CHAR_LENGTH(session_id) BETWEEN 1 AND 64, TRUE)
            AND currency = 'USD' AND total BETWEEN 0 AND 9999999999.99 AND CARDINALITY(items) BETWEEN 1 AND 100
        WHEN 'payment' THEN CHAR_LENGTH(payment_id) BETWEEN 1 AND 64 AND CHAR_LENGTH(order_id) BETWEEN 1 AND 64
            AND COALESCE(CHAR_LENGTH(customer_id) BETWEEN 1 AND 64, TRUE) AND CHAR_LENGTH(`method`) BETWEEN 1 AND 32
            AND amount BETWEEN 0 AND 9999999999.99 AND currency = 'USD' AND status IN ('succeeded', 'failed')
            AND COALESCE(CHAR_LENGTH(failure_reason) BETWEEN 1 AND 64, TRUE)
        WHEN 'customer' THEN CHAR_LENGTH(customer_id) BETWEEN 1 AND 64
            AND COALESCE(CHAR_LENGTH(country) <= 64, TRUE) AND COALESCE(CHAR_LENGTH(segment) <= 64, TRUE)
        WHEN 'product' THEN CHAR_LENGTH(product_id) BETWEEN 1 AND 64 AND CHAR_LENGTH(name) BETWEEN 1 AND 200
            AND CHAR_LENGTH(category) BETWEEN 1 AND 64 AND price BETWEEN 0 AND 9999999999.99
        ELSE FALSE END
"""

STATEMENTS = """
CREATE TABLE lines (
    event_id STRING, event_type STRING, event_time STRING, session_id STRING, customer_id STRING, action STRING,
    product_id STRING, order_id STRING, currency STRING, total DECIMAL(18, 2),
    items ARRAY<ROW<product_id STRING, quantity BIGINT, unit_price DECIMAL(18, 2)>>, payment_id STRING, `method` STRING,
    amount DECIMAL(18, 2), status STRING, failure_reason STRING, name STRING, category STRING, price DECIMAL(18, 2),
    country STRING, segment STRING,
    -- What is no record may not move the watermark.
    ts AS CASE WHEN VALID THEN AT ELSE TIMESTAMP '1970-01-01 00:00:00' END,
    proc AS PROCTIME(),
    WATERMARK FOR ts AS ts - INTERVAL '10.001' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'INPUT', 'format' = 'json', 'json.ignore-parse-errors' = 'true');

CREATE TEMPORARY VIEW in_time AS
SELECT ts, proc, event_id, event_type, session_id, customer_id, action, product_id, `method`, status, failure_reason,
    items, CAST(CASE event_type WHEN 'order' THEN total WHEN 'payment' THEN amount END * 100 AS BIGINT) AS cents
FROM lines
WHERE ts > TIMESTAMP '1970-01-01 00:00:00' AND (CURRENT_WATERMARK(ts) IS NULL
    OR FLOOR(ts TO MINUTE) + INTERVAL '1' MINUTE > CURRENT_WATERMARK(ts) + INTERVAL '0.001' SECOND);

CREATE TEMPORARY VIEW accepted AS
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY proc) AS number FROM in_time)
WHERE number = 1;

CREATE TEMPORARY VIEW facts AS
SELECT ts, event_id, event_type, session_id, customer_id, action, product_id, `method`, status, failure_reason, cents,
    CAST(0 AS BIGINT) AS quantity
FROM accepted
UNION ALL
SELECT ts, event_id, 'item', CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING), sold.product_id,
    CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING),
    CAST(sold.unit_price * 100 AS BIGINT) * sold.quantity, sold.quantity
FROM accepted CROSS JOIN UNNEST(items) AS sold (product_id, quantity, unit_price)
WHERE event_type = 'order';

CREATE TABLE kpis (window_start BIGINT, events BIGINT, revenue BIGINT, orders BIGINT, units BIGINT, customers BIGINT,
    sessions BIGINT, succeeded BIGINT, failed BIGINT, paid BIGINT) WITH (SINK/kpis');
CREATE TABLE products (window_start BIGINT, product_id STRING, `views` BIGINT, add_to_carts BIGINT, orders BIGINT,
    units BIGINT, revenue BIGINT) WITH (SINK/products');
CREATE TABLE payments (window_start BIGINT, `method` STRING, status STRING, failure_reason STRING, payments BIGINT,
    amount BIGINT) WITH (SINK/payments')
"""

RESULTS = {
    "kpis": """
        SELECT START, COUNT(*) FILTER (WHERE event_type <> 'item'),
            COALESCE(SUM(cents) FILTER (WHERE event_type = 'order'), 0), COUNT(*) FILTER (WHERE event_type = 'order'),
            SUM(quantity),
            COUNT(DISTINCT customer_id) FILTER (WHERE event_type IN ('click', 'order', 'payment')),
            COUNT(DISTINCT session_id) FILTER (WHERE event_type IN ('click', 'order')),
            COUNT(*) FILTER (WHERE event_type = 'payment' AND status = 'succeeded'),
            COUNT(*) FILTER (WHERE event_type = 'payment' AND status = 'failed'),
            COALESCE(SUM(cents) FILTER (WHERE event_type = 'payment' AND status = 'succeeded'), 0)
        FROM WINDOWED GROUP BY window_start, window_end""",
    "products": """
        SELECT START, product_id, COUNT(*) FILTER (WHERE action = 'view'),
            COUNT(*) FILTER (WHERE action = 'add_to_cart'),
            COUNT(DISTINCT event_id) FILTER (WHERE event_type = 'item'), SUM(quantity),
            COALESCE(SUM(cents) FILTER (WHERE event_type = 'item'), 0)
        FROM WINDOWED WHERE event_type IN ('click', 'item') AND product_id IS NOT NULL
        GROUP BY window_start, window_end, product_id""",
    "payments": """
        SELECT START, `method`, status, COALESCE(failure_reason, ''), COUNT(*), SUM(cents)
        FROM WINDOWED WHERE event_type = 'payment'
        GROUP BY window_start, window_end, `method`, status, COALESCE(failure_reason, '')""",
}


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sieved = folder / "sieved.jsonl"
    sieve(source, sieved)
    options = Configuration()
    options.set_string("parallelism.default", str(len(os.sched_getaffinity(0))))
    options.set_string("pipeline.object-reuse", "true")
    options.set_string("pipeline.auto-watermark-interval", "0 ms")
    options.set_string("table.exec.state.ttl", "1 h")
    options.set_string("table.local-time-zone", "UTC")
    tables = TableEnvironment.create(
        EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(options).build()
    )
    latest = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 300))
    at = "TRY_CAST(REPLACE(REPLACE(SUBSTRING(event_time, 1, 23), 'T', ' '), 'Z', '') AS TIMESTAMP(3))"
    valid = VALID.replace(" at ", f" {at} ").replace("LATEST", latest)
    statements = STATEMENTS.replace("WHEN VALID THEN AT", f"WHEN {valid} THEN {at}").replace("INPUT", sieved.as_uri())
    statements = statements.replace("SINK", f"'connector' = 'filesystem', 'format' = 'csv', 'path' = '{folder.as_uri()}")
    for statement in statements.split(";\n"):
        tables.execute_sql(statement)
    # A window's start in seconds since 1970.
    start = "TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start)"
    windowed = "TABLE(TUMBLE(TABLE facts, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"
    plan = tables.create_statement_set()
    for name, query in RESULTS.items():
        query = query.replace("START", f"CAST({start} AS BIGINT)", 1).replace("WINDOWED", windowed)
        plan.add_insert_sql(f"INSERT INTO {name} {query}")
    plan.execute().wait()
    sieved.unlink()


if __name__ == "__main__":
    main()
