#!/usr/bin/env python3
"""Reads and writes the model with Microsoft's own TMDL serializer and compares the two byte for byte.

Opt-in, for its licence: the serializer is inside npm's @microsoft/powerbi-modeling-mcp, whose preview licence allows to
develop and test one's applications and forbids to pass it on. `TOM=1 powerbi/check.sh` installs it beside these checks,
where git ignores it, and runs this. It works without a network.

    python tom.py                        # the project of this folder and its variants
    python tom.py --adopt                # writes Microsoft's text back into the project
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
sys.path.insert(0, str(PROJECT))
import variant  # noqa: E402  (it lies one folder up)

PACKAGES = HERE / "node_modules/@microsoft"


class Serializer:
    """The server of the package, spoken to over its standard streams."""

    def __init__(self):
        found = [path for path in PACKAGES.glob("powerbi-modeling-mcp-*/dist/powerbi-modeling-mcp") if path.is_file()]
        if not found:
            sys.exit("tom.py: @microsoft/powerbi-modeling-mcp is not installed; run TOM=1 powerbi/check.sh")
        command = [str(found[0]), "--start", "--skipconfirmation"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.count = 0
        self.call(
            "initialize",
            {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "checks", "version": "1"}},
        )
        self.send({"method": "notifications/initialized", "params": {}})

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def call(self, method, parameters):
        self.count += 1
        self.send({"id": self.count, "method": method, "params": parameters})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.count:
                return answer
        sys.exit("tom.py: the serializer ended without an answer")

    def operation(self, tool, **request):
        """One operation; its text, or the error that it says."""
        answer = self.call("tools/call", {"name": tool, "arguments": {"request": request}})
        text = answer["result"]["content"][0]["text"]
        if answer["result"].get("isError") or "Successfully" not in text:
            sys.exit(f"tom.py: {request['operation']}: {text}")
        return json.loads(text).get("data", {})

    def rewritten(self, definition, output):
        """Loads a definition folder and writes it anew."""
        loaded = self.operation("connection_operations", operation="ConnectFolder", folderPath=str(definition))
        self.operation("database_operations", operation="ExportToTmdlFolder", tmdlFolderPath=str(output))
        return loaded

    def close(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


def differing(definition, output):
    names = {path.relative_to(folder).as_posix() for folder in (definition, output) for path in folder.rglob("*.tmdl")}
    read = lambda folder, name: (folder / name).read_bytes() if (folder / name).is_file() else None
    return sorted(name for name in names if read(definition, name) != read(output, name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adopt", action="store_true", help="write Microsoft's text back into the project")
    arguments = parser.parse_args()
    serializer, failed = Serializer(), 0
    with tempfile.TemporaryDirectory() as folder:
        projects = {"project": PROJECT}
        for path in sorted((PROJECT / "variants").glob("*.tmdl")):
            projects[path.stem] = Path(folder) / path.stem
            variant.write(path.stem, projects[path.stem])
        for name, project in projects.items():
            definition, output = project / "Tillrace.SemanticModel/definition", Path(folder) / f"{name}-rewritten"
            loaded = serializer.rewritten(definition, output)
            different = differing(definition, output)
            failed += bool(different)
            counts = ", ".join(
                f"{loaded.get(key)} {key.removesuffix('Loaded')}"
                for key in ("tablesLoaded", "measuresLoaded", "relationshipsLoaded")
            )
            print(
                f"{name}: Microsoft's serializer reads {counts}; "
                + (f"it writes otherwise {different}" if different else "it writes the same bytes")
            )
            if arguments.adopt and name == "project":
                shutil.copytree(output, definition, dirs_exist_ok=True)
            elif arguments.adopt:
                shutil.copy(output / "expressions.tmdl", PROJECT / "variants" / f"{name}.tmdl")
    serializer.close()
    sys.exit(1 if failed and not arguments.adopt else 0)


if __name__ == "__main__":
    main()
