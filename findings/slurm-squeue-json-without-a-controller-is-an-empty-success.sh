#!/usr/bin/env bash
# Slurm: `squeue --json` says that there are no jobs, with exit code 0, when it cannot reach the controller; and it ignores
# which jobs were asked for.
#
# Expected: Without a controller `squeue --json` fails as `squeue` does, with exit code 1. With `--jobs=N` it lists job N.
# Happens: Without a controller it prints a whole document with an empty list of jobs and ends with 0. The error is a
#   member of the document at most. With a controller it lists all jobs, whatever --jobs, --name, --user or --states say, and
#   those that are over as well.
# Seen: Slurm 22.05.8 (Debian 12: slurmctld 22.05.8-4+deb12u3), plugin openapi/v0.0.38, x86-64, in November 2026.
# Matters: A program that waits until its jobs are gone takes a restart of the controller for their end, and reads results that
#   are not there yet.
# Source: The manual of squeue says of --json only that it dumps "job information as JSON".
# Needs: the packages slurmctld, slurmd, slurm-client and munge; it starts a cluster of its own on loopback.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap '"$here/tests/support/slurm.sh" down "$dir/slurm" || true; rm -rf "$dir"' EXIT
changed() { echo "CHANGED: $1"; exit 1; }
jobs() { python3 -c 'import json, sys; print(sorted(job["job_id"] for job in json.load(sys.stdin)["jobs"]))'; }

SLURM_CONF=$("$here/tests/support/slurm.sh" up "$dir/slurm")
export SLURM_CONF
sinfo --version
for _ in 1 2; do sbatch --parsable --mem=10 --chdir=/tmp --output=/dev/null --wrap 'sleep 60' >/dev/null; done
sbatch --parsable --wait --mem=10 --chdir=/tmp --output=/dev/null --wrap true >/dev/null

found=$(squeue --json --jobs=1 | jobs)
echo "squeue --json --jobs=1 lists $found"
[ "$found" = "[1, 2, 3]" ] || changed "it lists the jobs that were asked for"

kill "$(cat "$dir/slurm/run/controller")"
while [ -d "/proc/$(cat "$dir/slurm/run/controller" 2>/dev/null || echo none)" ]; do sleep 0.1; done
code=0
squeue >/dev/null 2>&1 || code=$?
echo "without a controller squeue ends with $code"
code=0
found=$(squeue --json 2>/dev/null | jobs) || code=$?
echo "without a controller squeue --json ends with $code and lists $found"
[ "$code" = 0 ] && [ "$found" = "[]" ] || changed "it fails without a controller"
"$here/tests/support/slurm.sh" controller "$dir/slurm"
scancel --user="$(id -un)"
