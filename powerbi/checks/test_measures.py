"""Every measure in every filter context, evaluated on what the M queries read, against SQL on the same Gold.

The SQL takes the table of the context's own grain where there is one (hours from `kpis_1h`), the measures mostly add
minutes, so equality also says that the grains agree. Where the promise is blank, blank is demanded.
"""

import datetime as dt
import os
import shutil
import tempfile
import unittest
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import duckdb

import minterpreter
import model as semantic_model
from evaluator import Context, EvaluationError, Evaluator

DEFINITION = Path(__file__).resolve().parents[1] / "Tillrace.SemanticModel/definition"
LAKE, OFFSET_LAKE = os.environ.get("POWERBI_LAKE"), os.environ.get("POWERBI_OFFSET_LAKE")
NOW = dt.datetime(2026, 2, 1, 12, 0, 30)
TABLES = (
    "kpis_1m kpis_1h kpis_1d products_1h products_1d categories_1h categories_1d funnel_1h funnel_1d payments_1m "
    "payments_1h payments_1d quality_1m rejections_1m customer_activity dim_product dim_customer"
).split()


@dataclass(frozen=True)
class Case:
    """A filter context: for DAX a set of values by column, for SQL a condition on time and one on what else is filtered."""

    name: str
    grain: str
    windows: int  # of that grain
    filters: tuple
    days: tuple = ()
    minutes: tuple | None = None  # first and last
    by: str = ""  # what else is filtered: product, category, segment, stage, method, status, reason
    value: str = ""

    @property
    def time(self):
        found = [f"date_key IN ({', '.join(str(day_key(day)) for day in self.days)})"] if self.days else []
        if self.minutes:
            found.append(f"minute_of_day BETWEEN {self.minutes[0]} AND {self.minutes[1]}")
        return " AND ".join(found) or "true"

    @property
    def table(self):
        return {"day": "1d", "hour": "1h", "minute": "1m"}[self.grain]


def day_key(day):
    return day.year * 10000 + day.month * 100 + day.day


DATE, HOUR, MINUTE = ("Date", "Date"), ("Time of Day", "Hour"), ("Time of Day", "Minute of Day")
BY = {
    "product": ("Product", "Product Id"),
    "category": ("Category", "Category"),
    "segment": ("Customer", "Segment"),
    "stage": ("Funnel Stage", "Stage"),
    "method": ("Payments", "Method"),
    "status": ("Payments", "Status"),
    "reason": ("Rejections", "Reason"),
}


def cases(days, values, product, minute):
    """Contexts of time alone, of everything else alone, and of both. `minute` is one with trade on the day of the single
    windows, which is the last."""
    last, hour = days[-1], minute // 60
    hours = lambda first, count: {f"{h:02}:00" for h in range(first, first + count)}
    whole = (hour * 60, hour * 60 + 59)
    time = [
        Case("everything", "day", len(days), ()),
        Case("one day", "day", 1, ((DATE, {last}),), (last,)),
        Case("two days", "day", 2, ((DATE, set(days[-2:])),), tuple(days[-2:])),
        Case("first day", "day", 1, ((DATE, {days[0]}),), (days[0],)),
        Case("one hour", "hour", 1, ((DATE, {last}), (HOUR, hours(hour, 1))), (last,), whole),
        Case("two hours", "hour", 2, ((DATE, {last}), (HOUR, hours(hour, 2))), (last,), (whole[0], whole[1] + 60)),
        Case("an hour of all days", "hour", len(days), ((HOUR, hours(hour, 1)),), (), whole),
        Case("one minute", "minute", 1, ((DATE, {last}), (MINUTE, {minute})), (last,), (minute, minute)),
        Case(
            "ten minutes",
            "minute",
            10,
            ((DATE, {last}), (MINUTE, set(range(minute, minute + 10)))),
            (last,),
            (minute, minute + 9),
        ),
    ]
    found = list(time)
    for by, value in (*values.items(), ("status", "succeeded"), ("product", product)):
        for base in time:
            narrowed = (*base.filters, (BY[by], {value}))
            found.append(
                Case(
                    f"{base.name}, {by} {value}", base.grain, base.windows, narrowed, base.days, base.minutes, by, value
                )
            )
    return found


