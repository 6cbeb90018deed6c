#!/usr/bin/env python3
"""The job in Spark Structured Streaming with the trigger AvailableNow: job.py INPUT OUTPUT_FOLDER.

Options and what they follow:
- built-in functions only, no Python function (the tuning guide), `from_json` with the schema given;
- three queries side by side, each reading, parsing and deduplicating for itself: a stateful stage cannot feed several
  sinks, and the programming guide gives no other way for aggregates that are kept between triggers;
- `dropDuplicatesWithinWatermark`, then window aggregates in append mode; `count(DISTINCT)` is refused on streams, so it
  is `size(collect_set)`;
- a window is emitted once the watermark has passed it, and the last ones never would be: the input gets a second file
  with one event a month later, whose own window stays open;
- as many shuffle partitions as cores, and RocksDB for the state, as the guide advises for large states; 4 GB of heap.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

# Printed beside the figures.
LEAVES_OUT = (
    "keeps late events, since its watermark moves between triggers and not within a file, and is compared with a "
    "Tillrace run that keeps them too (--lateness 24h); times with an offset or as integers are refused; strings given "
    "as JSON numbers on clicks are taken; a repeated name is judged as Jackson does"
)
KEEPS_LATE = True

ITEM = "struct<product_id:string,quantity:string,unit_price:string,category:string>"
TEXTS = (
    "event_id event_type event_time session_id customer_id action product_id order_id currency total payment_id method "
    "amount status failure_reason name category price country segment"
).split()
SCHEMA = ", ".join(f"{name} string" for name in TEXTS) + f", items array<{ITEM}>"

# Spark prints 1e2 as 100.0 and 1.500 as 1.5; only the line itself still has the text.
NOT_MONEY = r'"(total|amount|price|unit_price)"\\s*:\\s*(-|[0-9]*\\.[0-9]{3}|[0-9]*\\.?[0-9]*[eE]|[a-z])'
NOT_TEXT = r'"(customer_id|country|segment|product_id|name|category)"\\s*:\\s*[^"n\\s]'


def text_ok(name, most=64):
    return f"coalesce(octet_length({name}) BETWEEN 1 AND {most}, false)"


def optional_ok(name, least=1):
    return f"coalesce(octet_length({name}) BETWEEN {least} AND 64, true)"


def word_ok(name, most=64):
    """Objects and arrays in place of a string come as their text."""
    return f"{text_ok(name, most)} AND NOT startswith({name}, '{{') AND NOT startswith({name}, '[')"


def money_ok(name):
    form = f"{name} RLIKE '^[0-9]+([.][0-9]{{1,2}})?$'"
    return f"coalesce({form} AND try_cast({name} AS decimal(18, 2)) <= 9999999999.99, false)"


def cents(name):
    return f"CAST(try_cast({name} AS decimal(18, 2)) * 100 AS bigint)"


VALID = f"""
    {text_ok('event_id')} AND ts >= TIMESTAMP '1970-01-01 00:00:00' AND ts <= now() + INTERVAL 5 MINUTES
    AND event_time LIKE '____-__-__T__:__:__%Z'
    AND CASE event_type
        WHEN 'click' THEN {text_ok('session_id')} AND {optional_ok('customer_id')} AND {optional_ok('product_id')}
            AND (action IN ('view', 'add_to_cart') AND product_id IS NOT NULL OR action = 'checkout')
        WHEN 'order' THEN {word_ok('order_id')} AND {optional_ok('session_id')} AND {word_ok('customer_id')}
            AND currency = 'USD' AND {money_ok('total')} AND size(items) BETWEEN 1 AND 100
            AND forall(items, item -> {word_ok('item.product_id')} AND {optional_ok('item.category')}
                AND {money_ok('item.unit_price')} AND coalesce(item.quantity RLIKE '^[0-9]{{1,5}}$', false)
                AND coalesce(try_cast(item.quantity AS int) BETWEEN 1 AND 10000, false))
            AND NOT line RLIKE '{NOT_MONEY}'
        WHEN 'payment' THEN {word_ok('payment_id')} AND {word_ok('order_id')} AND {optional_ok('customer_id')}
            AND {word_ok('method', 32)} AND {money_ok('amount')} AND currency = 'USD'
            AND status IN ('succeeded', 'failed') AND {optional_ok('failure_reason')} AND NOT line RLIKE '{NOT_MONEY}'
        WHEN 'customer' THEN {text_ok('customer_id')} AND {optional_ok('country', 0)} AND {optional_ok('segment', 0)}
            AND NOT line RLIKE '{NOT_TEXT}'
        WHEN 'product' THEN {word_ok('product_id')} AND {word_ok('name', 200)} AND {word_ok('category')}
            AND {money_ok('price')} AND NOT line RLIKE '{NOT_MONEY}' AND NOT line RLIKE '{NOT_TEXT}'
        ELSE false END
"""

# Jackson takes escapes that are half a character.
LINE_OK = r"""
    startswith(value, '{') AND octet_length(value) <= 65536 AND is_valid_utf8(value)
    AND CASE WHEN NOT contains(value, '\\u') THEN true ELSE NOT value RLIKE
        '(?i)\\\\ud[89ab][0-9a-f]{2}(?!\\\\ud[c-f])|(?<!\\\\ud[89ab][0-9a-f]{2})\\\\ud[c-f]' END
    AND CASE WHEN length(value) < 258 THEN true
        ELSE length(value) - length(replace(replace(value, '[', ''), '{', '')) <= 128 END
