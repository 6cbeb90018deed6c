#!/usr/bin/env python3
"""Writes the small files that the browser tests drop on the page: make_files.py FOLDER"""

import json
import sys
from pathlib import Path

START = 1_767_225_600_000

SCRIPT = "<script>globalThis.isHacked = 1</script>"
IMAGE = "<img src=x onerror=globalThis.isHacked=1>"


def names() -> list[dict]:
    """A shop whose names are markup, and whose texts hold what CSV must quote."""
    product = {"event_type": "product", "product_id": "p<1>", "name": SCRIPT, "category": IMAGE, "price": "9.99"}
    order = {"event_type": "order", "order_id": "o1", "customer_id": "c,1", "session_id": "s\"1", "currency": "USD", "total": "19.98"}
    item = {"product_id": "p<1>", "quantity": 2, "unit_price": "9.99"}
    payment = {"event_type": "payment", "payment_id": "y1", "order_id": "o1", "currency": "USD", "amount": "19.98"}
    click = {"event_type": "click", "session_id": "s\"1", "customer_id": "c,1", "product_id": "p<1>", "action": "view"}
    customer = {"event_type": "customer", "customer_id": "c,1", "country": "", "segment": "line\nbreak"}
    records = [
        product,
        customer,
        click,
        {**order, "items": [item]},
        {**payment, "method": "<b>card</b>", "status": "succeeded"},
        {**payment, "payment_id": "y2", "method": "<b>card</b>", "status": "failed", "failure_reason": "<i>no</i>"},
    ]
    return [{"event_id": f"e{n}", "event_time": START + n * 1000, **record} for n, record in enumerate(records)]


def main() -> None:
    folder = Path(sys.argv[1])
    lines = [json.dumps(record) for record in names()]
    (folder / "names.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "invalid.jsonl").write_text("no json\n[]\n")
    (folder / "broken.jsonl.gz").write_bytes(b"this is no gzip file")


if __name__ == "__main__":
    main()