# What SQL answers. Each function takes a case and gives a query, or None where blank is promised.


def only(*by):
    """For a measure that knows nothing but time and these."""

    def decorate(query):
        return lambda case: query(case) if case.by in ("", *by) else None

    return decorate


def kpi(expression):
    return only()(lambda case: f"SELECT {expression} FROM kpis_{case.table} WHERE {case.time}")


def quality(expression):
    return only()(lambda case: f"SELECT {expression} FROM quality_1m WHERE {case.time}")


def payments(expression, condition="true"):
    @only("method", "status")
    def query(case):
        by = f"{case.by} = '{case.value}'" if case.by else "true"
        return f"SELECT {expression} FROM payments_{case.table} WHERE {case.time} AND {by} AND {condition}"

    return query


def products(expression, single=False):
    @only("product", "category")
    def query(case):
        if case.grain == "minute" or (single and case.by != "product"):
            return None
        by = {
            "product": f"product_id = '{case.value}'",
            "category": f"product_id IN (SELECT product_id FROM dim_product WHERE category = '{case.value}')",
            "": "true",
        }[case.by]
        return f"SELECT {expression} FROM products_{case.table} WHERE {case.time} AND {by}"

    return query


def categories(expression, single=False):
    @only("category")
    def query(case):
        if case.grain == "minute" or (single and not case.by):
            return None
        by = f"category = '{case.value}'" if case.by else "true"
        return f"SELECT {expression} FROM categories_{case.table} WHERE {case.time} AND {by}"

    return query


def window(column):
    """A figure that exists for a single window only."""

    @only()
    def query(case):
        return f"SELECT {column} FROM kpis_{case.table} WHERE {case.time}" if case.windows == 1 else None

    return query


@only("segment")
def unique_customers(case):
    if case.grain == "day":
        return f"SELECT nullif(count(DISTINCT customer_id), 0) {activity(case)}"
    return window("unique_customers")(case) if not case.by else None


def activity(case):
    joined = "FROM customer_activity LEFT JOIN dim_customer USING (customer_id)"
    return f"{joined} WHERE {case.time} AND {'segment = ' + repr(case.value) if case.by else 'true'}"


@only("segment")
def customer_days(case):
    return f"SELECT nullif(count(*), 0) {activity(case)}" if case.grain == "day" else None


def stage(case, name, step=""):
    return f"(SELECT sessions FROM funnel_{case.table} WHERE {case.time} AND stage = '{name}'{step})"


@only("stage")
def funnel_sessions(case):
    single = case.windows == 1 and case.grain != "minute" and case.by
    return f"SELECT sessions FROM funnel_{case.table} WHERE {case.time} AND stage = '{case.value}'" if single else None


STAGES = ["view", "add_to_cart", "checkout", "order"]


def funnel_ratio(below):
    def query(case):
        found, step = funnel_sessions(case), STAGES.index(case.value) if case.by == "stage" else 0
        other = below(step)
        return f"SELECT {stage(case, case.value)} / {stage(case, other)}" if found and other else None

    return query


def before(days):
    """Revenue some days earlier, over the whole spans; blank unless every selected day has such a day."""

    @only()
    def query(case):
        shifted = [day - dt.timedelta(days=days) for day in case.days]
        if not shifted or min(shifted) < FIRST_DAY:
            return None
        earlier = Case(case.name, case.grain, case.windows, (), tuple(shifted), case.minutes)
        return f"SELECT sum(revenue) FROM kpis_{case.table} WHERE {earlier.time}"

    return query


def change(days):
    def query(case):
        earlier = before(days)(case)
        return f"SELECT (({kpi('sum(revenue)')(case)}) - ({earlier})) / nullif(({earlier}), 0)" if earlier else None

    return query


def same_time(case):
    """The last day's last minute has trade, so up to the same time is the whole span asked for."""
    return before(1)(case) if len(case.days) == 1 else None


