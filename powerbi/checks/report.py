"""Checks of the report: its JSON against Microsoft's schemas, every field against the model, and the house rules of pages.

Microsoft's own validator (npm, see check.sh) reads the same files; this one knows the model as well.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import schemas
from findings import Finding

NAME = re.compile(r"[\w-]{1,50}")
# Kinds of roles in Microsoft's catalogue: 0 groups, 1 measures, 2 takes both.
KIND_OF_ROLE = {0: {"Column"}, 1: {"Measure"}, 2: {"Column", "Measure"}}
WITHOUT_FIELDS = {"textbox", "actionButton"}
# Power BI's phone canvas.
PHONE_WIDTH = 320
UNTITLED = {"textbox", "slicer", "cardVisual", "actionButton"}


@dataclass
class Visual:
    """A visual of a page; `phone` is its place in the phone layout, where it has one."""

    name: str
    document: dict
    phone: dict | None = None

    @property
    def type(self):
        return self.document.get("visual", {}).get("visualType", "")

    @property
    def roles(self):
        """Role to its projections."""
        state = self.document.get("visual", {}).get("query", {}).get("queryState", {})
        return {role: found.get("projections", []) for role, found in state.items()}

    def literal(self, group, name, objects="visualContainerObjects"):
        """A formatting property's literal value without quotes, or None."""
        for entry in self.document.get("visual", {}).get(objects, {}).get(group, []):
            value = entry.get("properties", {}).get(name)
            if value is not None:
                return literal(value)
        return None

    @property
    def filters(self):
        return self.document.get("filterConfig", {}).get("filters", [])


@dataclass
class Page:
    """A page and its visuals in the order in which the tab key reaches them."""

    name: str
    document: dict
    visuals: list = field(default_factory=list)

    @property
    def filters(self):
        return self.document.get("filterConfig", {}).get("filters", [])


@dataclass
class Report:
    """All of it, and what was wrong while reading."""

    folder: Path
    documents: dict = field(default_factory=dict)
    pages: dict = field(default_factory=dict)
    findings: list = field(default_factory=list)

    @property
    def order(self):
        return self.documents.get("definition/pages/pages.json", {}).get("pageOrder", [])


def literal(value):
    """'text', 12D, 3L or true, as a text, number or truth value."""
    text = value.get("expr", {}).get("Literal", {}).get("Value") if isinstance(value, dict) else None
    if text is None:
        return None
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return (
        {"true": True, "false": False, "null": None}[text]
        if text in ("true", "false", "null")
        else float(text.rstrip("DLM"))
    )


def read(folder):
    """Reads a `.Report` folder."""
    report = Report(Path(folder))
    for path in sorted(
        [*report.folder.rglob("*.json"), *report.folder.glob("definition.pbir"), *report.folder.glob(".platform")]
    ):
        name = path.relative_to(report.folder).as_posix()
        try:
            report.documents[name] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            report.findings.append(Finding("json-syntax", name, str(error)))
    for name, document in report.documents.items():
        match = re.fullmatch(r"definition/pages/([^/]+)/page\.json", name)
        if match:
            report.pages[match.group(1)] = Page(match.group(1), document)
    for name, document in report.documents.items():
        match = re.fullmatch(r"definition/pages/([^/]+)/visuals/([^/]+)/visual\.json", name)
        if match and match.group(1) in report.pages:
            phone = report.documents.get(name.replace("visual.json", "mobile.json"))
            report.pages[match.group(1)].visuals.append(Visual(match.group(2), document, phone))
    for page in report.pages.values():
        page.visuals.sort(key=lambda visual: visual.document.get("position", {}).get("tabOrder", 0))
    return report


def check(project, model):
    """Everything that is wrong with the report of a project, and with the project's own JSON files."""
    report = read(Path(project) / "Tillrace.Report")
    rules = (
        pages_named, visuals_named, visual_kinds, fields_exist, projections, accessible, layout, phone_layout, filters_named,
        links, themes,
    )  # fmt: skip
    found = list(report.findings) + list(schema_findings(Path(project), report))
    return found + [finding for rule in rules for finding in rule(report, model)]


