"""Formats values as the model's format strings say: the part of Power BI's format language that this model uses."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

DATES = {
    "yyyy-mm-dd": "%Y-%m-%d",
    "yyyy-mm-dd hh:nn": "%Y-%m-%d %H:%M",
    "yyyy-mm-dd hh:nn:ss": "%Y-%m-%d %H:%M:%S",
    "hh:nn": "%H:%M",
}


def formatted(value, format_string, blank=""):
    """A value as text; `blank` where there is none."""
    if value is None:
        return blank
    if isinstance(value, (dt.date, dt.datetime, dt.time)):
        return value.strftime(DATES[format_string])
    if isinstance(value, (str, bool)) or not format_string:
        return str(value)
    sections = format_string.split(";")
    section = sections[0]
    if value < 0 and len(sections) > 1:
        section, value = sections[1], -value
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    return number(Decimal(str(value)), section)


def number(value, section):
    digits = section.strip("+-%")
    places = len(digits.split(".")[1]) if "." in digits else 0
    scaled = value * 100 if section.endswith("%") else value
    rounded = scaled.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    text = f"{rounded:,}" if "," in digits else f"{rounded}"
    sign = section[0] if section[0] in "+-" else ""
    return sign + text + ("%" if section.endswith("%") else "")
