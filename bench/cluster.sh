#!/usr/bin/env bash
# 500 trivial stages through Kiln beside a hand-written job array of the same commands, on the same private Slurm, one after the other.
#
#   bench/cluster.sh KILN [COUNT] [ROUNDS]      500 stages in 2 rounds, unless otherwise said
set -euo pipefail
kiln=$(realpath "$1")
count=${2:-500}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap '"$here/tests/support/slurm.sh" down "$work/slurm"; rm -rf "$work"' EXIT
export SLURM_CONF=$("$here/tests/support/slurm.sh" up "$work/slurm")

seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f\n", to - from }'; }

mkdir -p "$work/array/out" "$work/kiln"
cat >"$work/array/job.sh" <<JOB
#!/bin/sh
echo \$SLURM_ARRAY_TASK_ID > $work/array/out/\$SLURM_ARRAY_TASK_ID
JOB
array() {
    local from
    rm -f "$work"/array/out/*
    from=$(date +%s.%N)
    sbatch --parsable --array=0-$((count - 1)) --mem=50 --output=/dev/null --chdir="$work/array" "$work/array/job.sh" >/dev/null
    until [ "$(find "$work/array/out" -type f -size +0 | wc -l)" -eq "$count" ]; do sleep 0.2; done
    seconds "$from" "$(date +%s.%N)"
}

{
    echo "version: 1"
    echo "executor: {slurm: {memory: 50MB}}"
    echo "stages:"
    echo "  many:"
    echo "    matrix: {n: [$(seq -s, 0 $((count - 1)))]}"
    echo "    run: 'echo \${matrix.n} > out/\${matrix.n}'"
    echo "    outputs: {out: 'out/\${matrix.n}'}"
} >"$work/kiln/pipeline.yaml"
with_kiln() {
    local from
    rm -rf "$work/kiln/cache" "$work/kiln/out"
    from=$(date +%s.%N)
    (cd "$work/kiln" && "$kiln" run --quiet)
    seconds "$from" "$(date +%s.%N)"
}

for round in $(seq "${3:-2}"); do
    a=$(array)
    b=$(with_kiln)
    echo "round $round: array $a s, kiln $b s, ratio $(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", b / a }')"
done
from=$(date +%s.%N)
(cd "$work/kiln" && PATH=/nonexistent "$kiln" run --quiet)
echo "nothing to do: $(seconds "$from" "$(date +%s.%N)") s, and Slurm is not asked"
