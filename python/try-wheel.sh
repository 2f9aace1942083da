#!/bin/sh
# Tries a wheel: in a fresh environment and without a compiler a new project runs within a minute, and a training goes on.
# `try-wheel.sh WHEEL [SECONDS]`: on a machine with other work it may take longer than a minute.
set -eu
wheel="$(realpath "$1")"
most="${2:-60}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset KILN_CACHE PYTHONPATH

size="$(wc -c < "$wheel")"
echo "$(basename "$wheel"): $size bytes"
[ "$size" -lt 40000000 ] || { echo "more than 40 MB" >&2; exit 1; }

# Only what a small machine has: Python, and the tools that the first project needs.
mkdir "$work/tools"
for tool in sh awk cat cp echo head mkdir mktemp mv rm sleep sort tail tr; do
    ln -s "$(command -v "$tool")" "$work/tools/"
done
began="$(date +%s)"
python3 -m venv "$work/fresh"
"$work/fresh/bin/pip" install --quiet --no-index "$wheel"
cd "$work"
PATH="$work/fresh/bin:$work/tools"
export PATH
kiln init demo
(cd demo && kiln run)
export PATH="$PATH:/usr/bin:/bin"
took="$(($(date +%s) - began))"
echo "from the wheel to a run: $took s"
[ "$took" -lt "$most" ] || { echo "that is too long" >&2; exit 1; }

mkdir own
cd own
cat > pipeline.yaml <<'END'
version: 1
params: {epochs: 2}
stages:
  train:
    run: python3 train.py
    with: {epochs: "${params.epochs}"}
    steps: {parameter: epochs, unit: epoch}
    inputs: {script: train.py}
    outputs: {sum: out/sum}
END
cat > train.py <<'END'
import kiln
state = {"sum": 0}
for epoch in kiln.steps(kiln.params().epochs, state):
    state["sum"] += epoch
kiln.outputs["sum"].write_text(str(state["sum"]))
END
kiln run
kiln run --set epochs=4 2>&1 | tee said
grep -q 'resumed at epoch 3 of 4' said
[ "$(cat out/sum)" = 10 ]
echo "the wheel is good"