def ratio(top, bottom):
    def query(case):
        above, below = top(case), bottom(case)
        return f"SELECT ({above}) / nullif(({below}), 0)" if above and below else None

    return query


def difference(top, bottom):
    def query(case):
        above, below = top(case), bottom(case)
        return f"SELECT ({above}) - ({below})" if above and below else None

    return query


def zero(condition):
    return lambda case: "SELECT 0" if condition(case) else None


def of_day(query):
    return lambda case: query(case) if case.grain == "day" else None


SUCCEEDED, FAILED = "status = 'succeeded'", "status = 'failed'"
REVENUE, ORDERS = kpi("sum(revenue)"), kpi("sum(orders)")
PAID = payments("sum(amount)", SUCCEEDED)
MADE = payments("sum(payments)")
PRODUCT_REVENUE, CATEGORY_REVENUE = products("sum(revenue)"), categories("sum(revenue)")
FIRST_DAY = dt.date(2026, 1, 1)


def product_share(case):
    """Of all products, or of those of the category."""
    return ratio(PRODUCT_REVENUE, lambda c: PRODUCT_REVENUE(c if c.by == "category" else replace(c, by="")))(case)


def rank(case, name, revenue):
    """Place among all by revenue, from a query of names and revenue."""
    return f"WITH r AS ({revenue}) SELECT 1 + (SELECT count(*) FROM r AS other WHERE other.revenue > own.revenue) FROM r AS own WHERE {name} = '{case.value}'"


def product_rank(case):
    """Products that no product event has named stand together at the blank member."""
    if case.by != "product" or case.grain == "minute":
        return None
    known = "SELECT coalesce(known.product_id, '') AS product_id, sum(revenue) AS revenue"
    joined = f"FROM products_{case.table} AS sold LEFT JOIN dim_product AS known ON sold.product_id = known.product_id WHERE {case.time} GROUP BY 1"
    return rank(case, "product_id", f"{known} {joined}")


def category_rank(case):
    if case.by != "category" or case.grain == "minute":
        return None
    return rank(
        case,
        "category",
        f"SELECT category, sum(revenue) AS revenue FROM categories_{case.table} WHERE {case.time} GROUP BY 1",
    )


time_only = lambda case: not case.by

