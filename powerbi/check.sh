#!/usr/bin/env bash
# Checks the Power BI project on Linux: files, model, queries and measures on the Gold of a run, pages. About a minute.
#
#   powerbi/check.sh               # everything that installs by itself
#   powerbi/check.sh --previews    # and draws powerbi/preview anew
#   TOM=1 powerbi/check.sh         # and Microsoft's TMDL serializer, for its licence (checks/tom.py)
#
# The binary is $TILLRACE, else target/release/tillrace or target/debug/tillrace, whichever is newer. What is not at
# hand, such as Node or Microsoft's JSON schemas, is named as not checked.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
checks=$here/checks
cd "$root"

source engine/tests/checks.sh
tillrace=$(built_tillrace check.sh)
need_python "$checks/requirements.txt"
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here:$checks

work=target/powerbi
rm -rf "$work"
mkdir -p "$work"
echo "== lakes: fifteen days, a few days of a tiny shop, and some at another offset"
"$tillrace" run --seed 8 --duration 15d --rate 1 --lake "$work/lake" --summary json >"$work/summary.json"
"$tillrace" run --seed 8 --duration 3d --rate 0.2 --utc-offset=+05:30 --lake "$work/offset" --summary json >"$work/offset.json"
"$tillrace" run --seed 8 --duration 9d --rate 0.05 --lake "$work/small" --summary json >"$work/small.json"
export POWERBI_LAKE=$root/$work/lake POWERBI_SMALL_LAKE=$root/$work/small POWERBI_OFFSET_LAKE=$root/$work/offset

echo "== Microsoft's catalogue of visuals, validator of reports and parser of M"
node=
if command -v npm >/dev/null; then
    packages=()
    [[ -z ${TOM:-} ]] || packages=(@microsoft/powerbi-modeling-mcp@0.5.0-beta.13)
    npm install --prefix "$checks" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "${packages[@]}"
    node=yes
else
    echo "not checked: there is no npm"
fi

echo "== the project and the Gold of the run"
.venv/bin/python "$checks/project.py" --lake "$POWERBI_LAKE"

echo "== variants for other sources"
for path in "$here"/variants/*.tmdl; do
    name=$(basename "$path" .tmdl)
    .venv/bin/python "$here/variant.py" "$name" --output "$work/$name"
    .venv/bin/python "$checks/project.py" --project "$work/$name"
done

if [[ -n $node ]]; then
    echo "== Microsoft's validator of reports"
    for project in "$here" "$work"/databricks; do
        node "$checks/node_modules/@microsoft/powerbi-report-authoring-cli/dist/cli.js" validate --no-schema --format text \
            "$project/Tillrace.Report"
    done
    echo "== Microsoft's parser of M"
    .venv/bin/python "$checks/queries.py" "$here" "$work"/{databricks,delta,fabric} | node "$checks/parse_m.mjs"
fi
if [[ -n ${TOM:-} ]]; then
    echo "== Microsoft's TMDL serializer"
    .venv/bin/python "$checks/tom.py"
fi

echo "== tests: measures against SQL, planted faults, parsers, variants, themes"
.venv/bin/python -m unittest discover --start-directory "$checks" --top-level-directory "$checks"

echo "== a second opinion on the measures"
# Without its dependencies: they serve its server, of which only the DAX engine is used here.
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps pbix-mcp==0.9.149
.venv/bin/python "$checks/second_opinion.py" --lake "$POWERBI_SMALL_LAKE"

echo "== previews"
if [[ ${1:-} == --previews ]]; then
    .venv/bin/python "$checks/preview.py" --lake "$POWERBI_LAKE" --output "$here/preview"
    echo "drawn into powerbi/preview: look at them before you commit them"
else
    .venv/bin/python "$checks/preview.py" --lake "$POWERBI_LAKE" --output "$work/preview"
    cmp "$work/preview/sources.sha256" "$here/preview/sources.sha256" || {
        echo "check.sh: powerbi/preview shows an earlier project; draw it anew with powerbi/check.sh --previews and look" >&2
        exit 1
    }
fi
