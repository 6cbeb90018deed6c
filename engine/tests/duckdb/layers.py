#!/usr/bin/env python3
"""Checks Bronze, Silver and quarantine of a lake against the input, and Gold against Silver, by SQL in DuckDB.

    layers.py --lake LAKE --input events-a.jsonl --input events-b.jsonl.gz --window 60s --rollup 1h,1d

- Every line of the input is in `bronze/events`, byte for byte, once.
- Every record is in exactly one of Silver's tables and the quarantine's, by source, partition and offset; an order's
  items are rows of an order that is there.
- `kpis_*` and `products_*` of every grain follow from Silver alone: recomputed by GROUP BY and compared as multisets in
  both directions.
- Polars and Arrow C++ read as many rows of each table as DuckDB.

Prints a line for each and exits with 1 where one fails.
"""

import argparse
import gzip
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow.dataset

from gold_tables import grain_name, minutes_of, rollups_of, seconds_of

SILVER = ["clicks", "orders", "order_items", "payments", "customers", "products"]
QUARANTINE = ["late", "duplicates", "rejected"]
LINE_BYTES_MAX = 65_536

# `window_start` is that of the base window; a grain's windows are aligned to local midnight.
WORDS = """
CREATE MACRO start_of(instant, length, utc_offset) AS
    ((epoch_us(instant) + utc_offset) // length) * length - utc_offset;
CREATE MACRO cents(money) AS (money * 100)::HUGEINT;
CREATE MACRO dollars(cents) AS (cents::DECIMAL(36, 2) / 100)::DECIMAL(18, 2);
"""

# Rows of a grain by the columns that only Gold's own code makes otherwise: the window's end and its dates are left out.
KPIS = """
WITH click AS (SELECT *, {start} AS start FROM clicks),
    ordered AS (SELECT *, {start} AS start FROM orders),
    item AS (SELECT *, {start} AS start FROM order_items),
    paid AS (SELECT *, {start} AS start FROM payments),
    event AS (
        SELECT start FROM click UNION ALL SELECT start FROM ordered UNION ALL SELECT start FROM paid
        UNION ALL SELECT {start} FROM customers UNION ALL SELECT {start} FROM products),
    event_count AS (SELECT start, count(*) AS events FROM event GROUP BY start),
    order_sum AS (SELECT start, count(*) AS orders, sum(cents(total)) AS revenue FROM ordered GROUP BY start),
    item_sum AS (SELECT start, sum(quantity) AS units FROM item GROUP BY start),
    customer_count AS (
        SELECT start, count(DISTINCT customer_id) AS unique_customers FROM (
            SELECT start, customer_id FROM click UNION ALL SELECT start, customer_id FROM ordered
            UNION ALL SELECT start, customer_id FROM paid) GROUP BY start),
    session_count AS (
        SELECT start, count(DISTINCT session_id) AS sessions,
            count(DISTINCT session_id) FILTER (stage = 'order') AS buying,
            count(DISTINCT session_id) FILTER (stage = 'view') AS viewing
        FROM (SELECT start, session_id, action AS stage FROM click
            UNION ALL SELECT start, session_id, 'order' FROM ordered) GROUP BY start),
    payment_sum AS (
        SELECT start, count(*) FILTER (status = 'succeeded') AS succeeded, count(*) FILTER (status = 'failed') AS failed,
            sum(cents(amount)) FILTER (status = 'succeeded') AS paid_revenue FROM paid GROUP BY start)
SELECT make_timestamptz(start) AS window_start, events, dollars(coalesce(revenue, 0)) AS revenue,
    coalesce(orders, 0) AS orders, dollars((revenue * 2 + orders) // (orders * 2)) AS aov,
    coalesce(units, 0)::BIGINT AS units, coalesce(unique_customers, 0) AS unique_customers,
    coalesce(sessions, 0) AS sessions, coalesce(succeeded, 0) AS payments_succeeded,
    coalesce(failed, 0) AS payments_failed, dollars(coalesce(paid_revenue, 0)) AS paid_revenue,
    succeeded::DOUBLE / nullif(succeeded + failed, 0) AS payment_success_rate,
    buying::DOUBLE / nullif(viewing, 0) AS conversion_rate
FROM event_count LEFT JOIN order_sum USING (start) LEFT JOIN item_sum USING (start)
    LEFT JOIN customer_count USING (start) LEFT JOIN session_count USING (start) LEFT JOIN payment_sum USING (start)
"""

PRODUCTS = """
WITH seen AS (
    SELECT {start} AS start, product_id, (action = 'view')::BIGINT AS views,
        (action = 'add_to_cart')::BIGINT AS add_to_carts, 0 AS units, 0 AS revenue, NULL AS holder
    FROM clicks WHERE product_id IS NOT NULL
    UNION ALL
    SELECT {start}, product_id, 0, 0, quantity, cents(unit_price) * quantity, struct_pack(source, partition, "offset")
    FROM order_items),
    summed AS (
        SELECT start, product_id, sum(views) AS views, sum(add_to_carts) AS add_to_carts,
            count(DISTINCT holder) AS orders, sum(units) AS units, sum(revenue) AS revenue
        FROM seen GROUP BY start, product_id)
SELECT make_timestamptz(start) AS window_start, product_id, views::BIGINT AS views,
    add_to_carts::BIGINT AS add_to_carts, orders, units::BIGINT AS units, dollars(revenue) AS revenue,
    (row_number() OVER (PARTITION BY start ORDER BY revenue DESC, units DESC, product_id))::INTEGER
        AS revenue_rank
FROM summed
"""