# Measure to its SQL. A measure that is missing here fails a test.
EXPECTED = {
    "Revenue": REVENUE,
    "Orders": ORDERS,
    "Average Order Value": ratio(REVENUE, ORDERS),
    "Units Sold": kpi("sum(units)"),
    "Events": kpi("sum(events)"),
    "Revenue per Day": kpi("sum(revenue) / count(DISTINCT date_key)"),
    "Revenue (previous day)": before(1),
    "Revenue Change (%)": change(1),
    "Revenue (same weekday)": before(7),
    "Revenue Change to Weekday (%)": change(7),
    "Revenue (previous day, same time)": same_time,
    "Revenue Change at Same Time (%)": lambda case: change(1)(case) if len(case.days) == 1 else None,
    "Unique Customers": unique_customers,
    "Customer-Days": customer_days,
    "Days per Customer": of_day(ratio(customer_days, unique_customers)),
    "Customer Share (%)": lambda case: ratio(unique_customers, lambda c: unique_customers(replace(c, by="")))(case),
    "Revenue per Customer": lambda case: ratio(REVENUE, unique_customers)(case) if not case.by else None,
    "Sessions": window("sessions"),
    "Session-Days": of_day(kpi("sum(sessions)")),
    "Conversion Rate": window("conversion_rate"),
    "Funnel Sessions": funnel_sessions,
    "Step Conversion (%)": funnel_ratio(lambda step: STAGES[step - 1] if step else None),
    "Share of Views (%)": funnel_ratio(lambda step: STAGES[0]),
    "Funnel Session-Days": lambda case: (
        f"SELECT sum(sessions) FROM funnel_1d WHERE {case.time} AND stage = '{case.value}'"
        if case.by == "stage" and case.grain == "day"
        else None
    ),
    "Payments Made": MADE,
    "Payments Succeeded": payments("sum(payments)", SUCCEEDED),
    "Payments Failed": payments("sum(payments)", FAILED),
    "Payment Success Rate": payments(f"coalesce(sum(payments) FILTER ({SUCCEEDED}), 0) / sum(payments)"),
    "Payment Amount": payments("sum(amount)"),
    "Paid Revenue": PAID,
    "Failed Amount": payments("sum(amount)", FAILED),
    "Paid Share of Revenue (%)": ratio(PAID, REVENUE),
    "Paid minus Ordered": difference(PAID, REVENUE),
    "Product Revenue": PRODUCT_REVENUE,
    "Product Units": products("sum(units)"),
    "Product Views": products("sum(views)"),
    "Add to Carts": products("sum(add_to_carts)"),
    "Product Orders": products("sum(orders)", single=True),
    "Carts per View (%)": products("sum(add_to_carts) / nullif(sum(views), 0)"),
    "Product Revenue Share (%)": product_share,
    "Product Revenue Rank": product_rank,
    "Category Revenue": CATEGORY_REVENUE,
    "Category Units": categories("sum(units)"),
    "Category Orders": categories("sum(orders)", single=True),
    "Category Revenue Share (%)": ratio(CATEGORY_REVENUE, lambda case: CATEGORY_REVENUE(replace(case, by=""))),
    "Category Revenue Rank": category_rank,
    "Records": quality("sum(records)"),
    "Accepted Records": quality("sum(accepted)"),
    "Duplicate Records": quality("sum(duplicates)"),
    "Late Records": quality("sum(late)"),
    "Rejected Records": quality("sum(rejected)"),
    "Delayed Records": quality("sum(delayed)"),
    "Duplicate Rate": quality("sum(duplicates) / sum(records)"),
    "Late Rate": quality("sum(late) / sum(records)"),
    "Rejected Rate": quality("sum(rejected) / sum(records)"),
    "Delayed Rate": quality("sum(delayed) / sum(records)"),
    "Rejections by Reason": only("reason")(
        lambda case: (
            f"SELECT sum(records) FROM rejections_1m WHERE {case.time} AND {'reason = ' + repr(case.value) if case.by else 'true'}"
        )
    ),
    "Delay P50 (ms)": lambda case: (
        quality("max(delay_p50_ms)")(case) if case.windows == 1 and case.grain == "minute" else None
    ),
    "Delay P99 (ms)": lambda case: (
        quality("max(delay_p99_ms)")(case) if case.windows == 1 and case.grain == "minute" else None
    ),
    "Highest Delay P99 (ms)": quality("max(delay_p99_ms)"),
    "Longest Delay (ms)": quality("max(delay_max_ms)"),
    "Latest Window": lambda case: "SELECT max(window_end) FROM kpis_1d",
    "Data Age (minutes)": lambda case: f"SELECT date_diff('minute', max(window_end), TIMESTAMP '{NOW}') FROM kpis_1d",
    "Last Closed Day": lambda case: "SELECT strptime(max(date_key)::VARCHAR, '%Y%m%d')::DATE FROM kpis_1d",
    "Revenue Gap Minute to Day": of_day(zero(time_only)),
    "Orders Gap Minute to Day": of_day(zero(time_only)),
    "Revenue Gap Minute to Hour": lambda case: "SELECT 0" if time_only(case) and case.grain != "minute" else None,
    "Paid Gap Payments to KPIs": zero(time_only),
    "Customer-Days Gap Activity to Day": of_day(zero(time_only)),
    "Ledger Gap": zero(time_only),
    "Rejection Gap": zero(time_only),
}


def same(got, wanted):
    """Equal; figures divided may differ in the last digits of a double."""
    if got is None or wanted is None or isinstance(got, EvaluationError):
        return got is wanted
    if isinstance(wanted, dt.date):
        return got == wanted
    if isinstance(got, float) or isinstance(wanted, float):
        return abs(float(got) - float(wanted)) <= 1e-9 * max(1.0, abs(float(wanted)))
    return Decimal(got) == Decimal(wanted)


