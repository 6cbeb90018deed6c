#!/usr/bin/env python3
"""Draws each page as a PNG from the report's own definition and the Gold of a lake. Previews, not Power BI's look.

    python preview.py --lake lake --output ../preview

Places, titles, fields, filters, colours and numbers are the report's; fonts, axes and tables are matplotlib's. A visual
that shows nothing or a text that does not fit its place is an error.
"""

import argparse
import datetime as dt
import hashlib
import io
import json
import sys
from pathlib import Path

import matplotlib.dates as mdates
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from PIL import Image

import minterpreter
import model as semantic_model
import report as report_files
from canvas import POINT, Canvas, Theme, close
from evaluator import Context, Evaluator
from formatting import formatted
from visualquery import VisualQuery, field_of

HERE = Path(__file__).resolve().parent
BLANK = "(Blank)"
SOURCES = "sources.sha256"


def sources_hash(project):
    """A hash of what the previews are drawn from, so that a test can say that they are stale."""
    digest = hashlib.sha256()
    for folder, patterns in (
        (project, ("Tillrace.*/**/*.json", "Tillrace.*/**/*.tmdl", "themes/*.json")),
        (HERE, ("preview.py", "canvas.py")),
    ):
        for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Drawer:
    """Draws the visuals of pages; each kind has a method named after its type."""

    def __init__(self, evaluator, report, theme, bound=None):
        self.dax, self.report, self.theme = evaluator, report, theme
        self.query = VisualQuery(evaluator, bound)

    def page(self, page, phone=False):
        """A canvas with the page; on a phone only the visuals of the phone layout, at their places there."""
        visuals = [visual for visual in page.visuals if not phone or visual.phone]
        place = (lambda visual: visual.phone["position"]) if phone else (lambda visual: visual.document["position"])
        if phone:
            width, height = report_files.PHONE_WIDTH, max(place(v)["y"] + place(v)["height"] for v in visuals) + 8
        else:
            width, height = page.document["width"], page.document["height"]
        canvas = Canvas(width, height, self.theme)
        for visual in visuals:
            at = place(visual)
            where = f"{page.name}/{visual.name}"
            result = self.query.run(page, visual)
            frame = (at["x"], at["y"], at["width"], at["height"])
            if visual.type not in ("textbox", "actionButton") or visual.literal("background", "show"):
                canvas.box(*frame)
            frame = self.titles(canvas, visual, frame, where)
            if result.groups and not result.rows:
                canvas.problems.append(f"{where}: shows nothing")
                continue
            getattr(self, "draw_" + visual.type)(canvas, page, visual, result, frame, where, phone)
        return canvas

    def titles(self, canvas, visual, frame, where):
        """Title and subtitle; gives the room that is left."""
        left, top, width, height = frame
        title, sub = visual.literal("title", "text"), visual.literal("subTitle", "text")
        if title:
            canvas.text(left + 12, top + 17, title, 12, bold=True, room=width - 24, where=where)
            top, height = top + 28, height - 28
        if sub:
            canvas.text(left + 12, top + 7, sub, 9, self.theme.quiet, room=width - 24, where=where)
            top, height = top + 16, height - 16
        return left, top, width, height

    def label(self, projection):
        return projection.get("displayName") or field_of(projection)[2]

    def format_of(self, projection):
        kind, table, name = field_of(projection)
        node = self.dax.model.measures[name].node if kind == "Measure" else self.dax.model.column(table, name).node
        return node.get("formatString")

    def shown(self, projection, value, blank=""):
        return formatted(value, self.format_of(projection), blank)

    # Kinds of visuals

    def draw_textbox(self, canvas, _page, visual, _result, frame, where, _phone):
        left, top, width, height = frame
        y = top + (10 if visual.literal("background", "show") else 4)
        for paragraph in visual.document["visual"]["objects"]["general"][0]["properties"]["paragraphs"]:
            y = self.paragraph(canvas, paragraph["textRuns"], left + 10, y, width - 20) + 4
        if y > top + height:
            canvas.problems.append(f"{where}: the text is {y - top:.0f} high and has {height:.0f}")

    def paragraph(self, canvas, runs, left, y, room):
        """Writes a paragraph word by word; gives where the next one begins."""
        styles = [run.get("textStyle", {}) for run in runs]
        sizes = [float(style.get("fontSize", "10pt")[:-2]) for style in styles]
        step, x = max(sizes) * POINT * 1.4, left
        for run, style, size in zip(runs, styles, sizes, strict=True):
            bold = style.get("fontWeight") == "bold"
            for word in run["value"].split():
                drawn = canvas.text(x, y + step / 2, word, size, self.theme.text if bold else self.theme.quiet, bold)
                wide = canvas.measure(drawn)
                if x + wide > left + room and x > left:
                    x, y = left, y + step
                    drawn.set_position((x, y + step / 2))
                x += wide + size * POINT * 0.33
        return y + step

    def draw_actionButton(self, canvas, _page, _visual, _result, frame, _where, _phone):
        left, top, width, height = frame
        canvas.text(left + width / 2, top + height / 2, "←", 20, align="center")

    def draw_slicer(self, canvas, _page, visual, _result, frame, where, _phone):
        left, top, width, _height = frame
        canvas.text(
            left + 10,
            top + 18,
            visual.literal("header", "text", "objects"),
            9,
            self.theme.quiet,
            room=width - 20,
            where=where,
        )
        canvas.box(left + 8, top + 34, width - 16, 30, self.theme.card)
        canvas.text(left + 18, top + 49, "All", 10)
        canvas.text(left + width - 22, top + 49, "⌄", 11, self.theme.quiet, align="center")

    def draw_cardVisual(self, canvas, _page, visual, result, frame, where, phone):
        left, top, width, height = frame
        columns = int(self.card_setting(visual, phone, "layout", "columnCount"))
        rows = -(-len(result.measures) // columns)
        wide, high = width / columns, height / rows
        size = self.card_setting(visual, phone, "value", "fontSize")
        for place, (_, projection) in enumerate(result.measures):
            x, y = left + place % columns * wide, top + place // columns * high
            value = self.shown(projection, result.totals[field_of(projection)[2]], "–")
            canvas.text(
                x + 14,
                y + high / 2 - size * 0.75,
                self.label(projection),
                10,
                self.theme.quiet,
                room=wide - 18,
                where=where,
            )
            canvas.text(x + 14, y + high / 2 + size * 0.6, value, size, bold=True, room=wide - 18, where=where)
            if place % columns:
                canvas.axes.plot([x, x], [y + 12, y + high - 12], color=self.theme.line, linewidth=0.8)

    @staticmethod
    def card_setting(visual, phone, group, name):
        """A formatting property of a card; on a phone the phone layout's own, where it has one."""
        objects = {**visual.document["visual"]["objects"], **((visual.phone or {}).get("objects", {}) if phone else {})}
        return report_files.literal(objects[group][0]["properties"][name])

    def series(self, result):
        """Category values and a list of (label, values) for each measure."""
        categories = [values[0] for values, _ in result.rows]
        names = [(self.label(projection), field_of(projection)[2]) for _, projection in result.measures if _ == "Y"]
        return categories, [(label, [got[name] for _, got in result.rows]) for label, name in names]

    def value_axis(self, axis, projection, along="y"):
        """Ticks in the measure's own format; whole units without places."""
        text = self.format_of(projection)
        text = text.replace(".00", "") if "%" not in text else text
        ruler = axis.yaxis if along == "y" else axis.xaxis
        ruler.set_major_formatter(FuncFormatter(lambda value, _: formatted(round(value, 6), text)))
        axis.grid(axis=along, color=self.theme.line, linewidth=0.6)
        axis.set_axisbelow(True)

    def legend(self, axis, count):
        if count > 1:
            axis.legend(
                loc="lower left",
                bbox_to_anchor=(-0.01, 1.0),
                ncols=count,
                fontsize=9 * POINT * 0.72,
                frameon=False,
                labelcolor=self.theme.quiet,
                borderaxespad=0.1,
                handlelength=1.4,
            )

    def chart_axes(self, canvas, frame, several, left_room=64):
        left, top, width, height = frame
        above = 20 if several else 8
        return canvas.inset(left + left_room, top + above, width - left_room - 18, height - above - 26)

    def draw_lineChart(self, canvas, _page, _visual, result, frame, _where, _phone):
        categories, series = self.series(result)
        axis = self.chart_axes(canvas, frame, len(series) > 1)
        points = [self.position(value, place) for place, value in enumerate(categories)]
        for (label, values), color in zip(series, self.theme.colors, strict=False):
            drawn = [float("nan") if value is None else float(value) for value in values]
            axis.plot(
                points,
                drawn,
                color=color,
                label=label,
                linewidth=0.9 if len(points) > 200 else 1.6,
                marker="o" if len(points) <= 31 else None,
                markersize=2.6,
            )
        self.category_axis(axis, categories, points, frame[2])
        self.value_axis(axis, next(projection for role, projection in result.measures if role == "Y"))
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]) if axis.get_ylim()[0] < axis.get_ylim()[1] * 0.5 else None)
        self.legend(axis, len(series))

    @staticmethod
    def position(value, place):
        if isinstance(value, dt.time):
            return value.hour * 60 + value.minute
        return mdates.date2num(value) if isinstance(value, dt.date) else place

    def category_axis(self, axis, categories, points, width):
        if isinstance(categories[0], dt.time):
            axis.set_xlim(0, 1440)
            apart = 180 if width > 400 else 360
            axis.set_xticks(range(0, 1440, apart), [f"{minute // 60:02}:00" for minute in range(0, 1440, apart)])
            return
        step = -(-len(categories) // int(width / 52))
        chosen = range(0, len(categories), step)
        axis.set_xticks([points[place] for place in chosen], [self.category(categories[place]) for place in chosen])

    @staticmethod
    def category(value):
        if value is None:
            return BLANK
        return f"{value:%b} {value.day}" if isinstance(value, dt.date) else str(value)

    def draw_clusteredColumnChart(self, canvas, _page, _visual, result, frame, _where, _phone):
        categories, series = self.series(result)
        axis = self.chart_axes(canvas, frame, len(series) > 1)
        wide = 0.76 / len(series)
        for place, ((label, values), color) in enumerate(zip(series, self.theme.colors, strict=False)):
            points = [n + (place - (len(series) - 1) / 2) * wide for n in range(len(categories))]
            axis.bar(points, [float(value or 0) for value in values], wide, color=color, label=label)
        self.category_axis(axis, categories, list(range(len(categories))), frame[2])
        self.value_axis(axis, next(projection for role, projection in result.measures if role == "Y"))
        self.legend(axis, len(series))

    draw_columnChart = draw_clusteredColumnChart

    def draw_clusteredBarChart(self, canvas, _page, visual, result, frame, _where, _phone):
        categories, series = self.series(result)
        projection = next(projection for role, projection in result.measures if role == "Y")
        names = [self.category(value) for value in categories]
        left_room = 18 + max(len(name) for name in names) * 6.2
        axis = self.chart_axes(canvas, frame, False, left_room)
        values = [float(value or 0) for value in series[0][1]]
        axis.barh(range(len(values)), values, 0.72, color=self.theme.colors[0])
        axis.set_yticks(range(len(values)), names)
        axis.invert_yaxis()
        axis.spines["bottom"].set_visible(False)
        if visual.literal("labels", "show", "objects"):
            axis.set_xticks([])
            axis.set_xlim(0, max(values) * 1.24)
            for place, value in enumerate(series[0][1]):
                text = self.shown(projection, value)
                axis.text(
                    float(value) + max(values) * 0.01,
                    place,
                    text,
                    va="center",
                    fontsize=9 * POINT * 0.72,
                    color=self.theme.text,
                )
        else:
            self.value_axis(axis, projection, "x")

    def draw_funnel(self, canvas, _page, _visual, result, frame, where, _phone):
        left, top, width, height = frame
        categories, series = self.series(result)
        values = series[0][1]
        high = (height - 12) / len(values)
        projection = next(projection for role, projection in result.measures if role == "Y")
        room = width - 110 - 120
        for place, (name, value) in enumerate(zip(categories, values, strict=True)):
            y = top + place * high
            wide = max(3.0, room * float(value / values[0]))
            canvas.axes.add_patch(
                Rectangle(
                    (left + 110 + (room - wide) / 2, y + 3), wide, high - 6, color=self.theme.colors[0], linewidth=0
                )
            )
            canvas.text(left + 12, y + high / 2, name, 10, room=96, where=where)
            text = f"{self.shown(projection, value)} ({value / values[0]:.1%})"
            canvas.text(left + width - 12, y + high / 2, text, 10, align="right", room=116, where=where)

    def draw_tableEx(self, canvas, _page, visual, result, frame, where, _phone):
        order = [projection for _, projections in visual.roles.items() for projection in projections]
        groups = [field_of(projection)[1:] for _, projection in result.groups]
        header = [self.label(projection) for projection in order]
        rows = [[self.cell(projection, groups, values, got) for projection in order] for values, got in result.rows]
        total = None
        if visual.literal("total", "totals", "objects"):
            total = [
                self.shown(p, result.totals.get(field_of(p)[2])) if field_of(p)[0] == "Measure" else "" for p in order
            ]
            total[0] = "Total"
        right = [
            field_of(projection)[0] == "Measure" or self.dax.column(*field_of(projection)[1:]).money
            for projection in order
        ]
        self.grid(canvas, frame, header, rows, total, right, where)

    def cell(self, projection, groups, values, got):
        kind, table, name = field_of(projection)
        if kind == "Measure":
            return self.shown(projection, got[name])
        value = values[groups.index((table, name))]
        return BLANK if value is None else self.shown(projection, value)

    def grid(self, canvas, frame, header, rows, total, right, where, shade=None):
        """A table: header, as many rows as fit, a total at the foot."""
        left, top, width, height = frame
        line = 21
        heading = 34 if any(len(name) > 11 for name in header) else 24
        fits = int((height - heading - 8 - (line if total else 0)) // line)
        body = rows[:fits]
        weights = [
            max(
                [len(name) * (0.62 if len(name) > 11 else 1.0)]
                + [len(row[place]) for row in [*body, *([total] if total else [])]]
            )
            + 2.0
            for place, name in enumerate(header)
        ]
        room = width - 16
        starts = [left + 8 + room * sum(weights[:place]) / sum(weights) for place in range(len(weights) + 1)]
        canvas.axes.add_patch(Rectangle((left + 8, top + 2), room, heading, color=self.theme.page, linewidth=0))
        for place, name in enumerate(header):
            for part, text in enumerate(self.wrapped(name)):
                y = top + 2 + heading / 2 + (part - (len(self.wrapped(name)) - 1) / 2) * 13
                self.in_cell(canvas, starts, place, y, text, right[place], True, where, self.theme.text)
        for number, row in enumerate(body):
            y = top + heading + 4 + number * line
            for place, text in enumerate(row):
                if shade and shade[number][place] is not None:
                    canvas.axes.add_patch(
                        Rectangle(
                            (starts[place], y),
                            starts[place + 1] - starts[place],
                            line,
                            color=shade[number][place],
                            linewidth=0,
                        )
                    )
                self.in_cell(canvas, starts, place, y + line / 2, text, right[place], False, where, self.theme.text)
            canvas.axes.plot([left + 8, left + width - 8], [y + line, y + line], color=self.theme.line, linewidth=0.5)
        if total:
            y = top + height - line - 4
            canvas.axes.add_patch(Rectangle((left + 8, y), room, line, color=self.theme.page, linewidth=0))
            for place, text in enumerate(total):
                self.in_cell(canvas, starts, place, y + line / 2, text, right[place], True, where, self.theme.text)
        if len(rows) > fits:
            span = height - heading - 8 - (line if total else 0)
            canvas.axes.add_patch(
                Rectangle((left + width - 6, top + heading + 4), 3, span, color=self.theme.page, linewidth=0)
            )
            canvas.axes.add_patch(
                Rectangle(
                    (left + width - 6, top + heading + 4),
                    3,
                    span * fits / len(rows),
                    color=self.theme.line,
                    linewidth=0,
                )
            )

    @staticmethod
    def wrapped(name):
        """A long heading on two lines, broken at the space nearest to its middle."""
        spaces = [place for place, mark in enumerate(name) if mark == " "]
        if len(name) <= 11 or not spaces:
            return [name]
        at = min(spaces, key=lambda place: abs(place - len(name) / 2))
        return [name[:at], name[at + 1 :]]

    def in_cell(self, canvas, starts, place, y, text, right, bold, where, color):
        wide = starts[place + 1] - starts[place] - 8
        x = starts[place + 1] - 4 if right else starts[place] + 4
        canvas.text(x, y, text, 9, color, bold, "right" if right else "left", wide, where, shorten=not right)

    def draw_pivotTable(self, canvas, page, visual, result, frame, where, _phone):
        rows_at = [role for role, _ in result.groups].index("Rows")
        row_key, column_key = (field_of(result.groups[place][1])[1:] for place in (rows_at, 1 - rows_at))
        measure = result.measures[0][1]
        name = field_of(measure)[2]
        held = {(values[rows_at], values[1 - rows_at]): got[name] for values, got in result.rows}
        rows = self.in_order(row_key, {row for row, _ in held})
        columns = self.in_order(column_key, {column for _, column in held})
        outer = self.query.outer(page, visual)
        subtotal = lambda key, value: self.shown(measure, self.dax.measure(name, Context.of({**outer, key: {value}})))
        shade = gradient(visual, held.values())
        body = [
            [str(row), *[self.shown(measure, held.get((row, column))) for column in columns], subtotal(row_key, row)]
            for row in rows
        ]
        colors = [[None, *[shade(held.get((row, column))) for column in columns], None] for row in rows]
        foot = [*[subtotal(column_key, column) for column in columns], self.shown(measure, result.totals[name])]
        header = [row_key[1], *map(str, columns), "Total"]
        right = [False] + [True] * (len(columns) + 1)
        self.grid(canvas, frame, header, body, ["Total", *foot], right, where, colors)

    def in_order(self, key, values):
        """Values of a column in the order that the model gives them."""
        order = self.query.order_of(key)
        return sorted(values, key=order.get)


def gradient(visual, values):
    """Value to colour by the visual's own rule for the background of its cells."""
    background = visual.document["visual"]["objects"]["values"][0]["properties"]["backColor"]
    rule = background["solid"]["color"]["expr"]["FillRule"]["FillRule"]["linearGradient2"]
    low, high = (to_rgb(rule[end]["color"]["Literal"]["Value"].strip("'")) for end in ("min", "max"))
    figures = [float(value) for value in values if value is not None]
    least, span = min(figures), (max(figures) - min(figures)) or 1

    def shade(value):
        if value is None:
            return None
        part = (float(value) - least) / span
        return to_hex([a + (b - a) * part for a, b in zip(low, high, strict=True)])

    return shade


def bound_values(evaluator):
    """What the drill-through and the tooltip are opened with: the best product of all days, and the newest day."""
    newest = max(evaluator.column("Date", "Date").values)
    revenue = evaluator.tables["Product Sales"].columns
    best = {}
    for code, cents in zip(revenue["Product Id"].codes, revenue["Revenue Amount"].figures, strict=True):
        best[code] = best.get(code, 0) + cents
    identifier = revenue["Product Id"].values[max(best, key=best.get)]
    names = evaluator.distinct("Product", "Product", Context.of({("Product", "Product Id"): {identifier}}))
    return {"DrillProduct": names, "TooltipDate": {newest}}


def save(figure, path):
    """A palette of 64 colours is enough for flat pictures and makes them a third as big."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    Image.open(buffer).convert("RGB").quantize(64, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)


def draw(project, lake, output):
    """Draws all pages, the phone layout and a page in the dark theme; gives what is wrong with them."""
    model = semantic_model.read(project / "Tillrace.SemanticModel/definition")
    report = report_files.read(project / "Tillrace.Report")
    tables = minterpreter.load(model, lake)
    newest = max(tables["KPI Minute"].column("Window End").to_pylist())
    evaluator = Evaluator(model, tables, newest + dt.timedelta(minutes=4))
    light = Theme(next(document for name, document in report.documents.items() if "RegisteredResources/" in name))
    dark = Theme(json.loads((project / "themes/TillraceDark.json").read_text(encoding="utf-8")))
    bound = bound_values(evaluator)
    output.mkdir(parents=True, exist_ok=True)
    problems = []
    pictures = [(name, report.pages[name], light, False) for name in report.order]
    pictures += [("LivePhone", report.pages["Live"], light, True), ("LiveDark", report.pages["Live"], dark, False)]
    for name, page, theme, phone in pictures:
        canvas = Drawer(evaluator, report, theme, bound).page(page, phone)
        save(canvas.figure, output / f"{name}.png")
        close(canvas)
        problems += [f"{name}: {problem}" for problem in canvas.problems]
    (output / SOURCES).write_text(sources_hash(project) + "\n", encoding="utf-8")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=HERE.parent)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    problems = draw(arguments.project.resolve(), arguments.lake, arguments.output)
    for problem in problems:
        print(problem)
    sys.exit(f"{len(problems)} problems" if problems else 0)


if __name__ == "__main__":
    main()
