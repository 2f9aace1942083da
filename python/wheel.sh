#!/bin/sh
# Builds the wheel into target/wheels and tries it: in a fresh environment, a new project runs, and a training goes on.
set -eu
root="$(cd "$(dirname "$0")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/build"
"$work/build/bin/pip" install --quiet 'maturin>=1.9,<2' ziglang
(
    cd "$root/python"
    PATH="$work/build/bin:$PATH" maturin build --release --zig --compatibility manylinux_2_28 --out "$root/target/wheels"
)
wheel="$(ls -t "$root"/target/wheels/kiln_ml-*.whl | head -n 1)"
size="$(wc -c < "$wheel")"
echo "$wheel: $size bytes"
[ "$size" -lt 40000000 ] || { echo "more than 40 MB" >&2; exit 1; }

python3 -m venv "$work/fresh"
began="$(date +%s)"
"$work/fresh/bin/pip" install --quiet "$wheel"
PATH="$work/fresh/bin:$PATH"
cd "$work"
kiln init demo
(cd demo && kiln run)
echo "from the wheel to a run: $(($(date +%s) - began)) s"

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
