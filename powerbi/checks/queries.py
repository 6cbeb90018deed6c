#!/usr/bin/env python3
"""Prints every M text of some projects as one JSON object, name to text, for parse_m.mjs."""

import json
import sys
from pathlib import Path

import model as semantic_model

found = {}
for project in sys.argv[1:]:
    model = semantic_model.read(Path(project) / "Tillrace.SemanticModel/definition")
    for name, (node, _) in model.expressions.items():
        found[f"{project}: {name}"] = node.expression
    for table in model.tables.values():
        for partition in table.node.of("partition"):
            found[f"{project}: {table.name}"] = partition.get("source", "")
json.dump(found, sys.stdout)
