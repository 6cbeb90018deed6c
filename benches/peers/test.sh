#!/usr/bin/env bash
# Checks that the quick peers agree with Tillrace to the cent, on a small input with windows that close, late events
# and duplicates, and that the comparison notices a cent. Asserts no time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$here/.work
export PYTHONDONTWRITEBYTECODE=1

# 1 000 events a second of event time: several windows, which late events can miss.
"$here/run.sh" --lines 200000 --rate 1000 --runs 1 --peers "${PEERS:-duckdb,plain,timely}"

python=$work/venv/duckdb/bin/python
doctored=$work/doctored

# must_differ WHAT FILE PROGRAM: doctors a copy of the plain program's results with awk and wants a refusal.
must_differ() {
    rm -rf "$doctored"
    cp -r "$work/results/plain" "$doctored"
    awk -F, -v OFS=, "$3" "$work/results/plain/$2" >"$doctored/$2"
    local status=0
    "$python" "$here/compare.py" "$work/gold" "$doctored" >"$work/doctored.txt" || status=$?
    if [[ $status != 1 ]] || ! grep -q differs "$work/doctored.txt"; then
        echo "test.sh: the comparison did not notice $1 (exit $status)" >&2
        exit 1
    fi
    echo "noticed: $1: $(grep -m 1 differs "$work/doctored.txt")"
}

"$python" "$here/compare.py" "$work/gold" "$work/results/plain" >/dev/null
must_differ "a cent of revenue" kpis.csv 'NR == 2 { $3 += 1 } 1'
must_differ "a cent of a product" products.csv 'NR == 1000 { $7 -= 1 } 1'
must_differ "a cent of a payment" payments.csv 'NR == 2 { $6 += 1 } 1'
must_differ "a customer less" kpis.csv 'NR == 3 { $6 -= 1 } 1'
must_differ "a row less" products.csv 'NR != 500'
must_differ "a row twice" products.csv '1; NR == 500'
echo "peers agree, and the comparison notices what it must"
