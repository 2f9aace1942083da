#!/usr/bin/env bash
# Runs every finding, or those named, one after the other and prints a table.
# Exits with 1 if the behaviour behind one of them has changed or if one could not be run.
set -uo pipefail

cd "$(dirname "$0")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ $# -eq 0 ]; then
    for script in *.sh; do
        [ "$script" = run-all.sh ] || set -- "$@" "${script%.sh}"
    done
fi

bad=0
printf '%-72s %-8s %s\n' finding result seconds
for name in "$@"; do
    name=${name%.sh}
    start=$SECONDS
    if bash "./$name.sh" >"$log" 2>&1; then
        result=holds
    elif grep -q '^CHANGED:' "$log"; then
        result=changed
    else
        result=failed
    fi
    printf '%-72s %-8s %s\n' "$name" "$result" $((SECONDS - start))
    if [ "$result" != holds ]; then
        bad=1
        tail -n 3 "$log" | sed 's/^/    /'
    fi
done
exit $bad
