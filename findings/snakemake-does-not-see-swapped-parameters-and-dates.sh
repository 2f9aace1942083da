#!/usr/bin/env bash
# Snakemake does not see that two parameters changed places, or that a date, a path or an array of a rule changed.
#
# Expected: A rule runs again when one of its params has changed, as Snakemake does by default.
# Happens: The recorded and the new params are compared as two sets of texts, without their names. After low and high
#   are swapped, or when a number changes to one that another parameter has, there is nothing to do. Values that are no
#   plain Python value are left out, so a date, a path or a NumPy array never counts. YAML turns start: 2024-01-01
#   into such a date.
# Seen: snakemake 9.27.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Snakemake says that all is up to date, and the results are those of other thresholds or of another time
#   span than the configuration says.
# Source: params_changed and _serialize_param_builtin in snakemake/persistence/__init__.py
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check snakemake==9.27.1 numpy==2.4.6

cat > Snakefile <<'EOF'
from pathlib import Path
import numpy as np
configfile: "config.yaml"
rule all:
    input: "alone", "swapped", "same", "date", "path", "array"
rule alone:
    output: "alone"
    params: low=config["alone"]
    shell: "echo {params.low} > {output}"
rule swapped:
    output: "swapped"
    params: low=config["low"], high=config["high"]
    shell: "echo {params.low} {params.high} > {output}"
rule same:
    output: "same"
    params: layers=2, heads=config["heads"], width=8
    shell: "echo {params.layers} {params.heads} {params.width} > {output}"
rule date:
    output: "date"
    params: start=config["start"]
    shell: "echo {params.start} > {output}"
rule path:
    output: "path"
    params: model=Path(config["model"])
    shell: "echo {params.model} > {output}"
rule array:
    output: "array"
    params: weights=np.array(config["weights"])
    shell: "echo {params.weights} > {output}"
EOF

run() { # run ALONE LOW HIGH HEADS START MODEL WEIGHTS
    cat > config.yaml <<EOF
alone: $1
low: $2
high: $3
heads: $4
start: $5
model: $6
weights: $7
EOF
    venv/bin/snakemake --cores 1 > log 2>&1 || { tail -n 20 log; echo "CHANGED: snakemake ends with 0"; exit 1; }
}
check() { # check FILE TEXT
    echo "    $1: $(cat "$1")"
    [ "$(cat "$1")" = "$2" ] || { echo "CHANGED: the file $1 holds $2"; exit 1; }
}

echo "snakemake $(venv/bin/snakemake --version)"
run 1 1 10 2 2024-01-01 old.pt "[1, 1]"
echo "first run:"
check alone 1; check swapped "1 10"; check same "2 2 8"; check date 2024-01-01; check path old.pt; check array "[1 1]"
run 5 10 1 8 2025-01-01 new.pt "[9, 9]"
echo "after all of them were changed:"
check alone 5; check swapped "1 10"; check same "2 2 8"; check date 2024-01-01; check path old.pt; check array "[1 1]"
run 5 10 1 8 2025-01-01 new.pt "[9, 9]"
grep -q "Nothing to be done" log || { cat log; echo "CHANGED: there is nothing to do"; exit 1; }
grep "Nothing to be done" log
venv/bin/snakemake --cores 1 --forceall > log 2>&1
echo "after --forceall:"
check alone 5; check swapped "10 1"; check same "2 8 8"; check date 2025-01-01; check path new.pt; check array "[9 9]"
