#!/usr/bin/env bash
# Slurm: a job that depends on the success of another runs although that one failed, once Slurm has forgotten it.
#
# Expected: `sbatch --dependency=afterok:N` of a job N that failed is never started. While N is known, that is so: the
#   second job waits with the reason DependencyNeverSatisfied.
# Happens: Slurm forgets a job MinJobAge seconds after its end, 300 unless the site says otherwise. Then the same
#   submission is accepted with exit code 0, the dependency is dropped, and the job runs. So does one with a number that
#   never was a job.
# Seen: Slurm 22.05.8 (Debian 12: slurmctld 22.05.8-4+deb12u3), without slurmdbd, x86-64, in November 2026.
# Matters: A script that submits training and, some minutes later, its evaluation evaluates what a failed training left.
# Source: The manual of sbatch says of afterok that the job begins "after the specified jobs have successfully executed".
# Needs: the packages slurmctld, slurmd, slurm-client and munge; it starts a cluster of its own on loopback.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap '"$here/tests/support/slurm.sh" down "$dir/slurm" || true; rm -rf "$dir"' EXIT
changed() { echo "CHANGED: $1"; exit 1; }

SLURM_CONF=$(KILN_SLURM_JOB_AGE=2 "$here/tests/support/slurm.sh" up "$dir/slurm")
export SLURM_CONF
sinfo --version
submit() { sbatch --parsable --mem=10 --chdir="$dir" "$@"; }

failed=$(submit --output=failed.out --wrap 'exit 3')
# Looked at at once, before it is forgotten.
known=$(submit --output=known.out --dependency="afterok:$failed" --wrap 'echo ran > known')
for _ in $(seq 50); do
    reason=$(squeue -h -j "$known" -o %r 2>/dev/null || true)
    [ "$reason" = DependencyNeverSatisfied ] && break
    sleep 0.2
done
echo "while the failed job $failed is known: $reason"
[ "$reason" = DependencyNeverSatisfied ] || changed "a known failure no longer holds the job back"
scancel "$known"

for _ in $(seq 300); do squeue -h -j "$failed" >/dev/null 2>&1 || break; sleep 0.2; done
later=$(submit --output=later.out --dependency="afterok:$failed" --wrap 'echo ran > later') || changed "the submission is refused"
for _ in $(seq 100); do [ -e "$dir/later" ] && break; sleep 0.2; done
echo "once it is forgotten: job $later says '$(cat "$dir/later" 2>/dev/null || echo nothing)'"
[ "$(cat "$dir/later" 2>/dev/null)" = ran ] || changed "the job does not run"
