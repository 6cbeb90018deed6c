#!/usr/bin/env python3
"""The job in Polars: job.py INPUT OUTPUT_FOLDER.

Options and what they follow:
- lazy queries throughout, collected with `engine="streaming"`, and the three results by one `collect_all`, as the user
  guide's pages "Lazy API" and "Streaming" advise; threads are the default (all cores);
- the schema is given, not inferred ("schema" of `read_ndjson`);
- `read_ndjson(ignore_errors=True)` makes a wrong value null but stops at the first line that is no JSON or no UTF-8.
  So lines are read first (`scan_csv` without quotes and separators, `utf8-lossy`), sieved with `json_path_match`, which
  gives null for such a line, and handed to `read_ndjson` in memory: a second parse that Polars has no way around;
- lateness is `cum_max` in the order of the lines.
"""

import io
import sys
import time
from pathlib import Path

import polars as pl

# Printed beside the figures.
LEAVES_OUT = (
    "times as integers, with an offset or a space are refused; strings given as JSON numbers on clicks, orders and "
    "payments are taken; a line with U+FFFD in it is refused; repeated names are judged as Polars reads them; a copy "
    "of an id counts once in the whole file"
)

ITEM = {name: pl.String for name in ("product_id", "quantity", "unit_price", "category")}
TEXTS = (
    "event_id event_type event_time session_id customer_id action product_id order_id currency total payment_id method "
    "amount status failure_reason name category price country segment"
).split()
SCHEMA = {name: pl.String for name in TEXTS} | {"items": pl.List(pl.Struct(ITEM))}

# A string field with another value: Polars would turn it into text.
NOT_TEXT = r'"(customer_id|country|segment|product_id|name|category)"\s*:\s*[^"n\s]'
# Polars prints 1e2 as 100 and 1.500 as 1.5; only the line itself still has the text.
NOT_MONEY = r'"(total|amount|price|unit_price)"\s*:\s*(-|[0-9]*\.[0-9]{3}|[0-9]*\.?[0-9]*[eE])'


def text_ok(name, most):
    return pl.col(name).str.len_bytes().is_between(1, most).fill_null(False)


def optional_ok(name, most, least=1):
    return pl.col(name).str.len_bytes().is_between(least, most).fill_null(True)


def word_ok(name, most):
    """Objects and arrays in place of a string come as their text."""
    return text_ok(name, most) & ~pl.col(name).str.contains(r"^[\[{]").fill_null(False)


def cents(name):
    """Whole cents: a double holds 12 digits exactly, so that rounding gives the cents that were written."""
    return (pl.col(name).cast(pl.Float64, strict=False) * 100).round().cast(pl.Int64, strict=False)


def money_ok(name):
    form = pl.col(name).str.contains(r"^[0-9]+(\.[0-9]{1,2})?$").fill_null(False)
    return form & (cents(name) <= 999_999_999_999).fill_null(False)


def read(source):
    """Lines that are JSON objects, with their fields."""
    line = pl.col("line")
    brackets = pl.when(line.str.len_bytes() < 258).then(0).otherwise(line.str.count_matches(r"[\[{]"))
    lines = (
        pl.scan_csv(source, has_header=False, separator="\x01", quote_char=None, schema={"line": pl.String},
                    encoding="utf8-lossy")
        .filter(
            line.str.starts_with("{") & (line.str.len_bytes() <= 65_536) & ~line.str.contains("\ufffd", literal=True)
            & (brackets <= 128) & line.str.json_path_match("$.event_id").is_not_null()
        )
        .collect(engine="streaming")
    )  # fmt: skip
    text = io.BytesIO()
    lines.write_csv(text, include_header=False, quote_style="never", separator="\x01")
    text.seek(0)
    fields = pl.read_ndjson(text, schema=SCHEMA, ignore_errors=True)
    return fields.with_columns(lines["line"], pl.int_range(pl.len()).alias("number")).lazy()


def order_items(records):
    """The items of orders, and the orders whose items are all valid."""
    items = (
        records.filter(pl.col("event_type") == "order").select("number", "items").explode("items").unnest("items")
        .with_columns(
            (word_ok("product_id", 64) & optional_ok("category", 64) & money_ok("unit_price")
             & pl.col("quantity").str.contains(r"^[0-9]{1,5}$").fill_null(False)
             & pl.col("quantity").cast(pl.Int64, strict=False).is_between(1, 10_000).fill_null(False)).alias("ok")
        )
        .with_columns(pl.col("quantity").cast(pl.Int64, strict=False), cents("unit_price").alias("cents"))
        .select("number", "product_id", "quantity", pl.col("cents") * pl.col("quantity"), "ok")
        .collect(engine="streaming")
    )  # fmt: skip
    good = items.group_by("number").agg(pl.col("ok").all(), pl.len()).filter(pl.col("ok") & (pl.col("len") <= 100))
    return items.lazy(), good.lazy().select("number", pl.lit(True).alias("items_ok"))


