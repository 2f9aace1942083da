#!/usr/bin/env bash
# Tries a remote cache with a server of one's own: two clones of a project share results through it, and garbage is collected. Credentials
# and endpoint are those of the environment.
#
#     tests/support/try-object-store.sh KILN URL      # for example target/debug/kiln s3://cache/trial
set -euo pipefail

kiln=$(realpath "$1")
url=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset CI KILN_CACHE KILN_REMOTE KILN_REMOTE_ACCESS

clone() {
    mkdir "$dir/$1"
    cd "$dir/$1"
    cat > pipeline.yaml <<YAML
version: 1
remote: {url: '$url', wait: 5m}
stages:
  many:
    run: mkdir out/many; for n in \$(seq 300); do seq \$n 2000 > out/many/\$n; done; touch out/many/empty
    outputs: {many: out/many}
  large:
    run: seq 3000000 > out/large
    inputs: {many: {from: many.many}}
    outputs: {large: out/large}
  empty:
    run: touch out/empty
    outputs: {empty: out/empty}
  last:
    run: wc -c < out/large > out/last
    inputs: {large: {from: large.large}}
    outputs: {last: out/last}
YAML
}

executed() {
    local said=$1
    shift
    "$kiln" run --json "$@" > "$dir/record.json" 2> "$dir/said.txt" || { cat "$dir/said.txt"; exit 1; }
    local found
    found=$(python3 -c 'import json, sys; print(sum(s["outcome"] == "executed" for s in json.load(open(sys.argv[1]))["stages"]))' "$dir/record.json")
    grep "remote cache" "$dir/said.txt" || true
    if [ "$found" != "$said" ] || grep -q warning: "$dir/said.txt"; then
        cat "$dir/said.txt"
        echo "FAILED: $found stages were executed, not $said" >&2
        exit 1
    fi
}

"$kiln" remote init "$url"
"$kiln" remote check "$url"
clone first
executed 4
clone second
executed 0
diff -r "$dir/first/out" "$dir/second/out"
clone lazy
sed -i 's/wc -c </cat/; s/cat out\/large >/cat out\/large | wc -l >/' pipeline.yaml
executed 1 --lazy
[ "$(cat out/last)" = 3000000 ]
[ ! -e out/many ]
"$kiln" remote gc "$url"
"$kiln" remote gc "$url" --delete --unused 0 --grace 0
"$kiln" remote gc "$url" | grep '^0 results and 0 other objects'
clone fourth
executed 4
"$kiln" remote gc "$url" --delete --unused 0 --grace 0
echo "all is well with $url"
