#!/usr/bin/env bash
# Slurm: a job that Slurm itself kills for its memory does not end as OUT_OF_MEMORY.
#
# Expected: a job beyond its --mem ends with the state OUT_OF_MEMORY, as it does where control groups hold it.
# Happens: With JobAcctGatherParams=OverMemoryKill the job ends as FAILED with the reason JobLaunchFailure and signal 9, although it was launched
#   and ran. Only a line in the job's own output speaks of memory, and only if the output reaches a disk that the user sees.
# Seen: Slurm 22.05.8 (Debian 12: slurmctld 22.05.8-4+deb12u3), jobacct_gather/linux, x86-64, in November 2026.
# Matters: Tools that begin OUT_OF_MEMORY jobs anew with more memory never do so, and a launch failure is taken for a broken node.
# Needs: the packages slurmctld, slurmd, slurm-client and munge; it starts a cluster of its own on loopback.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap '"$here/tests/support/slurm.sh" down "$dir/slurm" || true; rm -rf "$dir"' EXIT
changed() { echo "CHANGED: $1"; exit 1; }

SLURM_CONF=$("$here/tests/support/slurm.sh" up "$dir/slurm")
export SLURM_CONF
sinfo --version
scontrol show config | grep -E '^JobAcctGather(Params|Type)'

greedy='import time; open("ran", "w").write("yes"); held = bytearray(400 * 2**20); time.sleep(120)'
job=$(sbatch --parsable --mem=100 --chdir="$dir" --output=said --wrap "python3 -c '$greedy'")
state() { scontrol -o show job "$job" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
for _ in $(seq 600); do
    case $(state JobState) in PENDING | RUNNING | COMPLETING) sleep 0.2 ;; *) break ;; esac
done
echo "job $job asked for 100 MB and took 400: state $(state JobState), reason $(state Reason), exit code $(state ExitCode)"
echo "its output: $(grep -im1 memory "$dir/said" || echo nothing of memory)"
[ -e "$dir/ran" ] || changed "the job did not run at all"
[ "$(state JobState)" = FAILED ] || changed "the state is no longer FAILED"
[ "$(state Reason)" = JobLaunchFailure ] || changed "the reason is no longer JobLaunchFailure"
grep -qi memory "$dir/said" || changed "the output no longer speaks of memory"
