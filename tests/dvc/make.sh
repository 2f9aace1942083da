#!/bin/sh
# Makes the projects in this folder again, with a real DVC: tests/dvc/make.sh /path/to/dvc. What DVC writes (dvc.lock, .dvc/cache,
# outputs) is committed, so that tests need no DVC.
set -eu
dvc=${1:-dvc}
here=$(cd "$(dirname "$0")" && pwd)
SHELL=/bin/bash
DVC_NO_ANALYTICS=1
export SHELL DVC_NO_ANALYTICS

begin() {
    rm -rf "${here:?}/$1"
    mkdir -p "$here/$1"
    cd "$here/$1"
    "$dvc" init --no-scm -q
    "$dvc" config core.analytics false
}

# What DVC keeps for itself, and what git would leave out.
finish() {
    rm -rf .dvc/tmp .dvc/config.local .dvc/cache/runs
    [ "${1-}" = cache ] || rm -rf .dvc/cache
    find . -name .gitignore -delete
}

# 1. A study: parameters by key, templates, a foreach, a matrix, metrics, a plot, several commands, a folder as an output.
begin study
mkdir -p data src
cat > params.yaml <<'END'
# What may be turned.
split:
  every: 3  # each third line
train:
  lr: 1e-3
  rounds: 4
names: [red, blue]
unused: 1
END
for i in 1 2 3 4 5 6 7 8 9; do echo "$i $((i * i))"; done > data/raw.txt
cat > src/split.awk <<'END'
NR % every { print > "prepared/train.txt"; next }
{ print > "prepared/test.txt" }
END
cat > src/train.sh <<'END'
set -eu
value() { grep -o "$1\"*: [^,} ]*" params.yaml | sed 's/.*: //'; }
lr=$(value lr)
rounds=$(value rounds)
echo "lr $lr rounds $rounds"
wc -l < prepared/train.txt
END
cat > dvc.yaml <<'END'
# A small study.
vars:
  - width: 7

stages:
  # Cut the data in two.
  split:
    desc: Every so many lines go to the test data.
    cmd:
      - mkdir -p prepared
      - awk -v every=${split.every} -f src/split.awk data/raw.txt
    deps:
      - data/raw.txt  # committed
      - src/split.awk
    outs:
      - prepared/
  train:
    cmd: sh src/train.sh > model.txt
    deps:
      - src/train.sh
      - prepared
    params:
      - train.lr
      - train.rounds
    outs:
      - model.txt
  colour:
    foreach: ${names}
    do:
      cmd: mkdir -p out; printf '%-${width}s|' ${item} > out/${item}.txt
      outs:
        - out/${item}.txt
  grid:
    matrix:
      size: [1, 2]
      kind: [a]
    cmd: mkdir -p out && echo ${item.size}${item.kind} > out/grid-${item.size}-${item.kind}.txt
    outs:
      - out/grid-${item.size}-${item.kind}.txt
  evaluate:
    cmd: |
      cat model.txt out/red.txt > /dev/null
      echo '{"lines": 6, "name": "x"}' > metrics.json
      printf 'step,loss\n0,1\n1,0.5\n' > loss.csv
    deps:
      - model.txt
      - out/red.txt
    metrics:
      - metrics.json:
          cache: false
    plots:
      - loss.csv:
          x: step
          title: Loss
END
"$dvc" repro -q
finish

# 2. What does not carry over, or has to be looked at: a folder to run in, a frozen stage, a stage without outputs, persist, a pipe,
# data tracked by .dvc, old hashes, an entry of which dvc.yaml has dropped a dependency, outputs that are only in the cache.
begin odd
mkdir -p sub data old
printf 'one\r\ntwo\r\n' > data/tracked.txt
"$dvc" add -q data/tracked.txt
printf 'lr: 1\nother: 2\n' > sub/params.yaml
printf 'a\r\nb\r\n' > old/in.txt
echo 'fetched' > fetched.txt
echo 1 > extra.txt
cat > dvc.yaml <<'END'
stages:
  fetch:
    cmd: echo fetched > fetched.txt
    frozen: true
    outs:
      - fetched.txt
  count:
    cmd: sort ../data/tracked.txt | wc -l > lines.txt
    wdir: sub
    deps:
      - ../data/tracked.txt
    params:
      - lr
    outs:
      - lines.txt
  say:
    cmd: cat fetched.txt
    deps:
      - fetched.txt
  keep:
    cmd: echo x >> log.txt
    deps:
      - fetched.txt
    outs:
      - log.txt:
          persist: true
  drop:
    cmd: cp old/in.txt old/out.txt
    deps:
      - old/in.txt
      - extra.txt
    outs:
      - old/out.txt
  folder:
    cmd: mkdir pieces && echo 1 > pieces/a && echo 2 > pieces/b
    deps:
      - extra.txt
    outs:
      - pieces
  use:
    cmd: cat pieces/a > piece.txt
    deps:
      - pieces/a
    outs:
      - piece.txt
END
"$dvc" unfreeze fetch -q
"$dvc" repro -q
"$dvc" freeze fetch -q
# The dependency that dvc.yaml forgets.
sed -i '/^  drop:/,/^  folder:/{/extra.txt/d}' dvc.yaml
# Only DVC's cache has these.
rm -r pieces data/tracked.txt fetched.txt
finish cache

# 3. Two pipelines in folders, shells of their own for lines, a dictionary in a command, options and labels of other kinds.
begin nested
mkdir -p a b
printf 'model: {lr: 0.5, deep: true, tags: [x, "y z"], name: m1}\nlist:\n  - {n: 1}\n  - {n: 2}\n' > params.yaml
cat > dvc.yaml <<'END'
stages:
  options:
    cmd: echo ${model} > options.txt
    params: [model]
    outs: [options.txt]
  lines:
    cmd: |
      cd /
      pwd | sed 's,.*/,,' > lines.txt
    outs: [lines.txt]
  listed:
    foreach: ${list}
    do:
      cmd: echo ${item.n} > n${item.n}.txt
      outs: ['n${item.n}.txt']
END
printf 'w: 3\n' > a/params.yaml
cat > a/dvc.yaml <<'END'
stages:
  own:
    cmd: echo ${w} > own.txt
    outs: [own.txt]
END
printf 'w: 4\n' > b/params.yaml
cat > b/dvc.yaml <<'END'
stages:
  own:
    cmd: cat ../a/own.txt > own.txt
    deps: [../a/own.txt]
    outs: [own.txt]
END
"$dvc" repro -q -R .
finish
