#!/usr/bin/env python3
"""Checks a Power BI project, and a lake where one is given, and prints what is wrong.

python project.py                     # the project of this folder
python project.py --lake lake         # and the Gold that tillrace has written there
python project.py --project OTHER     # another one, such as a variant
"""

import argparse
import sys
from pathlib import Path

import lake
import model as semantic_model
import report
import rules
import schemas

HERE = Path(__file__).resolve().parent


def check(project, lake_folder=None):
    """Every finding about a project folder; with a lake also about its Gold."""
    project = Path(project)
    model = semantic_model.read(project / "Tillrace.SemanticModel/definition")
    findings = rules.check(model) + report.check(project, model)
    if lake_folder:
        findings += lake.check(model, lake_folder)
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=HERE.parent)
    parser.add_argument("--lake", type=Path)
    arguments = parser.parse_args()
    for text in schemas.missing():
        print(f"not checked for want of: {text}")
    findings = check(arguments.project, arguments.lake)
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{len(findings)} findings")
    print(f"no findings in {arguments.project}")


if __name__ == "__main__":
    main()
