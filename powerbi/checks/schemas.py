"""Data of others that the checks read where it is at hand: Microsoft's JSON schemas, its catalogue of visuals, and the
names of the M and DAX libraries. None of it is in this repository.

It is looked for in $POWERBI_SCHEMAS, then in `shared/powerbi-schemas` beside this checkout or the folder above it; the
catalogue of visuals also in the npm package that check.sh installs. What is missing is said once, by `missing`.
"""

import json
import os
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ADDRESS = "https://developer.microsoft.com/json-schemas/"
NPM_VISUALS = HERE / "node_modules/@microsoft/powerbi-core-visual-schema/data"


@cache
def folder():
    """The folder with the schemas, or None."""
    named = os.environ.get("POWERBI_SCHEMAS")
    places = (
        [Path(named)] if named else [parent / "shared/powerbi-schemas" for parent in (ROOT.parent, ROOT.parent.parent)]
    )
    return next((place for place in places if (place / "fabric").is_dir()), None)


def missing():
    """What cannot be checked for want of data, in words."""
    found = []
    if folder() is None:
        found.append("JSON schemas of Microsoft (github.com/microsoft/json-schemas; set POWERBI_SCHEMAS)")
        found.append("names of the M and DAX libraries (only names with a dot pass as M, any function as DAX)")
    if visuals() is None:
        found.append("catalogue of visuals (npm @microsoft/powerbi-core-visual-schema)")
    return found


def read(*places):
    path = next((place for place in places if place and place.is_file()), None)
    return json.loads(path.read_text(encoding="utf-8")) if path else None


def shared(name):
    return folder() / name if folder() else None


@cache
def dax_functions():
    """Function names with their least and greatest number of arguments (None: any); empty where not at hand."""
    found = read(shared("dax-functions.json"))
    return found["functions"] if found else {}


@cache
def m_library():
    """The names of the M library; empty where not at hand."""
    found = read(shared("m-library/standard-names.json"))
    return set(found["symbols"]) if found else set()


@cache
def visuals():
    """Roles and formatting objects of each visual type, or None."""
    return read(NPM_VISUALS / "capabilities.json", shared("core-visual-schema/capabilities.json"))


@cache
def container_objects():
    """Formatting objects that every visual's container has (title, border, ...), or None."""
    return read(NPM_VISUALS / "vco-capabilities.json", shared("core-visual-schema/vco-capabilities.json"))


@cache
def registry():
    """All schemas by the address of their place: some published `$id`s are wrong."""
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    found = Registry()
    base = folder()
    for path in sorted(base.glob("fabric/**/*.json")):
        schema = json.loads(path.read_text(encoding="utf-8-sig"))
        address = ADDRESS + path.relative_to(base).as_posix()
        schema["$id"] = address
        found = found.with_resource(address, Resource.from_contents(schema, default_specification=DRAFT7))
    return found


def errors(address, document):
    """What a JSON schema says against a document; None where the schema is not known."""
    if folder() is None:
        return []
    return list(errors_of(address, json.dumps(document))) if address in registry() else None


@cache
def errors_of(address, text):
    """The same for a document as text: a project's files are checked again and again by the planted faults."""
    from jsonschema import Draft7Validator

    document = json.loads(text)
    validator = Draft7Validator(registry().contents(address), registry=registry())
    return tuple(
        f"{'/'.join(map(str, error.absolute_path)) or 'the file'}: {error.message[:200]}"
        for error in validator.iter_errors(document)
    )


def theme_errors(document):
    """What Microsoft's schema of report themes says against a theme."""
    return list(theme_errors_of(json.dumps(document)))


@cache
def theme_errors_of(text):
    """The same for a theme as text."""
    from jsonschema import Draft7Validator

    schema = read(shared("theme/reportThemeSchema-2.152.json"))
    found = Draft7Validator(schema).iter_errors(json.loads(text)) if schema else ()
    return tuple(f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found)
