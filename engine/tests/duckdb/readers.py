#!/usr/bin/env python3
"""Opens every Gold table of a lake with the readers that people use, and looks at the files' footers.

    readers.py --lake LAKE --window 60s --rollup 1h,1d [--spark]

For each table: DuckDB, polars and pyarrow.dataset (parquet-cpp, on which Power BI's reader is built) see the same rows
under the columns and types of the contract, and every file keeps to what Power BI takes: signed integers, plain or
dictionary encoding, Snappy, data pages V1, no nesting, a folder a day, about 24 files a day. With `--spark` a local
Spark session opens the tables too, if pyspark can be imported. Prints a line for each table and at the end
`N passed, 0 failed`; the exit code is 1 where something is not so.

Whether the rows are the right ones is for `check.py` to say.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import duckdb
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet

from gold_tables import DOUBLE, INT32, INT64, MONEY, TEXT, TIMESTAMP, rollups_of, seconds_of, tables_of

# "At most about 24 a table and day" in the contract.
DAY_FILES_MAX = 30

ENCODINGS = {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}

# Each type of the contract as each reader names it. Parquet types are pairs of physical and logical type.
POLARS_TYPES = {
    TIMESTAMP: polars.Datetime("us", "UTC"),
    INT32: polars.Int32,
    INT64: polars.Int64,
    MONEY: polars.Decimal(18, 2),
    DOUBLE: polars.Float64,
    TEXT: polars.String,
}
ARROW_TYPES = {
    TIMESTAMP: [pyarrow.timestamp("us", "UTC"), pyarrow.timestamp("us", "+00:00")],
    INT32: [pyarrow.int32()],
    INT64: [pyarrow.int64()],
    MONEY: [pyarrow.decimal128(18, 2)],
    DOUBLE: [pyarrow.float64()],
    TEXT: [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()],
}
PARQUET_TYPES = {
    TIMESTAMP: r"INT64 Timestamp\(isAdjustedToUTC=true, timeUnit=microseconds.*",
    INT32: r"INT32 (None|Int\(bitWidth=32, isSigned=true\))",
    INT64: r"INT64 (None|Int\(bitWidth=64, isSigned=true\))",
    MONEY: r"(INT64|FIXED_LEN_BYTE_ARRAY) Decimal\(precision=18, scale=2\)",
    DOUBLE: r"DOUBLE None",
    TEXT: r"BYTE_ARRAY String",
}
SPARK_TYPES = {
    TIMESTAMP: "timestamp",
    INT32: "int",
    INT64: "bigint",
    MONEY: "decimal(18,2)",
    DOUBLE: "double",
    TEXT: "string",
}

# In a page header, whose first field is the page's type: how Thrift's compact protocol writes that of a data page V1.
DATA_PAGE_V1 = b"\x15\x00"


def unlike(what, found, expected):
    return [] if found == expected else [f"{what}: {found}, expected {expected}"]


def check_footer(path, columns):
    """What is wrong with a file's schema, encodings, compression or pages."""
    wrong = []
    file = pyarrow.parquet.ParquetFile(path)
    wrong += unlike(f"{path}: columns", [column.path for column in file.schema], list(columns))
    if wrong:
        return wrong
    for column, kind in zip(file.schema, columns.values()):
        found = f"{column.physical_type} {column.logical_type}"
        if not re.fullmatch(PARQUET_TYPES[kind], found):
            wrong.append(f"{path}: {column.name} is {found}")
        if column.max_repetition_level > 0 or column.max_definition_level > 1:
            wrong.append(f"{path}: {column.name} is nested")
    with open(path, "rb") as raw:
        for group in range(file.metadata.num_row_groups):
            for index in range(len(columns)):
                chunk = file.metadata.row_group(group).column(index)
                if chunk.compression != "SNAPPY":
                    wrong.append(f"{path}: {chunk.path_in_schema} is compressed with {chunk.compression}")
                if set(chunk.encodings) - ENCODINGS:
                    wrong.append(f"{path}: {chunk.path_in_schema} has encodings {chunk.encodings}")
                # The first data page speaks for the chunk.
                raw.seek(chunk.data_page_offset)
                if chunk.num_values and raw.read(2) != DATA_PAGE_V1:
                    wrong.append(f"{path}: {chunk.path_in_schema} has no data page V1")
    return wrong


