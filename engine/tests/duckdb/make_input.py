#!/usr/bin/env python3
"""Writes JSON Lines that meet every rule of the contract often enough to tell a right lake from a wrong one.

    make_input.py --seed 1 --output DIR

The same seed gives the same bytes. About 40 000 records: dense from 2026-01-01T22:00Z to 02:00Z, sparse around it,
so that hours, local days and empty windows vary. The seed also decides how many files there are, unless `--files`
does:

    events-a.jsonl       always
    events-b.jsonl.gz    two files or more
    events-c.jsonl       three files: CRLF, a byte order mark, no line end after the last line
    nothing-valid.jsonl  with three files: a partition of rejected records only

Copies of an `event_id` that differ from each other stay within one file, since across files the contract lets any of
them count; equal copies go anywhere. A rejected record breaks exactly one rule, since of several any may be named. The
newest valid event is of 2026-01-08, so a machine whose clock is before that would call it a future one.

The paths are printed, one a line, in the order in which a run should get them.
"""

import argparse
import gzip
import json
import random
import uuid
from pathlib import Path

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# 2026-01-01T00:00:00Z, in microseconds.
FIRST_DAY = 1_767_225_600 * SECOND
LINE_BYTES_MAX = 65_536

# Ids of every length class: short, 16 bytes, 17 bytes, 64 bytes, beyond ASCII. The two last of the products sort
# differently by bytes and by UTF-16 units.
PRODUCTS = [f"p{number:02}" for number in range(30)] + [
    "sixteen-bytes-id",
    "seventeen-bytes-i",
    "p" * 64,
    "Z-capital",
    "café",
    "\uff5a-wide",
    "\U0001f600-emoji",
]
CATEGORIES = ["books", "garden", "toys", "Toys", "küche", "unknown", "\U0001f3b8"]
METHODS = ["card", "paypal", "invoice", "bank transfer"]
REASONS = ["declined", "timeout", "fraud \"check\"", "limit\\exceeded"]
PRICES = [100, 250, 250, 999, 1_999, 5_000, 12_345]


