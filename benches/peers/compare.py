#!/usr/bin/env python3
"""Compares a peer's results with Tillrace's Gold tables: every row, every value, money to the cent.

    compare.py GOLD RESULTS [--tables kpis,products,payments]

GOLD is the folder `gold` of a lake. RESULTS holds `kpis`, `products` and `payments`, each as NAME.csv, NAME.parquet or
a folder NAME of such files (as Spark and Flink write them), with the columns below: windows by their start in seconds
since 1970, money in whole cents. Prints a line for each table; the exit code is 1 where one differs, 2 where one
cannot be read.
"""

import argparse
import sys
from pathlib import Path

import duckdb

# What each table has: how Gold says it, and what peers call it. The first of KEYS' columns identify a row.
TABLES = {
    "kpis": {
        "window_start": "epoch(window_start)::BIGINT",
        "events": "events",
        "revenue_cents": "(revenue * 100)::BIGINT",
        "orders": "orders",
        "units": "units",
        "unique_customers": "unique_customers",
        "sessions": "sessions",
        "payments_succeeded": "payments_succeeded",
        "payments_failed": "payments_failed",
        "paid_revenue_cents": "(paid_revenue * 100)::BIGINT",
    },
    "products": {
        "window_start": "epoch(window_start)::BIGINT",
        "product_id": "product_id",
        "views": "views",
        "add_to_carts": "add_to_carts",
        "orders": "orders",
        "units": "units",
        "revenue_cents": "(revenue * 100)::BIGINT",
    },
    "payments": {
        "window_start": "epoch(window_start)::BIGINT",
        "method": "method",
        "status": "status",
        "failure_reason": "coalesce(failure_reason, '')",
        "payments": "payments",
        "amount_cents": "(amount * 100)::BIGINT",
    },
}
TEXTS = {"product_id", "method", "status", "failure_reason"}


class Unreadable(Exception):
    """Results are not there, or not such a table."""


def source_of(results, table, columns):
    """A query for a peer's table. Every value must be of its type; a number with a fraction is an error, not rounded."""
    folder = results / table
    # Peers whose format has no header write CSV without one into a folder.
    candidates = [results / f"{table}.csv", results / f"{table}.parquet"]
    if folder.is_dir():
        candidates += sorted(
            path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")) and path.stat().st_size > 0
        )
    files = [str(path) for path in candidates if path.is_file()]
    if not files:
        raise Unreadable(f"{results} has no {table}.csv, {table}.parquet or folder {table} with files")
    types = {name: "VARCHAR" if name in TEXTS else "BIGINT" for name in columns}
    names = ", ".join(f"'{path}'" for path in (file.replace("'", "''") for file in files))
    if all(file.endswith(".parquet") for file in files):
        relation = f"read_parquet([{names}])"
    else:
        with open(files[0]) as first:
            has_header = first.readline().startswith(("window_start", '"window_start"'))
        relation = (
            f"read_csv([{names}], header = {str(has_header).lower()}, auto_detect = false, delim = ',', quote = '\"',"
            f" escape = '\"', columns = {types})"
        )
    checked = []
    for name, kind in types.items():
        if kind == "VARCHAR":
            checked.append(f"coalesce({name}::VARCHAR, '') AS {name}")
        else:
            checked.append(
                f"CASE WHEN {name}::DECIMAL(38, 4) = {name}::BIGINT THEN {name}::BIGINT"
                f" ELSE error('{table}.{name} is no whole number: ' || {name}::VARCHAR) END AS {name}"
            )
    return f"SELECT {', '.join(checked)} FROM {relation}"


def compare(gold, results, tables=tuple(TABLES)):
    """A line for each table, and whether all are equal."""
    sql = duckdb.connect()
    sql.execute("SET TimeZone = 'UTC'")
    lines, equal = [], True
    for table in tables:
        columns = TABLES[table]
        glob = str(gold / f"{table}_1m" / "**" / "*.parquet").replace("'", "''")
        wanted = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
        try:
            sql.execute(
                f"CREATE OR REPLACE TABLE expected AS SELECT {wanted} FROM read_parquet('{glob}', hive_partitioning = false)"
            )
            sql.execute(f"CREATE OR REPLACE TABLE actual AS {source_of(results, table, columns)}")
        except duckdb.Error as error:
            raise Unreadable(f"{table} of {results}: {error}") from error
        differences = []
        for what, query in [
            ("missing", "(FROM expected) EXCEPT ALL (FROM actual)"),
            ("unexpected", "(FROM actual) EXCEPT ALL (FROM expected)"),
        ]:
            rows = sql.execute(f"SELECT * FROM ({query}) ORDER BY ALL").fetchall()
            if rows:
                first = " ".join(f"{name}={value}" for name, value in zip(columns, rows[0]))
                differences.append(f"{len(rows)} rows {what}, the first {first}")
        count = sql.execute("SELECT count(*) FROM expected").fetchone()[0]
        if count == 0:
            differences.append("Gold has no rows to compare with")
        if differences:
            equal = False
            lines.append(f"{table}: differs: " + "; ".join(differences))
        else:
            lines.append(f"{table}: {count} rows equal")
    return lines, equal


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--tables", default=",".join(TABLES), help="which, separated by commas")
    options = parser.parse_args()
    try:
        lines, equal = compare(options.gold, options.results, options.tables.split(","))
    except Unreadable as reason:
        print(f"compare.py: {reason}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