def schema_findings(project, report):
    documents = {f"Tillrace.Report/{name}": document for name, document in report.documents.items()}
    for path in (
        project / "Tillrace.pbip",
        project / "Tillrace.SemanticModel/definition.pbism",
        project / "Tillrace.SemanticModel/.platform",
    ):
        try:
            documents[path.relative_to(project).as_posix()] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            yield Finding("json-syntax", path.name, str(error))
    for name, document in documents.items():
        if "StaticResources" in name:
            continue
        address = document.get("$schema")
        errors = schemas.errors(address, document) if address else None
        if errors is None:
            yield Finding(
                "schema-version", name, f"the schema {address!r} is not one of Microsoft's that are known here"
            )
        for error in errors or ():
            yield Finding("json-schema", name, error)


def pages_named(report, _model):
    order = report.order
    for name in sorted(set(order) ^ set(report.pages)):
        yield Finding(
            "page-order",
            "pages.json",
            f"page {name!r} is {'in the order but missing' if name in order else 'not in the order'}",
        )
    if report.documents.get("definition/pages/pages.json", {}).get("activePageName") not in report.pages:
        yield Finding("page-order", "pages.json", "activePageName names no page")
    for page in report.pages.values():
        if page.document.get("name") != page.name or not NAME.fullmatch(page.name):
            yield Finding(
                "names", page.name, f"the page is named {page.document.get('name')!r}; expected its folder's name"
            )


def every_visual(report):
    for page in report.pages.values():
        for visual in page.visuals:
            yield page, visual, f"{page.name}/{visual.name}"


def visuals_named(report, _model):
    for _page, visual, where in every_visual(report):
        if visual.document.get("name") != visual.name or not NAME.fullmatch(visual.name):
            yield Finding(
                "names", where, f"the visual is named {visual.document.get('name')!r}; expected its folder's name"
            )
    for name in report.documents:
        match = re.fullmatch(r"definition/pages/([^/]+)/visuals/([^/]+)/mobile\.json", name)
        if match and name.replace("mobile.json", "visual.json") not in report.documents:
            yield Finding("names", name, "a phone layout for a visual that does not exist")


def visual_kinds(report, _model):
    catalogue, container = schemas.visuals(), schemas.container_objects()
    if catalogue is None:
        return
    for _page, visual, where in every_visual(report):
        kind = catalogue.get(visual.type)
        if kind is None:
            yield Finding("visual-type", where, f"there is no visual type {visual.type!r}")
            continue
        known = {role["name"]: role["kind"] for role in kind.get("dataRoles", [])}
        for role, found in visual.roles.items():
            if role not in known:
                yield Finding("visual-role", where, f"{visual.type} has no role {role!r}; it has {', '.join(known)}")
                continue
            for projection in found:
                used = next(iter(projection.get("field", {})), None)
                if used not in KIND_OF_ROLE[known[role]]:
                    yield Finding("visual-role", where, f"role {role!r} takes no {used}")
        yield from objects_known(
            where, visual.document["visual"].get("objects", {}), kind.get("objects", {}), visual.type
        )
        yield from objects_known(
            where, visual.document["visual"].get("visualContainerObjects", {}), container, "the container"
        )


def objects_known(where, used, known, of):
    for name, entries in used.items():
        if name not in known:
            yield Finding("visual-object", where, f"{of} has no formatting object {name!r}")
            continue
        properties = known[name].get("properties", {})
        for entry in entries:
            for prop, value in entry.get("properties", {}).items():
                if prop not in properties:
                    yield Finding("visual-object", where, f"{of}.{name} has no property {prop!r}")
                    continue
                members = properties[prop].get("type", {}).get("enumeration")
                allowed = (
                    [member["value"] for member in members.get("allMembers", [])] if isinstance(members, dict) else []
                )
                given = literal(value)
                if allowed and given is not None and given not in allowed:
                    yield Finding("visual-object", where, f"{of}.{name}.{prop} is {given!r}; expected one of {allowed}")


