"""The Gold tables of the contract (section 3) as plain data, and options as the command line writes them.

Written down a second time on purpose: `check.py` and `readers.py` compare a lake with this, not with the code that
made it.
"""

import re

# Column types by the names DuckDB gives them.
TIMESTAMP = "TIMESTAMP WITH TIME ZONE"
INT32 = "INTEGER"
INT64 = "BIGINT"
MONEY = "DECIMAL(18,2)"
DOUBLE = "DOUBLE"
TEXT = "VARCHAR"

LEADING = {"window_start": TIMESTAMP, "window_end": TIMESTAMP, "date_key": INT32, "minute_of_day": INT32}

EVERY_GRAIN = {
    "kpis": {
        "events": INT64,
        "revenue": MONEY,
        "orders": INT64,
        "aov": MONEY,
        "units": INT64,
        "unique_customers": INT64,
        "sessions": INT64,
        "payments_succeeded": INT64,
        "payments_failed": INT64,
        "paid_revenue": MONEY,
        "payment_success_rate": DOUBLE,
        "conversion_rate": DOUBLE,
    },
    "products": {
        "product_id": TEXT,
        "views": INT64,
        "add_to_carts": INT64,
        "orders": INT64,
        "units": INT64,
        "revenue": MONEY,
        "revenue_rank": INT32,
    },
    "categories": {"category": TEXT, "orders": INT64, "units": INT64, "revenue": MONEY, "revenue_rank": INT32},
    "funnel": {"stage": TEXT, "step": INT32, "sessions": INT64},
    "payments": {"method": TEXT, "status": TEXT, "failure_reason": TEXT, "payments": INT64, "amount": MONEY},
}
BASE_GRAIN = {
    "quality": {
        "records": INT64,
        "accepted": INT64,
        "duplicates": INT64,
        "late": INT64,
        "rejected": INT64,
        "delayed": INT64,
        "delay_p50_ms": DOUBLE,
        "delay_p99_ms": DOUBLE,
        "delay_max_ms": DOUBLE,
    },
    "rejections": {"reason": TEXT, "records": INT64},
}
CUSTOMER_ACTIVITY = {"customer_id": TEXT}
DIMENSIONS = {
    "dim_product": {"product_id": TEXT, "name": TEXT, "category": TEXT, "price": MONEY, "updated_at": TIMESTAMP},
    "dim_customer": {"customer_id": TEXT, "country": TEXT, "segment": TEXT, "updated_at": TIMESTAMP},
}

SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def grain_name(seconds):
    """The name of a grain, with the largest of d, h, m, s that divides: 60 is `1m`, 90 is `90s`."""
    return next(f"{seconds // unit}{letter}" for letter, unit in SECONDS.items() if seconds % unit == 0)


def seconds_of(text):
    """A span of whole seconds: `90`, `90s`, `1m`, `1h`, `1d`."""
    match = re.fullmatch(r"(\d+)([dhms]?)", text)
    if not match:
        raise ValueError(f"span {text!r} is not of the form 90, 90s, 1m, 1h or 1d")
    return int(match[1]) * SECONDS[match[2] or "s"]


def rollups_of(text):
    """Rollups in seconds, from short to long: `3600,86400`, `1h,1d`, `none`."""
    return [] if text == "none" else sorted({seconds_of(part) for part in text.split(",")})


def minutes_of(text):
    """A UTC offset in minutes: `+05:30` is 330."""
    match = re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", text)
    if not match:
        raise ValueError(f"utc offset {text!r} is not of the form +hh:mm or -hh:mm")
    return (-1 if match[1] == "-" else 1) * (int(match[2]) * 60 + int(match[3]))


def tables_of(window, rollups):
    """Every Gold table of a run, by name, with its columns and their types in order."""
    tables = {}
    for seconds in sorted({window, *rollups}):
        for name, columns in EVERY_GRAIN.items():
            tables[f"{name}_{grain_name(seconds)}"] = LEADING | columns
    for name, columns in BASE_GRAIN.items():
        tables[f"{name}_{grain_name(window)}"] = LEADING | columns
    if 86_400 in rollups:
        tables["customer_activity"] = LEADING | CUSTOMER_ACTIVITY
    return tables | DIMENSIONS