class Input:
    """Collects the lines of all files, each with the moment that decides its place in its file."""

    def __init__(self, seed, files):
        self.random = random.Random(seed)
        self.files = files
        self.lines = [[] for _ in range(files)]
        self.ids = 0

    # How values are written ---------------------------------------------------------------------------------------

    def text(self, value):
        """A JSON string, with escapes where they are needed and sometimes where they are not."""
        written = json.dumps(value, ensure_ascii=self.random.random() < 0.5)
        if self.random.random() < 0.02:
            written = written.replace("o", "\\u006f").replace("/", "\\/")
        return written

    def money(self, cents):
        """A JSON number or a string of it; trailing zeros and, in strings, leading ones come and go."""
        whole, part = divmod(cents, 100)
        forms = [f"{whole}.{part:02}"] * 3
        if part % 10 == 0:
            forms.append(f"{whole}.{part // 10}")
        if part == 0:
            forms.append(f"{whole}")
        written = self.random.choice(forms)
        if self.random.random() < 0.3:
            return '"' + ("00" if self.random.random() < 0.1 else "") + written + '"'
        return written

    def time(self, micros):
        """RFC 3339 in its many forms, or an integer of milliseconds where the instant is whole milliseconds."""
        if micros % 1_000 == 0 and self.random.random() < 0.3:
            return str(micros // 1_000)
        choose = self.random.random()
        minutes, offset = 0, "Z"
        if choose < 0.05:
            offset = "z"
        elif choose < 0.08:
            offset = "-00:00"
        elif choose < 0.35:
            minutes = self.random.choice([60, -300, 330, -570, 1_439, -1_439])
            offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        local = micros + minutes * MINUTE
        day, rest = divmod(local - FIRST_DAY, DAY)
        # Every instant lies in December 2025 or January 2026.
        date = f"2026-01-{1 + day:02}" if day >= 0 else f"2025-12-{32 + day:02}"
        clock = f"{rest // HOUR:02}:{rest // MINUTE % 60:02}:{rest // SECOND % 60:02}"
        fraction = f"{rest % SECOND:06}"
        if self.random.random() < 0.1:
            # Digits past the microsecond are cut, so a run of nines must not round up.
            fraction += self.random.choice(["9", "999", "5", "0001"])
        elif self.random.random() < 0.8:
            fraction = fraction.rstrip("0")
        separator = self.random.choices("Tt ", [90, 5, 5])[0]
        return f'"{date}{separator}{clock}{"." if fraction else ""}{fraction}{offset}"'

    def fields(self, kind, micros, **more):
        """An event as a dict from field name to JSON text. `event_id` may come in `more`."""
        self.ids += 1
        fields = {
            "event_id": self.text(more.pop("event_id", None) or self.event_id()),
            "event_type": f'"{kind}"',
            "event_time": self.time(micros),
        }
        fields.update((name, value) for name, value in more.items() if value is not None)
        return fields

    def event_id(self):
        """Mostly short ids; now and then a UUID, or one of the greatest length."""
        choose = self.random.random()
        if choose < 0.2:
            return str(uuid.UUID(int=self.random.getrandbits(128)))
        if choose < 0.22:
            return f"{self.ids:064}"
        return f"e{self.ids}"

    def line(self, fields):
        """One line: fields in any order, legal whitespace, fields that no rule looks at."""
        pairs = list(fields.items())
        if self.random.random() < 0.5:
            self.random.shuffle(pairs)
        if self.random.random() < 0.1:
            noise = '{"total":-1,"event_id":null,"items":[[[{"quantity":0}]]],"x":"\\"}{"}'
            pairs.insert(self.random.randrange(len(pairs)), ("context", noise))
        if self.random.random() < 0.02:
            pairs.append(("note", self.text("ß" * self.random.randrange(2_000))))
        colon, comma = self.random.choice([(":", ","), (": ", ", "), (" :\t", " ,  ")])
        names = (json.dumps(name) for name, _ in pairs)
        body = comma.join(f"{name}{colon}{value}" for name, (_, value) in zip(names, pairs))
        if self.random.random() < 0.01:
            body = body.replace('"event_id"', '"event\\u005fid"', 1)
        return f"{{{body}}}".encode()

    # Where lines go -----------------------------------------------------------------------------------------------

    def delay(self):
        """How much later than its event time a record comes. Most are in order but for some hundredths."""
        choose = self.random.random()
        if choose < 0.70:
            return self.random.randrange(SECOND // 2)
        if choose < 0.93:
            return self.random.randrange(9 * SECOND)
        if choose < 0.975:
            return self.random.randrange(9 * SECOND, 70 * SECOND)
        return self.random.randrange(70 * SECOND, 15 * MINUTE)

    def put(self, file, arrival, line):
        self.lines[file].append((arrival, len(self.lines[file]), line))

    def add(self, micros, fields, file=None):
        """Adds an event, perhaps with copies of it."""
        if file is None:
            file = self.random.choices(range(self.files), [5, 3, 2][: self.files])[0]
        line = self.line(fields)
        arrival = micros + self.delay()
        self.put(file, arrival, line)
        choose = self.random.random()
        if choose < 0.020:
            # Equal copies, sometimes written differently, in any files, soon or late.
            for _ in range(self.random.choice([1, 1, 1, 2, 4])):
                copy = line if self.random.random() < 0.7 else self.line(fields)
                after = self.random.choice([0, SECOND, 5 * SECOND, 40 * SECOND, 5 * MINUTE])
                self.put(self.random.randrange(self.files), arrival + self.random.randrange(after + 1), copy)
        elif choose < 0.035:
            # Copies that differ, in the same file: around the moment the first one's window closes, and long after.
            time = micros
            for _ in range(self.random.choice([1, 1, 2, 5])):
                time += self.random.choice([0, 1, 20, 50, 80, 110, 300]) * SECOND + self.random.randrange(SECOND)
                other = self.click_or_payment(time) | {"event_id": fields["event_id"]}
                self.put(file, time + self.delay(), self.line(other))

    def click_or_payment(self, micros):
        if self.random.random() < 0.5:
            return self.click(micros, "view", self.session(), self.customer())
        return self.payment(micros, f"o{self.random.randrange(500)}", self.customer(), self.random.randrange(90_000))

    # What happens in the shop -------------------------------------------------------------------------------------

    def customer(self):
        return f"c{min(self.random.randrange(400), self.random.randrange(400))}"

    def session(self):
        """Short ids that come again in other windows, and UUIDs in both cases, which as texts are two sessions."""
        if self.random.random() < 0.5:
            return f"s{self.random.randrange(900)}"
        identifier = str(uuid.UUID(int=self.random.randrange(200) + (0xABCDEF << 64)))
        return identifier.upper() if self.random.random() < 0.3 else identifier

    def product(self):
        return PRODUCTS[min(self.random.randrange(len(PRODUCTS)), self.random.randrange(len(PRODUCTS)))]

    def optional(self, value, share=0.7):
        """The value as JSON text, an explicit null, or nothing at all."""
        if self.random.random() < share:
            return self.text(value)
        return self.random.choice(["null", None])

    def click(self, micros, action, session, customer):
        product = self.text(self.product())
        if action == "checkout":
            product = self.random.choice([None, None, "null", product])
        # A click's currency and total are fields that nobody looks at.
        noise = {"currency": '"EUR"', "total": '"no money"'} if self.random.random() < 0.02 else {}
        return self.fields(
            "click",
            micros,
            session_id=self.text(session),
            customer_id=self.optional(customer, 0.8),
            action=f'"{action}"',
            product_id=product,
            **noise,
        )

    def items(self, count):
        """Order items; a product may come twice, with and without a category of its own."""
        items, cents = [], 0
        products = [self.product() for _ in range(count)]
        if count > 1 and self.random.random() < 0.3:
            products[1] = products[0]
        for product in products:
            price, quantity = self.random.choice(PRICES), self.random.choice([1, 1, 1, 2, 3, 10])
            cents += price * quantity
            fields = {
                "product_id": self.text(product),
                "quantity": str(quantity),
                "unit_price": self.money(price),
                "category": self.optional(self.random.choice(CATEGORIES), 0.5),
                "colour": '{"deep":[1,{"quantity":-1}]}' if self.random.random() < 0.05 else None,
            }
            pairs = [(name, value) for name, value in fields.items() if value is not None]
            self.random.shuffle(pairs)
            items.append("{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}")
        return items, cents

    def order(self, micros, order, session, customer):
        count = 100 if self.random.random() < 0.002 else self.random.choice([1, 1, 2, 3, 6])
        items, cents = self.items(count)
        # The total is what the customer pays, not the items' sum, so that neither can stand for the other.
        total = max(0, cents + self.random.choice([0, 499, -333, 1]))
        return self.fields(
            "order",
            micros,
            order_id=self.text(order),
            session_id=self.optional(session, 0.7),
            customer_id=self.text(customer),
            currency='"USD"',
            total=self.money(total),
            items=f"[{','.join(items)}]",
        )

    def payment(self, micros, order, customer, cents):
        failed = self.random.random() < 0.25
        reason = self.optional(self.random.choice(REASONS), 0.6 if failed else 0.03)
        return self.fields(
            "payment",
            micros,
            payment_id=self.text(f"pay{self.ids}"),
            order_id=self.text(order),
            customer_id=self.optional(customer, 0.6),
            method=self.text(self.random.choice(METHODS)),
            amount=self.money(cents),
            currency='"USD"',
            status='"failed"' if failed else '"succeeded"',
            failure_reason=reason,
        )

    def product_update(self, micros, product, event_id=None):
        return self.fields(
            "product",
            micros,
            event_id=event_id,
            product_id=self.text(product),
            name=self.text(f"Name of {product[:9]} / {self.random.randrange(100)}"),
            category=self.text(self.random.choice(CATEGORIES)),
            price=self.money(self.random.randrange(1, 20_000)),
        )

    def customer_update(self, micros, customer):
        return self.fields(
            "customer",
            micros,
            customer_id=self.text(customer),
            country=self.optional(self.random.choice(["DE", "US", "IN", ""])),
            segment=self.optional(self.random.choice(["new", "vip"])),
        )

    def instant(self, micros):
        """Half of the instants are whole milliseconds, some whole seconds."""
        return micros - micros % self.random.choice([1, 1_000, 1_000, SECOND])

    def journey(self, start):
        """One session from view to payment, which may cross windows, hours and midnight."""
        session, customer, time = self.session(), self.customer(), start
        pace = self.random.choice([5, 30, 200]) * SECOND
        for action, share in [("view", 1.0), ("view", 0.6), ("add_to_cart", 0.6), ("checkout", 0.7)]:
            if self.random.random() >= share:
                continue
            self.add(time, self.click(time, action, session, customer))
            time = self.instant(time + self.random.randrange(pace))
        if self.random.random() < 0.45:
            # Few enough order ids that some come again: every accepted order event counts.
            order = f"o{self.random.randrange(20_000)}"
            self.add(time, self.order(time, order, session, customer))
            time = self.instant(time + self.random.randrange(pace))
            if self.random.random() < 0.9:
                self.add(time, self.payment(time, order, customer, self.random.randrange(1, 50_000)))

    # Records of particular interest -------------------------------------------------------------------------------

    def catalogue(self):
        """Product and customer updates all day long. Some products never get one, so that they are unknown."""
        known = [product for product in PRODUCTS if product not in ("p03", "p07")]
        for product in known:
            if self.random.random() < 0.7:
                time = FIRST_DAY + self.random.randrange(20 * HOUR)
                self.add(time, self.product_update(time, product))
        for _ in range(700):
            time = self.instant(FIRST_DAY + 22 * HOUR + self.random.randrange(4 * HOUR))
            choose = self.random.random()
            if choose < 0.15:
                # At a window's end, and the last microsecond before it.
                time = time - time % (3 * MINUTE) - self.random.randrange(2)
            product = self.random.choice(known)
            self.add(time, self.product_update(time, product))
            if choose > 0.85:
                # Several at the same instant: the greatest event_id by bytes wins.
                for suffix in self.random.sample(["9", "10", "Z", "a", "\uff5a", "\U0001f600"], 3):
                    self.ids += 1
                    self.add(time, self.product_update(time, product, f"tie-{time}-{suffix}-{self.ids}"))
        for _ in range(600):
            time = self.instant(FIRST_DAY + 21 * HOUR + self.random.randrange(6 * HOUR))
            self.add(time, self.customer_update(time, self.customer()))

    def borders(self, file):
        """The lateness rule below, at and above its border, and the duplicate rule with it.

        Blocks on days of their own, in order, one for each lateness that the tests use. `end` ends a window of 60 s
        and of 90 s alike.
        """
        for day, lateness in [(6, 10 * SECOND), (7, 45 * SECOND)]:
            end = FIRST_DAY + day * DAY + (5 + file) * HOUR
            arrival = end
            times = [
                ("first", end - 5 * SECOND),
                ("below", end + lateness - 1),  # the watermark is a microsecond short of the end
                ("intime", end - 1),  # so this one is in time
                ("first", end + lateness - 2),  # and this copy a duplicate, though it differs
                ("at", end + lateness),  # the watermark is the end
                ("late", end - 1),  # so this one is late
                ("first", end + lateness - 2),  # and this copy counts anew
                ("first", end + lateness - 2),  # once
                ("above", end + lateness + 1),
                ("late", end - 2),
                ("late", end),
            ]
            for name, time in times:
                arrival += 1
                fields = self.click(time, "view", f"border-{name}", "c-border")
                fields["event_id"] = f'"border-{file}-{day}-{name}"'
                self.put(file, 30 * DAY + arrival, self.line(fields))

    def ties(self, file):
        """Products and categories of equal revenue and units, whose bytes and UTF-16 units sort differently."""
        time = FIRST_DAY + 5 * DAY + file * HOUR
        pairs = [("\U0001f600-emoji", "\U0001f3b8"), ("\uff5a-wide", "\uff5a"), ("Z-capital", "Toys"), ("p05", "toys")]
        items = [
            f'{{"product_id":{self.text(product)},"quantity":2,"unit_price":"7.50","category":{self.text(category)}}}'
            for product, category in pairs
        ]
        order = self.order(time, f"o-ties-{file}", "s-ties", "c-ties") | {"items": f"[{','.join(items)}]"}
        self.put(file, time, self.line(order))

    def large(self, file):
        """The greatest amounts, and the longest line that is still read."""
        time = FIRST_DAY + DAY + 3 * HOUR
        order = self.order(time, "o-large", "s-large", "c-large") | {"total": '"9999999999.99"'}
        self.add(time, order, file)
        payment = self.payment(time, "o-large", "c-large", 999_999_999_999)
        self.add(time, payment, file)
        longest = self.product_update(time, "p00") | {"note": '""'}
        body = ",".join(f'"{name}":{value}' for name, value in longest.items())
        padding = LINE_BYTES_MAX - len(f"{{{body}}}".encode())
        self.put(file, time, f"{{{body}}}".replace('"note":""', f'"note":"{"x" * padding}"').encode())

    def rejects(self):
        """Makers of lines that each break one rule. A maker gets an instant and gives the line."""
        some = self.random

        def changed(kind, **changes):
            """An event of a kind with fields set to other JSON text; those set to None are left out."""

            def make(micros):
                makers = {
                    "view": lambda: self.click(micros, "view", self.session(), self.customer()),
                    "checkout": lambda: self.click(micros, "checkout", self.session(), self.customer()),
                    "order": lambda: self.order(micros, "o1", self.session(), self.customer()),
                    "payment": lambda: self.payment(micros, "o1", self.customer(), 500),
                    "product": lambda: self.product_update(micros, self.product()),
                    "customer": lambda: self.customer_update(micros, self.customer()),
                }
                fields = makers[kind]() | changes
                return self.line({name: value for name, value in fields.items() if value is not None})

            return make

        def item(**changes):
            """An order one of whose items is spoilt."""
            fields = {"product_id": '"p01"', "quantity": "1", "unit_price": "1.00"} | changes
            body = ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None)
            return changed("order", items=f'[{{"product_id":"p02","quantity":1,"unit_price":2}},{{{body}}}]')

        def spoilt(spoil):
            """The bytes of a valid line, changed."""
            return lambda micros: spoil(changed(some.choice(["view", "order", "payment"]))(micros))

        def of_length(length):
            def spoil(line):
                return line[:-1] + b',"note":"' + b"x" * (length - len(line) - 10) + b'"}'

            return spoilt(spoil)

        makers = {
            "too_large": [of_length(LINE_BYTES_MAX + 1), of_length(LINE_BYTES_MAX + 50_000)],
            "invalid_utf8": [
                spoilt(lambda line: line[:-1] + b',"note":"\xff"}'),
                spoilt(lambda line: line[:-1] + b',"note":"\xc3"}'),
                changed_id(changed("view"), b"\xed\xa0\x80"),
                changed_id(changed("product"), b"\xc0\xaf"),
            ],
            "malformed_json": [
                # Cut anywhere, but not within a character: that would break a second rule.
                spoilt(lambda line: line[: some.randrange(1, len(line) - 1)].decode(errors="ignore").encode()),
                spoilt(lambda line: line + b"}"),
                spoilt(lambda line: line + b" x"),
                spoilt(lambda line: line[:-1] + b',"note":01}'),
                spoilt(lambda line: line[:-1] + b',"note":"\x01"}'),
                spoilt(lambda line: line[:-1] + b',"note":"\\x"}'),
                spoilt(lambda line: line[:-1] + b' "note":1}'),
                lambda micros: b"hello",
                lambda micros: b"{'event_id':'e1'}",
            ],
            "not_an_object": [
                lambda micros: b'[{"event_id":"e1"}]',
                lambda micros: b'"text"',
                lambda micros: b" 12 ",
                lambda micros: b"null",
            ],
            "unknown_event_type": [changed("view", event_type='"refund"'), changed("view", event_type='"Click"')],
            "currency_mismatch": [changed("order", currency='"EUR"'), changed("payment", currency='"usd"')],
            "future_event_time": [
                changed("view", event_time='"2999-01-01T00:00:00Z"'),
                changed("product", event_time="32503680000000"),
                changed("order", event_time="99999999999999999999"),
            ],
            "missing_field": [
                *(changed(kind, event_id=None) for kind in ("view", "product")),
                changed("customer", event_type=None),
                changed("payment", event_time=None),
                *(changed("view", **{name: None}) for name in ("session_id", "action", "product_id")),
                *(changed("order", **{n: None}) for n in ("customer_id", "order_id", "currency", "total", "items")),
                *(changed("payment", **{n: None}) for n in ("order_id", "payment_id", "method", "amount", "status")),
                *(changed("product", **{name: None}) for name in ("product_id", "name", "category", "price")),
                changed("customer", customer_id=None),
                *(item(**{name: None}) for name in ("product_id", "quantity", "unit_price")),
            ],
            "invalid_field": [
                changed("view", event_id='""'),
                changed("view", event_id="12"),
                changed("view", event_id=f'"{"ü" * 33}"'),  # 33 characters, 66 bytes
                changed("view", session_id="null"),
                changed("view", customer_id='""'),
                changed("view", action='"buy"'),
                changed("view", product_id="null"),
                changed("checkout", product_id="7"),
                changed("view", event_type="null"),
                *(changed("view", event_time=time) for time in INVALID_TIMES),
                *(changed("order", total=money) for money in INVALID_MONEY),
                *(changed("payment", amount=money) for money in INVALID_MONEY),
                changed("product", price="-0.01"),
                changed("order", session_id="{}"),
                changed("order", currency="null"),
                changed("order", items="[]"),
                changed("order", items="{}"),
                changed("order", items="[7]"),
                changed("order", items="[null]"),
                changed("order", items=f"[{','.join(self.items(101)[0])}]"),
                *(item(quantity=quantity) for quantity in ("0", "10001", '"1"', "1.5", "-1", "null", "[1]")),
                item(unit_price="1.005"),
                item(unit_price="null"),
                item(product_id='""'),
                item(category='""'),
                item(category="7"),
                changed("payment", method=f'"{"m" * 33}"'),
                changed("payment", status='"pending"'),
                changed("payment", failure_reason='""'),
                changed("product", name=f'"{"n" * 201}"'),
                changed("product", category="null"),
                changed("customer", country=f'"{"c" * 65}"'),
                changed("customer", segment="true"),
            ],
        }
        return makers

    def add_rejects(self):
        makers = self.rejects()
        for file in range(self.files):
            for reason, choices in makers.items():
                # Each maker once a file, in the dense hours, and some again anywhere; the large ones are few.
                count = len(choices) if reason == "too_large" else len(choices) + 30
                for number in range(count):
                    make = choices[number] if number < len(choices) else self.random.choice(choices)
                    time = FIRST_DAY + 22 * HOUR + self.random.randrange(4 * HOUR)
                    self.put(file, time, make(time))
            # Before the first valid record: they count with its window.
            for _ in range(1 + file):
                self.put(file, 0, self.random.choice(makers["not_an_object"])(0))
                self.put(file, 0, self.random.choice(makers["missing_field"])(FIRST_DAY))
            for blank in (b"", b" \t ", b"\t"):
                self.put(file, FIRST_DAY + self.random.randrange(2 * DAY), blank)

    def make(self):
        for _ in range(8_600):
            self.journey(self.instant(FIRST_DAY + 22 * HOUR + self.random.randrange(4 * HOUR)))
        for _ in range(700):
            self.journey(self.instant(FIRST_DAY + self.random.randrange(2 * DAY)))
        # After an empty day, a few more.
        for _ in range(5):
            self.journey(self.instant(FIRST_DAY + 3 * DAY + self.random.randrange(HOUR)))
        self.catalogue()
        for file in range(self.files):
            self.large(file)
            self.ties(file)
            self.borders(file)
        self.add_rejects()
        return [[line for _, _, line in sorted(lines)] for lines in self.lines]


# Each is no event time; see "Event time" in the contract.
INVALID_TIMES = [
    "null",
    "true",
    "-5",
    "1767304800000.5",
    '"1767304800000"',
    '""',
    '"2026-01-01"',
    '"2026-01-01T22:00:00"',
    '"2026-01-01T22:00Z"',
    '"2026-01-01T22:00:60Z"',
    '"2026-01-01T24:00:00Z"',
    '"2026-01-01T22:60:00Z"',
    '"2026-02-29T22:00:00Z"',
    '"2026-13-01T22:00:00Z"',
    '"2026-01-00T22:00:00Z"',
    '"2026-01-01T22:00:00.Z"',
    '"2026-01-01T22:00:00,5Z"',
    '"2026-01-01T22:00:00+0100"',
    '"2026-01-01T22:00:00+24:00"',
    '"2026-01-01T22:00:00+01:60"',
    '" 2026-01-01T22:00:00Z"',
    '"2026-01-01  22:00:00Z"',
    '"1969-12-31T23:59:59.999999Z"',
    '"1970-01-01T00:00:00+00:01"',
]

# Each is no money. Number forms whose text JSON functions do not keep (1e2, 1.500) are left to the oracle.
INVALID_MONEY = [
    "null",
    "true",
    "[]",
    "-1.00",
    "1.005",
    "10000000000.00",
    "10000000000",
    '""',
    '"1,50"',
    '" 1.50"',
    '"+1.50"',
    '"-1.50"',
    '"1.500"',
    '"1."',
    '".50"',
    '"1e2"',
    '"10000000000.00"',
    '"1.50 USD"',
    '"\uff11.50"',
]


def changed_id(make, spoilt):
    """The line of a maker with bytes put before the value of its `event_id`, wherever that stands."""

    def changed(micros):
        while True:
            before, name, after = make(micros).partition(b'"event_id"')
            head, quote, rest = after.partition(b'"')
            # Lines that write the name with an escape, or hold it in an ignored field first, are made anew.
            if name and quote and head.strip(b" \t:") == b"":
                return before + name + head + quote + spoilt + rest

    return changed


def write(path, lines, line_end=b"\n", mark=b"", last_end=True):
    data = mark + line_end.join(lines) + (line_end if last_end else b"")
    if path.suffix == ".gz":
        # Neither time nor name in the header, so that equal lines give equal bytes.
        data = gzip.compress(data, compresslevel=6, mtime=0)
    path.write_bytes(data)
    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, choices=[1, 2, 3], help="how many; unless given, the seed decides")
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    arguments = parser.parse_args()
    files = arguments.files or 1 + arguments.seed % 3
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = Input(arguments.seed, files).make()
    write(arguments.output / "events-a.jsonl", lines[0])
    if files >= 2:
        write(arguments.output / "events-b.jsonl.gz", lines[1])
    if files >= 3:
        write(arguments.output / "events-c.jsonl", lines[2], b"\r\n", "\ufeff".encode(), last_end=False)
        write(arguments.output / "nothing-valid.jsonl", [b"null", b"", b"hello", b"{}"])


if __name__ == "__main__":
    main()