def references(document, sources=None):
    """Every (kind, table, name) that a piece of JSON refers to, aliases of `From` resolved."""
    if isinstance(document, list):
        for item in document:
            yield from references(item, sources)
        return
    if not isinstance(document, dict):
        return
    if isinstance(document.get("From"), list):
        sources = {**(sources or {}), **{entry.get("Name"): entry.get("Entity") for entry in document["From"]}}
    for kind in ("Column", "Measure"):
        found = document.get(kind)
        if isinstance(found, dict) and "Property" in found:
            reference = found.get("Expression", {}).get("SourceRef", {})
            table = reference.get("Entity") or (sources or {}).get(reference.get("Source"))
            yield kind, table, found["Property"]
    for value in document.values():
        yield from references(value, sources)


def fields_exist(report, model):
    for name, document in report.documents.items():
        for kind, table, prop in references(document):
            if kind == "Column":
                column = model.column(table, prop)
                if column is None:
                    yield Finding("field-exists", name, f"column {table!r}[{prop}] does not exist")
                elif column.hidden:
                    yield Finding("field-hidden", name, f"column {table!r}[{prop}] is hidden from reports")
            else:
                measure = model.measures.get(prop)
                if measure is None or measure.table != table:
                    yield Finding("field-exists", name, f"measure {table!r}[{prop}] does not exist")
                elif measure.node.get("isHidden"):
                    yield Finding("field-hidden", name, f"measure [{prop}] is hidden from reports")


def projections(report, _model):
    for _page, visual, where in every_visual(report):
        if visual.type not in WITHOUT_FIELDS and not any(visual.roles.values()):
            yield Finding("visual-empty", where, "the visual shows no field")
        for role, found in visual.roles.items():
            for projection in found:
                (_kind, table, prop), *_ = [*references(projection.get("field", {})), (None, None, None)]
                if projection.get("queryRef") != f"{table}.{prop}" or projection.get("nativeQueryRef") != prop:
                    message = f"{role}: queryRef must be '{table}.{prop}' and nativeQueryRef '{prop}'"
                    yield Finding("query-ref", where, message)


def accessible(report, _model):
    for page in report.pages.values():
        orders = [visual.document.get("position", {}).get("tabOrder") for visual in page.visuals]
        if len(set(orders)) != len(orders) or None in orders:
            yield Finding("tab-order", page.name, "every visual needs its own tabOrder")
        first = next((visual for visual in page.visuals if visual.type == "textbox"), None)
        if page.document.get("type") != "Tooltip" and (first is None or page.visuals.index(first) > 1):
            yield Finding("tab-order", page.name, "the page's header comes first")
    for _page, visual, where in every_visual(report):
        text = visual.literal("general", "altText") or ""
        if len(text) < 15 or not text.endswith("."):
            yield Finding("alt-text", where, f"the alternative text is {text!r}; expected a sentence")
        if visual.type not in UNTITLED and not visual.literal("title", "text"):
            yield Finding("title", where, "the visual has no title")


def box(position):
    """Left, top, right and bottom; what a position lacks is the schema's to say."""
    left, top, width, height = (position.get(name, 0) for name in ("x", "y", "width", "height"))
    return left, top, left + width, top + height


def apart(one, other):
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def layout(report, _model):
    for page in report.pages.values():
        width, height = page.document.get("width", 0), page.document.get("height", 0)
        margin = 0 if page.document.get("type") == "Tooltip" else 24
        boxes = {visual.name: box(visual.document.get("position", {})) for visual in page.visuals}
        for name, (left, top, right, bottom) in boxes.items():
            if left < margin or right > width - margin or top < 0 or bottom > height:
                yield Finding(
                    "layout-outside", f"{page.name}/{name}", f"{(left, top, right, bottom)} leaves {width} x {height}"
                )
        yield from overlaps("layout-overlap", page.name, boxes)


