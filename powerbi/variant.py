#!/usr/bin/env python3
"""Writes the project for another source than Parquet folders: Delta folders, or DirectQuery on Databricks SQL or Fabric.

    python3 powerbi/variant.py delta --output tillrace-delta
    python3 powerbi/variant.py databricks --output tillrace-databricks

Measures, relationships and pages stay as they are; what differs is `expressions.tmdl` (from `variants/`) and, for
DirectQuery, the storage mode of the tables, no refresh policies, and automatic refresh of the page Live.
Needs Python 3.11 and nothing else, also on Windows.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = ("Tillrace.pbip", "Tillrace.SemanticModel", "Tillrace.Report")
DIRECT_QUERY = {"databricks", "fabric"}
# How often the page Live asks its source again.
PAGE_REFRESH = "00:00:30"
# Tables that M makes, and those that both imported and queried tables meet.
IMPORTED = {"Key Figures", "Date", "Time of Day", "Funnel Stage", "Category"}
DUAL = {"Product", "Customer"}
REFRESH_POLICY = re.compile(r"\trefreshPolicy\n(?:\t\t.*\n|\n(?=\t\t))*\n?")


def write(variant, output):
    """Copies the project into the new folder `output` and changes it."""
    output.mkdir(parents=True)
    for part in PARTS:
        source = HERE / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, output / part)
    definition = output / "Tillrace.SemanticModel/definition"
    shutil.copy(HERE / "variants" / f"{variant}.tmdl", definition / "expressions.tmdl")
    names = re.findall(
        r"^expression (\w+)", (definition / "expressions.tmdl").read_text(encoding="utf-8"), re.MULTILINE
    )
    edit(definition / "model.tmdl", lambda text: reordered(text, names))
    if variant in DIRECT_QUERY:
        for path in sorted((definition / "tables").glob("*.tmdl")):
            edit(path, lambda text, table=path.stem: direct(text, table))
        refresh_page(output / "Tillrace.Report/definition/pages/Live/page.json")


def edit(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


def reordered(text, names):
    """The list of queries in model.tmdl with this variant's expressions first."""
    listed = re.search(r"annotation PBI_QueryOrder = (.*)", text)
    tables = re.findall(r"^ref table (.*)$", text, re.MULTILINE)
    order = names + [table.strip("'") for table in tables]
    return text.replace(listed.group(1), json.dumps(order, separators=(",", ":")))


def direct(text, table):
    """A table that is queried where it lies."""
    mode = "import" if table in IMPORTED else "dual" if table in DUAL else "directQuery"
    text = REFRESH_POLICY.sub("", text)
    text = text.replace("GoldWindows(", "GoldTable(").replace(", RangeStart, RangeEnd)", ")")
    return text.replace("\t\tmode: import", f"\t\tmode: {mode}")


def refresh_page(path):
    """Automatic page refresh, which Power BI offers for DirectQuery only."""
    page = json.loads(path.read_text(encoding="utf-8"))
    literal = lambda value: {"expr": {"Literal": {"Value": value}}}
    properties = {"show": literal("true"), "refreshType": literal("'APR'"), "duration": literal(f"'{PAGE_REFRESH}'")}
    page.setdefault("objects", {})["pageRefresh"] = [{"properties": properties}]
    path.write_text(json.dumps(page, indent=2) + "\n", encoding="utf-8", newline="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", choices=sorted(path.stem for path in (HERE / "variants").glob("*.tmdl")))
    parser.add_argument("--output", type=Path, required=True, help="folder to write; must not exist yet")
    arguments = parser.parse_args()
    if arguments.output.exists():
        sys.exit(f"variant.py: {arguments.output} exists already; name a folder that does not")
    write(arguments.variant, arguments.output)
    print(f"wrote {arguments.output / 'Tillrace.pbip'}")


if __name__ == "__main__":
    main()