def gold(connection, lake, tables=TABLES):
    connection.execute("SET TimeZone = 'UTC'")
    for table in tables:
        files = f"{lake}/gold/{table}/**/*.parquet"
        replaced = (
            ""
            if table.startswith("dim_")
            else " REPLACE (window_start::TIMESTAMP AS window_start, window_end::TIMESTAMP AS window_end)"
        )
        connection.execute(
            f"CREATE TABLE {table} AS SELECT *{replaced} FROM read_parquet('{files}', hive_partitioning = false)"
        )


class Comparison:
    """Measures of a model against SQL on the Gold of a lake. The lake is read by the project's own queries."""

    def __init__(self, lake):
        self.sql = duckdb.connect()
        gold(self.sql, lake)
        self.model = semantic_model.read(DEFINITION)
        self.loaded = minterpreter.load(self.model, lake)
        self.days = [row[0] for row in self.sql.execute("SELECT window_start::DATE FROM kpis_1d ORDER BY 1").fetchall()]
        assert self.days[0] == FIRST_DAY and len(self.days) > 8, (
            "the sample lake begins on 2026-01-01 and holds more than eight days"
        )
        values = {
            "category": "shoes",
            "segment": "vip",
            "stage": "checkout",
            "method": "card",
            "status": "failed",
            "reason": "malformed_json",
        }
        best = f"SELECT product_id FROM products_1d WHERE date_key = {day_key(self.days[-1])} ORDER BY revenue DESC LIMIT 1"
        self.cases = cases(self.days, values, self.query(best)[0], 10 * 60 + 30)

    def query(self, text):
        return self.sql.execute(text).fetchone()

    def compared(self, model, names):
        """(measure, case, what the measure gives, what SQL says, the SQL) for every context."""
        dax = Evaluator(model, self.loaded, NOW)
        for name in names:
            for case in self.cases:
                query = EXPECTED[name](case)
                row = self.query(query) if query else None
                try:
                    got = dax.measure(name, Context.of(dict(case.filters)))
                except EvaluationError as error:
                    got = error
                yield name, case, got, row[0] if row else None, query

    def differences(self, model, names):
        """The same where the two differ."""
        return (found for found in self.compared(model, names) if not same(found[2], found[3]))