def overlaps(check, page, boxes):
    names = sorted(boxes)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            if not apart(boxes[name], boxes[other]):
                yield Finding(check, f"{page}/{name}", f"overlaps {other}")


def phone_layout(report, _model):
    live = report.pages.get("Live")
    if live and not {"Header", "KeyFigures", "Freshness"} <= {visual.name for visual in live.visuals if visual.phone}:
        yield Finding("phone-layout", "Live", "the phone layout needs the header, the key figures and the freshness")
    for page in report.pages.values():
        boxes = {visual.name: box(visual.phone["position"]) for visual in page.visuals if visual.phone}
        for name, (left, top, right, _bottom) in boxes.items():
            if left < 0 or top < 0 or right > PHONE_WIDTH:
                yield Finding("phone-layout", f"{page.name}/{name}", f"leaves the phone's width of {PHONE_WIDTH}")
        yield from overlaps("phone-layout", page.name, boxes)


def filters_named(report, _model):
    seen = {}
    for page in report.pages.values():
        owners = [(page.name, page.filters)] + [
            (f"{page.name}/{visual.name}", visual.filters) for visual in page.visuals
        ]
        for where, filters in owners:
            for found in filters:
                name = found.get("name")
                if name is None or seen.setdefault(name, where) != where:
                    yield Finding(
                        "filter-name", where, f"the filter's name {name!r} is missing or used by {seen.get(name)}"
                    )


def links(report, _model):
    """Drill-through and tooltip pages are bound to a filter of their own; tooltips name a page that is one."""
    for page in report.pages.values():
        binding = page.document.get("pageBinding")
        if page.document.get("type") and not binding:
            yield Finding("page-binding", page.name, f"a {page.document['type']} page needs a pageBinding")
        for parameter in (binding or {}).get("parameters", []):
            if parameter.get("boundFilter") not in [found.get("name") for found in page.filters]:
                yield Finding(
                    "page-binding",
                    page.name,
                    f"the parameter is bound to {parameter.get('boundFilter')!r}, no filter of the page",
                )
        if page.document.get("type") and page.document.get("visibility") != "HiddenInViewMode":
            yield Finding("page-binding", page.name, "a drill-through or tooltip page is hidden in view mode")
        names = {visual.name for visual in page.visuals}
        for found in page.document.get("visualInteractions", []):
            for name in {found.get("source"), found.get("target")} - names:
                yield Finding("interaction", page.name, f"an interaction names {name!r}, no visual of the page")
    for _page, visual, where in every_visual(report):
        section = visual.literal("visualTooltip", "section")
        target = report.pages.get(section)
        if section and (target is None or target.document.get("type") != "Tooltip"):
            yield Finding("tooltip-page", where, f"{section!r} is no tooltip page")


def themes(report, _model):
    document = report.documents.get("definition/report.json", {})
    named = document.get("themeCollection", {}).get("customTheme", {}).get("name")
    items = [item for package in document.get("resourcePackages", []) for item in package.get("items", [])]
    if named not in [item.get("name") for item in items]:
        yield Finding("theme", "report.json", f"the theme {named!r} is no registered resource")
    for item in items:
        path = report.folder / "StaticResources/RegisteredResources" / item.get("path", "")
        if not path.is_file():
            yield Finding("theme", "report.json", f"the file {item.get('path')!r} does not exist")
            continue
        theme = json.loads(path.read_text(encoding="utf-8"))
        if theme.get("name") != path.name:
            yield Finding("theme", path.name, f"the theme's name is {theme.get('name')!r}; expected the file's name")
        for error in schemas.theme_errors(theme):
            yield Finding("theme-schema", path.name, error)