"""

# An order that holds a product twice is one order of it.
SOLD = f"""
    CASE event_type
        WHEN 'click' THEN CASE WHEN product_id IS NOT NULL THEN array(named_struct(
            'product_id', product_id, 'views', CAST(action = 'view' AS bigint),
            'add_to_carts', CAST(action = 'add_to_cart' AS bigint), 'orders', 0L, 'units', 0L, 'cents', 0L)) END
        WHEN 'order' THEN transform(items, (item, place) -> named_struct(
            'product_id', item.product_id, 'views', 0L, 'add_to_carts', 0L,
            'orders', CAST(array_position(items.product_id, item.product_id) = place + 1 AS bigint),
            'units', CAST(item.quantity AS bigint),
            'cents', CAST(item.quantity AS bigint) * {cents('item.unit_price')}))
        END
"""


def accepted_of(spark, inputs):
    """The stream of accepted events."""
    return (
        spark.readStream.text(str(inputs))
        .where(LINE_OK)
        .select(F.col("value").alias("line"), F.from_json("value", SCHEMA).alias("record"))
        .select("line", "record.*")
        .withColumn("ts", F.expr("try_cast(event_time AS timestamp)"))
        .where(VALID)
        .withColumn("cents", F.expr(f"CASE event_type WHEN 'order' THEN {cents('total')} "
                                    f"WHEN 'payment' THEN {cents('amount')} ELSE 0L END"))
        .drop("line")
        .withWatermark("ts", "24 hours")
        .dropDuplicatesWithinWatermark(["event_id"])
    )  # fmt: skip


def results_of(spark, inputs):
    """The three results, each a stream of its own."""
    window = F.window("ts", "1 minute")
    start = F.expr("CAST(window.start AS bigint)").alias("window_start")
    counted = "event_type IN ('click', 'order', 'payment')"
    paid = "event_type = 'payment' AND status = 'succeeded'"
    kpis = (
        accepted_of(spark, inputs)
        .groupBy(window)
        .agg(
            F.count("*").alias("events"),
            F.expr("coalesce(sum(cents) FILTER (WHERE event_type = 'order'), 0)").alias("revenue"),
            F.expr("count_if(event_type = 'order')").alias("orders"),
            F.expr("coalesce(sum(aggregate(items, 0L, (sum, item) -> sum + CAST(item.quantity AS bigint))) "
                   "FILTER (WHERE event_type = 'order'), 0)").alias("units"),
            F.expr(f"size(collect_set(CASE WHEN {counted} THEN customer_id END))").alias("customers"),
            F.expr("size(collect_set(CASE WHEN event_type IN ('click', 'order') THEN session_id END))")
            .alias("sessions"),
            F.expr(f"count_if({paid})").alias("succeeded"),
            F.expr("count_if(event_type = 'payment' AND status = 'failed')").alias("failed"),
            F.expr(f"coalesce(sum(cents) FILTER (WHERE {paid}), 0)").alias("paid"),
        )
        .select(start, "events", "revenue", "orders", "units", "customers", "sessions", "succeeded", "failed", "paid")
    )  # fmt: skip
    products = (
        accepted_of(spark, inputs)
        .select("ts", F.explode(F.expr(SOLD)).alias("sold"))
        .groupBy(window, F.col("sold.product_id").alias("product_id"))
        .agg(*(F.sum(f"sold.{name}").alias(name) for name in ("views", "add_to_carts", "orders", "units", "cents")))
        .select(start, "product_id", "views", "add_to_carts", "orders", "units", "cents")
    )
    payments = (
        accepted_of(spark, inputs)
        .where("event_type = 'payment'")
        .groupBy(window, "method", "status", F.expr("coalesce(failure_reason, '')").alias("reason"))
        .agg(F.count("*").alias("payments"), F.sum("cents").alias("amount"))
        .select(start, "method", "status", "reason", "payments", "amount")
    )
    return {"kpis": kpis, "products": products, "payments": payments}


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    inputs = folder / "input"
    inputs.mkdir(parents=True, exist_ok=True)
    os.link(source, inputs / "events.jsonl")
    end = {
        "event_id": "end", "event_type": "click", "event_time": "2026-02-01T00:00:00Z", "session_id": "end",
        "action": "checkout",
    }  # fmt: skip
    (inputs / "end.jsonl").write_text(json.dumps(end) + "\n")
    cores = len(os.sched_getaffinity(0))
    spark = (
        SparkSession.builder.master(f"local[{cores}]")
        .appName("peer")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", cores)
        .config(
            "spark.sql.streaming.stateStore.providerClass",
            "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
        )
        .getOrCreate()
    )
    queries = [
        frame.writeStream.format("csv")
        .option("path", str(folder / name))
        .option("checkpointLocation", str(folder / "checkpoints" / name))
        .outputMode("append")
        .trigger(availableNow=True)
        .start()
        for name, frame in results_of(spark, inputs).items()
    ]
    for query in queries:
        query.awaitTermination()
    spark.stop()
    shutil.rmtree(inputs)


if __name__ == "__main__":
    main()