def accepted_of(records, good_orders):
    kind = pl.col("event_type")
    line = pl.col("line")
    is_rare = kind.is_in(["order", "payment", "product", "customer"])
    # Only of the few that are no clicks, the line itself is looked at.
    odd_money = pl.when(is_rare).then(line).str.contains(NOT_MONEY).fill_null(False)
    odd_text = pl.when(kind.is_in(["product", "customer"])).then(line).str.contains(NOT_TEXT).fill_null(False)
    click = (
        (kind == "click") & text_ok("session_id", 64) & optional_ok("customer_id", 64) & optional_ok("product_id", 64)
        & ((pl.col("action").is_in(["view", "add_to_cart"]) & pl.col("product_id").is_not_null())
           | (pl.col("action") == "checkout"))
    )  # fmt: skip
    order = (
        (kind == "order") & word_ok("order_id", 64) & optional_ok("session_id", 64) & word_ok("customer_id", 64)
        & (pl.col("currency") == "USD") & money_ok("total") & pl.col("items_ok").fill_null(False) & ~odd_money
    )  # fmt: skip
    payment = (
        (kind == "payment") & word_ok("payment_id", 64) & word_ok("order_id", 64) & optional_ok("customer_id", 64)
        & word_ok("method", 32) & money_ok("amount") & (pl.col("currency") == "USD")
        & pl.col("status").is_in(["succeeded", "failed"]) & optional_ok("failure_reason", 64) & ~odd_money
    )  # fmt: skip
    customer = (
        (kind == "customer") & text_ok("customer_id", 64) & optional_ok("country", 64, 0)
        & optional_ok("segment", 64, 0) & ~odd_text
    )  # fmt: skip
    product = (
        (kind == "product") & word_ok("product_id", 64) & word_ok("name", 200) & word_ok("category", 64)
        & money_ok("price") & ~odd_money & ~odd_text
    )  # fmt: skip
    instant = pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    latest = int((time.time() + 300) * 1_000_000)
    valid = (
        records.join(good_orders, on="number", how="left", maintain_order="left")
        .with_columns(instant.dt.epoch("us").alias("time"))
        .filter(
            text_ok("event_id", 64) & pl.col("time").is_between(0, latest).fill_null(False)
            & (click | order | payment | customer | product).fill_null(False)
        )
        .select(
            "number", "event_id", "event_type", "time", "session_id", "customer_id", "action", "product_id", "method",
            "status", "failure_reason",
            pl.when(kind == "order").then(cents("total")).when(kind == "payment").then(cents("amount")).alias("cents"),
        )
    )  # fmt: skip
    start = pl.col("time") // 60_000_000 * 60
    return (
        # The record itself may be in the maximum: one that raises it is not late by either.
        valid.with_columns(start.alias("window_start"), pl.col("time").cum_max().alias("max"))
        .filter((pl.col("window_start") + 60) * 1_000_000 > pl.col("max") - 10_000_000)
        .unique("event_id", keep="any")
        .drop("event_id", "time", "max")
        .collect(engine="streaming")
        .lazy()
    )


def results_of(accepted, items):
    kind = pl.col("event_type")
    is_order, is_payment = kind == "order", kind == "payment"
    sold = accepted.filter(is_order).select("number", "window_start").join(items, on="number")
    units = sold.group_by("window_start").agg(pl.col("quantity").sum().alias("units"))
    paid = is_payment & (pl.col("status") == "succeeded")
    kpis = (
        accepted.group_by("window_start")
        .agg(
            pl.len().alias("events"),
            pl.col("cents").filter(is_order).sum().alias("revenue_cents"),
            is_order.sum().alias("orders"),
            pl.col("customer_id").filter(kind.is_in(["click", "order", "payment"])).drop_nulls().n_unique()
            .alias("unique_customers"),
            pl.col("session_id").filter(kind.is_in(["click", "order"])).drop_nulls().n_unique().alias("sessions"),
            paid.sum().alias("payments_succeeded"),
            (is_payment & (pl.col("status") == "failed")).sum().alias("payments_failed"),
            pl.col("cents").filter(paid).sum().alias("paid_revenue_cents"),
        )
        .join(units, on="window_start", how="left")
        .select(
            "window_start", "events", "revenue_cents", "orders", pl.col("units").fill_null(0), "unique_customers",
            "sessions", "payments_succeeded", "payments_failed", "paid_revenue_cents",
        )
    )  # fmt: skip
    key = ["window_start", "product_id"]
    clicked = (
        accepted.filter((kind == "click") & pl.col("product_id").is_not_null())
        .group_by(key)
        .agg((pl.col("action") == "view").sum().alias("views"),
             (pl.col("action") == "add_to_cart").sum().alias("add_to_carts"))
    )  # fmt: skip
    ordered = sold.group_by(key).agg(
        pl.col("number").n_unique().alias("orders"), pl.col("quantity").sum().alias("units"),
        pl.col("cents").sum().alias("revenue_cents"),
    )  # fmt: skip
    products = clicked.join(ordered, on=key, how="full", coalesce=True).select(
        *key, pl.col("views", "add_to_carts", "orders", "units", "revenue_cents").fill_null(0)
    )
    payments = (
        accepted.filter(is_payment)
        .group_by("window_start", "method", "status", "failure_reason")
        .agg(pl.len().alias("payments"), pl.col("cents").sum().alias("amount_cents"))
    )
    return {"kpis": kpis, "products": products, "payments": payments}


def main():
    source, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    records = read(source)
    items, good_orders = order_items(records)
    accepted = accepted_of(records, good_orders)
    results = results_of(accepted, items)
    for name, frame in zip(results, pl.collect_all(results.values(), engine="streaming")):
        frame.write_csv(folder / f"{name}.csv")


if __name__ == "__main__":
    main()
