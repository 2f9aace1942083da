#!/bin/sh
# Runs the tests of the networks' kernels (stages/tests/ops) under valgrind's memory checker: reads and writes outside of an
# allocation, and decisions by memory that was never written. valgrind offers a processor with AVX2, so those kernels run; Miri and
# the address sanitizer need a nightly toolchain. Takes minutes. `bench/check-memory.sh FILTER` runs some of the tests.
set -eu
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 1; }
test=$(cargo test --workspace --test ops --no-run --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "ops":
        print(message["executable"])')
cd stages
RAYON_NUM_THREADS=2 exec valgrind --quiet --error-exitcode=9 --undef-value-errors=yes "$test" --test-threads=1 "$@"