def records_of(path):
    """The lines of a file that are records, each with its byte offset in the uncompressed file."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    for line in data[at:].split(b"\n"):
        if line.removesuffix(b"\r").strip(b" \t"):
            yield at, line.removesuffix(b"\r")
        at += len(line) + 1


class Check:
    def __init__(self, lake):
        self.lake = lake
        self.failed = 0
        self.passed = 0
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute(WORDS)
        for layer, tables in (("bronze", ["events"]), ("silver", SILVER), ("quarantine", QUARANTINE)):
            for table in tables:
                name = table if layer == "silver" else f"{layer}_{table}"
                self.db.execute(
                    f"CREATE VIEW {name} AS FROM read_parquet('{lake}/{layer}/{table}/**/*.parquet', "
                    "hive_partitioning = false)"
                )
                self.check_readers(layer, table, self.db.execute(f"SELECT count(*) FROM {name}").fetchone()[0])

    def judge(self, what, differences):
        if differences:
            self.failed += 1
            print(f"FAILED {what}: {len(differences)} differences, such as {differences[:3]}")
        else:
            self.passed += 1
            print(f"passed {what}")

    def check_readers(self, layer, table, rows):
        files = sorted(str(path) for path in (self.lake / layer / table).rglob("*.parquet"))
        found = {
            "polars": polars.scan_parquet(files, glob=False).select(polars.len()).collect().item(),
            "arrow": sum(batch.num_rows for batch in pyarrow.dataset.dataset(files).to_batches()),
        }
        self.judge(f"{layer}/{table}: readers", [(reader, count) for reader, count in found.items() if count != rows])

    def check_bronze(self, inputs):
        expected = {}
        for source in inputs:
            for offset, line in records_of(source):
                expected[(str(source), 0, offset)] = line[:LINE_BYTES_MAX]
        found = self.db.execute('SELECT source, partition, "offset", raw FROM bronze_events').fetchall()
        places = {row[:3] for row in found}
        self.judge("bronze: every line", [place for place in expected if place not in places])
        self.judge("bronze: none twice", ["a line"] * (len(found) - len(places)))
        self.judge("bronze: byte for byte", [row[:3] for row in found if expected.get(row[:3]) != row[3]])

    def check_books(self):
        places = " UNION ALL ".join(
            f'SELECT source, partition, "offset" FROM {name}'
            for name in [table for table in SILVER if table != "order_items"] + [f"quarantine_{t}" for t in QUARANTINE]
        )
        for what, first, second in [("each record is somewhere", "bronze_events", f"({places})"),
                                    ("no record is there twice", f"({places})", "bronze_events")]:
            rows = self.db.execute(
                f'SELECT source, partition, "offset" FROM {first} EXCEPT ALL '
                f'SELECT source, partition, "offset" FROM {second}'
            ).fetchall()
            self.judge(what, rows)
        orphans = "FROM order_items ANTI JOIN orders USING (source, partition, \"offset\", event_id, order_id, event_time)"
        self.judge("items belong to orders", self.db.execute(orphans).fetchall())
        ids = "SELECT event_id, window_start FROM {} "
        ids = " UNION ALL ".join(ids.format(table) for table in SILVER if table != "order_items")
        doubles = f"SELECT event_id FROM ({ids}) GROUP BY event_id, window_start HAVING count(*) > 1"
        self.judge("no identifier twice in a window", self.db.execute(doubles).fetchall())

    def check_gold(self, seconds, utc_offset):
        start = f"start_of(window_start, {seconds * 1_000_000}, {utc_offset})"
        for table, query in (("kpis", KPIS), ("products", PRODUCTS)):
            name = f"{table}_{grain_name(seconds)}"
            self.db.execute(f"CREATE OR REPLACE TEMP TABLE expected AS {query.format(start=start)}")
            columns = ", ".join(column[0] for column in self.db.execute("FROM expected LIMIT 0").description)
            gold = f"SELECT {columns} FROM read_parquet('{self.lake}/gold/{name}/**/*.parquet', hive_partitioning = false)"
            ours = f"SELECT {columns} FROM expected"
            missing = self.db.execute(f"{ours} EXCEPT ALL ({gold})").fetchall()
            surplus = self.db.execute(f"{gold} EXCEPT ALL ({ours})").fetchall()
            self.judge(f"gold/{name} from silver", missing + surplus)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--input", type=Path, action="append", required=True)
    parser.add_argument("--window", default="60s")
    parser.add_argument("--rollup", default="1h,1d")
    parser.add_argument("--utc-offset", default="+00:00")
    options = parser.parse_args()
    check = Check(options.lake)
    check.check_bronze(options.input)
    check.check_books()
    for seconds in [seconds_of(options.window)] + rollups_of(options.rollup):
        check.check_gold(seconds, minutes_of(options.utc_offset) * 60_000_000)
    print(f"{check.passed} passed, {check.failed} failed")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