def check_folders(folder, files, columns):
    """Rows of a windowed table lie in the folder of their day, which is that of `date_key`."""
    if "date_key" not in columns:
        return []
    wrong = []
    for path in files:
        keys = pyarrow.parquet.read_table(path, columns=["date_key"], partitioning=None)["date_key"].to_pylist()
        days = {f"{key // 10_000}-{key // 100 % 100:02}-{key % 100:02}" for key in keys}
        parts = path.relative_to(folder).parts
        if days and (len(parts) != 2 or {parts[0]} != days):
            wrong.append(f"{path} holds rows of {sorted(days)}")
    counts = Counter(path.parent.name for path in files)
    return wrong + [f"{count} files on {day}" for day, count in counts.items() if count > DAY_FILES_MAX]


def check_table(folder, columns):
    """What is wrong with a table; how many rows and files it has."""
    files = sorted(folder.glob("**/*.parquet"))
    if not files:
        return ["no files"], 0, 0
    wrong = [line for path in files for line in check_footer(path, columns)]
    wrong += check_folders(folder, files, columns)
    pattern = str(folder / "**" / "*.parquet")

    sql = duckdb.connect()
    sql.execute("SET TimeZone = 'UTC'")
    escaped = pattern.replace("'", "''")
    sql.execute(f"CREATE TABLE rows AS FROM read_parquet('{escaped}', hive_partitioning = false)")
    rows = sql.execute("SELECT count(*) FROM rows").fetchall()[0][0]
    found = {row[0]: row[1] for row in sql.execute("DESCRIBE rows").fetchall()}
    wrong += unlike("duckdb", list(found.items()), list(columns.items()))

    frame = polars.scan_parquet(pattern, hive_partitioning=False).collect()
    expected = [(name, POLARS_TYPES[kind]) for name, kind in columns.items()]
    wrong += unlike("polars", list(frame.schema.items()), expected)

    table = pyarrow.dataset.dataset(folder, format="parquet").to_table()
    wrong += unlike("pyarrow", table.schema.names, list(columns))
    for field in table.schema:
        if field.name in columns and field.type not in ARROW_TYPES[columns[field.name]]:
            wrong.append(f"pyarrow: {field.name} is {field.type}")

    for name, other in (("polars", frame.to_arrow()), ("pyarrow", table)):
        wrong += unlike(f"{name} rows", other.num_rows, rows)
        sql.register("other", other)
        for query in ("FROM rows EXCEPT ALL FROM other", "FROM other EXCEPT ALL FROM rows"):
            count = sql.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
            wrong += unlike(f"{name} rows other than DuckDB's", count, 0)
        sql.unregister("other")
    return wrong, rows, len(files)


def spark_session():
    """A local Spark session, or none where pyspark is not installed."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    builder = SparkSession.builder.master("local[2]").appName("tillrace-readers")
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def check_spark(session, folder, columns, rows):
    frame = session.read.option("recursiveFileLookup", "true").parquet(str(folder.absolute()))
    wrong = unlike("spark", frame.dtypes, [(name, SPARK_TYPES[kind]) for name, kind in columns.items()])
    # The hash makes Spark decode every value, which a count alone would not.
    count, _ = frame.selectExpr("hash(*) AS hash").selectExpr("count(hash)", "bit_xor(hash)").first()
    return wrong + unlike("spark rows", count, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--window", type=seconds_of, default="60s")
    parser.add_argument("--rollup", type=rollups_of, default="1h,1d", help="1h,1d or none")
    parser.add_argument("--spark", action="store_true", help="open the tables with Spark too, if pyspark is installed")
    options = parser.parse_args()
    session = spark_session() if options.spark else None
    if options.spark and session is None:
        print("readers.py: pyspark is not installed, going on without Spark", file=sys.stderr)

    gold = options.lake / "gold"
    tables = tables_of(options.window, options.rollup)
    passed = failed = 0
    for name, columns in tables.items():
        try:
            wrong, rows, files = check_table(gold / name, columns)
            if session and not wrong:
                wrong += check_spark(session, gold / name, columns, rows)
        except Exception as error:  # Whatever a reader throws, the other tables are looked at too.
            wrong, rows, files = [f"{type(error).__name__}: {error}"], 0, 0
        if wrong:
            failed += 1
            print(f"{name}: WRONG", *wrong[:10], sep="\n  ")
        else:
            passed += 1
            print(f"{name}: {rows} rows in {files} files read alike")
    for path in sorted(gold.glob("**/*.parquet")):
        if path.relative_to(gold).parts[0] not in tables:
            failed += 1
            print(f"{path}: WRONG\n  belongs to no table of this run")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
