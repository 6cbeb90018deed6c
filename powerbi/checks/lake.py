"""Checks of the Parquet files that a run has written: that Power BI's reader takes them, and that the model names what is there.

The subset is CONTRACT section 3's: signed integers, plain or dictionary encoding, Snappy, no nesting.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from findings import Finding
from rules import source_of

ENCODINGS = {"PLAIN", "RLE", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
CODECS = {"SNAPPY", "UNCOMPRESSED"}

# Gold columns that the model leaves out on purpose, with the reason.
LEFT_OUT = {
    "window_start": "only kpis need the instant; Date and Time of Day say when",
    "window_end": "only kpis need the instant; Date and Time of Day say when",
    "minute_of_day": "0 in a table of days; the first window of the day in customer_activity",
    "aov": "the measure divides revenue by orders of the whole selection",
    "payments_succeeded": "Payments has them by method",
    "payments_failed": "Payments has them by method",
    "payment_success_rate": "the measure divides the payments of the whole selection",
    "revenue_rank": "the measure ranks what is selected",
    "step": "Funnel Stage has it",
}
# Gold tables that the model leaves out on purpose, with the reason.
UNUSED = {
    "products_1m": "a row for each product and minute; hours are enough",
    "products_1d": "sums of products_1h",
    "categories_1m": "hours are enough",
    "categories_1d": "sums of categories_1h",
    "funnel_1m": "hours are enough",
    "payments_1h": "sums of payments_1m",
    "payments_1d": "sums of payments_1m",
}
NARROW = {"Int64.Type", "Currency.Type", "type text", "type datetime", "type number"}


def check(model, lake):
    """Everything that is wrong between the model and the Gold of a lake."""
    gold = Path(lake) / "gold"
    tables = {path.name: path for path in sorted(gold.iterdir()) if path.is_dir()} if gold.is_dir() else {}
    if not tables:
        return [Finding("gold-table", str(gold), "there are no Gold tables; write some with tillrace run")]
    findings = [finding for path in tables.values() for finding in check_files(gold, path)]
    return findings + list(check_columns(model, tables))


def check_files(gold, folder):
    """One schema per table, and each column chunk as the reader takes it."""
    first = None
    for path in sorted(folder.rglob("*.parquet")):
        where = path.relative_to(gold).as_posix()
        try:
            metadata = pq.ParquetFile(path).metadata
        except pa.ArrowInvalid as error:
            yield Finding("parquet-file", where, f"cannot be read: {error}")
            continue
        schema = [str(metadata.schema.column(index)) for index in range(metadata.num_columns)]
        first = first or schema
        if schema != first:
            yield Finding("parquet-schema", where, "the schema differs from that of the table's other files")
        for index in range(metadata.num_columns):
            for problem in column_problems(metadata.schema.column(index)):
                yield Finding("parquet-type", where, problem)
        for group in range(metadata.num_row_groups):
            for index in range(metadata.num_columns):
                yield from chunk_problems(where, metadata.row_group(group).column(index))


def column_problems(column):
    kind = column.logical_type
    name, text = column.name, str(kind)
    if column.max_repetition_level > 0 or "." in column.path:
        yield f"{name} is nested"
    if column.physical_type == "INT96":
        yield f"{name} is INT96, which has no rule about zones"
    if kind.type == "INT" and "isSigned=false" in text:
        yield f"{name} is unsigned: Power BI reads signed integers"
    if kind.type == "TIMESTAMP" and ("nanoseconds" in text or "isAdjustedToUTC=true" not in text):
        yield f"{name} is {text}; expected micro- or milliseconds adjusted to UTC"
    if kind.type == "DECIMAL" and (column.precision > 18 or column.scale > 4):
        yield f"{name} is DECIMAL({column.precision},{column.scale}); fixed decimal holds 18 digits with 4 places"
    if kind.type == "NONE" and column.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
        yield f"{name} holds bytes, which no column of a model can"
    if kind.type not in ("NONE", "INT", "TIMESTAMP", "DECIMAL", "STRING", "DATE"):
        yield f"{name} is {text}"


def chunk_problems(where, chunk):
    strange = set(chunk.encodings) - ENCODINGS
    if strange:
        yield Finding("parquet-encoding", where, f"{chunk.path_in_schema} is encoded as {', '.join(sorted(strange))}")
    if chunk.compression not in CODECS:
        yield Finding("parquet-codec", where, f"{chunk.path_in_schema} is compressed with {chunk.compression}")


def arrow_schema(folder):
    path = next(iter(sorted(folder.rglob("schema.parquet"))), None) or next(iter(sorted(folder.rglob("*.parquet"))))
    return pq.read_schema(path)


def m_type(kind):
    """The M type that a Parquet column takes without loss."""
    if pa.types.is_signed_integer(kind):
        return "Int64.Type"
    if pa.types.is_decimal(kind):
        return "Currency.Type"
    if pa.types.is_timestamp(kind):
        return "type datetime"
    if pa.types.is_floating(kind):
        return "type number"
    return "type text" if pa.types.is_string(kind) else str(kind)


def check_columns(model, tables):
    """Columns of TMDL, M and Parquet: names and types, and nothing in Gold that nobody has thought of."""
    taken = {}
    for table in model.tables.values():
        for _, gold, columns in source_of(table):
            if gold not in tables:
                yield Finding(
                    "gold-table",
                    table.name,
                    f"reads {gold!r}, which the lake does not have; it has {', '.join(tables)}",
                )
                continue
            schema = arrow_schema(tables[gold])
            taken.setdefault(gold, set()).update(columns or {})
            for name, kind in (columns or {}).items():
                if name not in schema.names:
                    yield Finding(
                        "gold-column",
                        table.name,
                        f"takes {name!r}, which {gold} does not have: {', '.join(schema.names)}",
                    )
                elif m_type(schema.field(name).type) != kind:
                    yield Finding("gold-type", table.name, f"{gold}.{name} is {schema.field(name).type}; M says {kind}")
    for gold, path in tables.items():
        if gold not in taken and gold not in UNUSED:
            yield Finding("gold-unused", gold, "no table of the model reads it and no reason says why")
        for name in arrow_schema(path).names if gold in taken else ():
            if name not in taken[gold] and name not in LEFT_OUT:
                yield Finding("gold-unused", gold, f"the column {name!r} is taken by nothing and no reason says why")