@unittest.skipUnless(LAKE, "POWERBI_LAKE names no lake; check.sh makes one")
class Measures(unittest.TestCase):
    """The model on the sample lake."""

    @classmethod
    def setUpClass(cls):
        cls.comparison = Comparison(LAKE)
        cls.sql, cls.model, cls.loaded, cls.days = (
            getattr(cls.comparison, name) for name in ("sql", "model", "loaded", "days")
        )
        cls.query = cls.comparison.query
        cls.dax = Evaluator(cls.model, cls.loaded, NOW)

    def value(self, measure, filters):
        return self.dax.measure(measure, Context.of(dict(filters)))

    def test_every_measure_equals_sql_in_every_context_and_is_blank_where_promised(self):
        compared = blank = 0
        for name, case, got, wanted, query in self.comparison.compared(self.model, EXPECTED):
            compared, blank = compared + 1, blank + (wanted is None)
            with self.subTest(measure=name, context=case.name):
                self.assertTrue(same(got, wanted), f"[{name}] in {case.name}: {got!r}; SQL says {wanted!r}: {query}")
        print(
            f"\n{len(EXPECTED)} measures in {len(self.comparison.cases)} contexts: {compared} values, {blank} of them blank"
        )

    def test_no_visible_measure_is_left_out(self):
        visible = {name for name, measure in self.model.measures.items() if not measure.node.get("isHidden")}
        self.assertEqual(visible ^ set(EXPECTED), set())

    def test_shares_of_all_categories_and_segments_add_up_to_one(self):
        day = {DATE: {self.days[-1]}}
        for measure, key in (("Category Revenue Share (%)", BY["category"]), ("Customer Share (%)", BY["segment"])):
            values = self.dax.distinct(*key, Context())
            self.assertAlmostEqual(sum(self.value(measure, {**day, key: {value}}) or 0 for value in values), 1.0, 12)

    def test_a_category_ranks_as_gold_ranks_it(self):
        day = {DATE: {self.days[-1]}}
        ranks = self.sql.execute(
            "SELECT category, revenue_rank FROM categories_1d WHERE date_key = ?", [day_key(self.days[-1])]
        )
        for category, place in ranks.fetchall():
            self.assertEqual(self.value("Category Revenue Rank", {**day, BY["category"]: {category}}), place, category)

    def test_a_top_filter_of_a_visual_changes_no_share_and_no_rank(self):
        """A visual that shows a few products filters their names; their shares are of all products all the same."""
        (product, name), *others = self.sql.execute(
            "SELECT product_id, name FROM products_1d JOIN dim_product USING (product_id) WHERE date_key = ? ORDER BY products_1d.revenue DESC LIMIT 3",
            [day_key(self.days[-1])],
        ).fetchall()
        one = {DATE: {self.days[-1]}, BY["product"]: {product}}
        shown = {**one, ("Product", "Product"): {name, *(other for _, other in others)}}
        for measure in ("Product Revenue Share (%)", "Product Revenue Rank"):
            self.assertEqual(self.value(measure, shown), self.value(measure, one))
            self.assertIsNotNone(self.value(measure, one))

    def test_customers_by_segment_with_the_blank_member_number_all_customers(self):
        segments = self.dax.distinct("Customer", "Segment", Context())
        parts = [self.value("Unique Customers", {BY["segment"]: {segment}}) or 0 for segment in segments]
        self.assertEqual(sum(parts), self.value("Unique Customers", {}))

    def test_a_sum_of_distinct_counts_would_be_another_number(self):
        """The reason for all the blanks, in figures."""
        exact = self.value("Unique Customers", {})
        summed = self.query("SELECT sum(unique_customers) FROM kpis_1d")[0]
        self.assertLess(exact, summed)
        self.assertEqual(self.value("Customer-Days", {}), summed)

    def test_the_queries_shift_no_instant(self):
        """The interpreter moves instants that are cast without ToUtc, as a machine outside UTC does."""
        starts = self.loaded["KPI Minute"].column("Window Start").to_pylist()
        self.assertEqual(min(starts), self.query("SELECT min(window_start) FROM kpis_1m")[0])

    def test_a_range_loads_its_days_and_an_empty_one_still_has_columns(self):
        day = dt.datetime.combine(self.days[2], dt.time())
        some = minterpreter.load(self.model, LAKE, RangeStart=day, RangeEnd=day + dt.timedelta(days=2))
        wanted = {day_key(self.days[2]), day_key(self.days[3])}
        for table in ("KPI Minute", "KPI Hour", "KPI Day", "Payments", "Product Sales", "Customer Activity"):
            self.assertEqual(set(some[table].column("Date Key").to_pylist()), wanted, table)
        none = minterpreter.load(self.model, LAKE, RangeStart=day, RangeEnd=day)
        self.assertEqual(none["KPI Minute"].num_rows, 0)
        self.assertEqual(none["KPI Minute"].schema, self.loaded["KPI Minute"].schema)

    def test_an_open_day_counts_at_once_where_that_is_exact_and_is_blank_elsewhere(self):
        """A lake whose last day is still open: its day rows do not exist yet, its minutes do."""
        import pyarrow.compute as pc

        last, dated = self.days[-1], day_key(self.days[-1])
        opened = dict(self.loaded)
        for table in ("KPI Day", "Funnel Day"):
            opened[table] = opened[table].filter(pc.less(opened[table].column("Date Key"), dated))
        dax = Evaluator(self.model, opened, NOW)
        today = Context.of({DATE: {last}})
        for name in ("Revenue", "Orders", "Unique Customers", "Payment Success Rate", "Product Revenue", "Late Rate"):
            self.assertEqual(dax.measure(name, today), self.value(name, {DATE: {last}}), name)
        for name in ("Sessions", "Conversion Rate", "Session-Days"):
            self.assertIsNone(dax.measure(name, today), name)
        for name in ("Revenue Gap Minute to Day", "Orders Gap Minute to Day", "Customer-Days Gap Activity to Day"):
            self.assertEqual(dax.measure(name, Context()), 0, name)

    def test_keys_that_differ_in_case_only_are_one_for_power_bi_and_break_nothing(self):
        """Power BI compares texts without case; without GoldKeys the refresh would fail on a key that is there twice."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(LAKE, folder, dirs_exist_ok=True)
            path = next(Path(folder, "gold/categories_1h").glob("*/*.parquet"))
            rows = pq.read_table(path, partitioning=None)
            shouted = pa.array(
                [name.upper() + " " if name == "shoes" else name for name in rows.column("category").to_pylist()]
            )
            pq.write_table(rows.set_column(rows.column_names.index("category"), "category", shouted), path)
            dax = Evaluator(self.model, minterpreter.load(self.model, folder), NOW)
        self.assertEqual(
            len(dax.distinct("Category", "Category", Context())),
            len(self.dax.distinct("Category", "Category", Context())),
        )
        shoes = {BY["category"]: {"shoes"}}
        self.assertEqual(dax.measure("Category Revenue", Context.of(shoes)), self.value("Category Revenue", shoes))

    def test_a_lake_without_a_window_loads_and_every_figure_is_blank(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in Path(LAKE, "gold").glob("*/schema.parquet"):
                target = Path(folder, "gold", path.parent.name, path.name)
                target.parent.mkdir(parents=True)
                shutil.copy(path, target)
            dax = Evaluator(self.model, minterpreter.load(self.model, folder), NOW)
        for name in EXPECTED:
            self.assertIsNone(dax.measure(name, Context()), name)

    @unittest.skipUnless(OFFSET_LAKE, "POWERBI_OFFSET_LAKE names no lake; check.sh makes one")
    def test_days_are_those_of_the_pipelines_offset(self):
        """The lake of the same shop at +05:30, where a day begins on the day before by UTC."""
        sql = duckdb.connect()
        gold(sql, OFFSET_LAKE)
        dax = Evaluator(self.model, minterpreter.load(self.model, OFFSET_LAKE), NOW)
        days = [key for (key,) in sql.execute("SELECT date_key FROM kpis_1d ORDER BY 1").fetchall()]
        self.assertEqual(dax.distinct("Date", "Date Key", Context()), set(days))
        self.assertEqual(day_key(dax.measure("Last Closed Day", Context())), days[-1])
        for key in days:
            context = Context.of({("Date", "Date Key"): {key}})
            for measure, column in (
                ("Revenue", "revenue"),
                ("Unique Customers", "unique_customers"),
                ("Sessions", "sessions"),
            ):
                wanted = sql.execute(f"SELECT {column} FROM kpis_1d WHERE date_key = {key}").fetchone()[0]
                self.assertTrue(same(dax.measure(measure, context), wanted), f"[{measure}] on {key}")
        for measure in (name for name in EXPECTED if "Gap" in name):
            self.assertEqual(dax.measure(measure, Context()), 0, measure)

    def test_a_gap_is_seen(self):
        """The reconciliation measures are no constants: a lost row shows."""
        broken = {
            **self.loaded,
            "KPI Minute": self.loaded["KPI Minute"].slice(600),
            "Rejections": self.loaded["Rejections"].slice(1),
        }
        dax = Evaluator(self.model, broken, NOW)
        for name in (
            "Revenue Gap Minute to Day",
            "Orders Gap Minute to Day",
            "Revenue Gap Minute to Hour",
            "Paid Gap Payments to KPIs",
            "Rejection Gap",
        ):
            self.assertNotEqual(dax.measure(name, Context()), 0, name)

    def test_the_sorting_columns_put_names_in_order(self):
        for table, column in (("Date", "Weekday"), ("Time of Day", "Hour"), ("Funnel Stage", "Funnel Stage")):
            by = self.model.column(table, column).node.get("sortByColumn")
            loaded = self.loaded[table]
            pairs = set(zip(loaded.column(column).to_pylist(), loaded.column(by).to_pylist(), strict=True))
            self.assertEqual(
                len(pairs), len({name for name, _ in pairs}), f"{table}[{column}] has two places in the order of {by}"
            )


if __name__ == "__main__":
    unittest.main()
