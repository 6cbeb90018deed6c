#!/usr/bin/env python3
"""Compares what WebAssembly made of a file with what the command line wrote of it: all tables, all rows, all columns.

    compare.py LAKE FOLDER

LAKE is a lake, FOLDER holds TABLE.parquet and TABLE.csv for each of its Gold tables. DuckDB reads all three.
Prints a line for what differs, and `N tables, N rows: equal`; exit 1 if anything does.
"""

import sys
from pathlib import Path

import duckdb


def columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def compare(lake: Path, folder: Path, table: str) -> tuple[int, list[str]]:
    """The number of rows, and what differs."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    native = f"read_parquet('{lake}/gold/{table}/**/*.parquet')"
    parquet = f"read_parquet('{folder}/{table}.parquet')"
    expected = columns(connection, native)
    found = columns(connection, parquet)
    if found != expected:
        return 0, [f"{table}.parquet has the columns {found}, expected {expected}"]
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in expected)
    csv = (
        f"read_csv('{folder}/{table}.csv', header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
        f"allow_quoted_nulls = false, columns = {{{types}}})"
    )
    wrong = []
    for name, relation in (("parquet", parquet), ("csv", csv)):
        for less, more, what in ((native, relation, "missing"), (relation, native, "too many")):
            difference = connection.execute(
                f"SELECT * FROM {less} EXCEPT ALL SELECT * FROM {more} LIMIT 1"
            ).fetchall()
            if difference:
                wrong.append(f"{table}.{name}: {what}, for example {difference[0]}")
    return connection.execute(f"SELECT count(*) FROM {native}").fetchone()[0], wrong


def main() -> int:
    lake, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tables = sorted(path.name for path in (lake / "gold").iterdir())
    found = sorted(path.stem for path in folder.glob("*.parquet"))
    wrong = [] if found == tables else [f"the tables are {found}, expected {tables}"]
    rows = 0
    for table in tables if not wrong else []:
        count, differences = compare(lake, folder, table)
        rows += count
        wrong += differences
    for line in wrong:
        print(line)
    if wrong or rows == 0:
        print(f"{len(wrong)} differences over {rows} rows")
        return 1
    print(f"{len(tables)} tables, {rows} rows: equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
