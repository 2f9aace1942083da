#!/usr/bin/env bash
# Optuna: with HyperbandPruner a fixed seed is not enough, since pruning depends on the name of the study.
#
# Expected: A deterministic objective, one seed and one process give the same trials each time.
# Happens: HyperbandPruner puts a trial into a bracket by a hash of the study name and the trial number. A study
#   without a name gets a random one. So which trials are cut, and after how many steps, changes from run to
#   run. With a fixed name it is reproducible.
# Seen: Optuna 5.0.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The usual recipe for reproducibility, a seeded sampler, does not hold with this pruner. Renaming a
#   study changes its outcome.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check optuna==5.0.0 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import sys
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("optuna", optuna.__version__)

def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(27):
        trial.report(x + 1 / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return x

def steps(name):
    study = optuna.create_study(
        study_name=name,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3),
    )
    study.optimize(objective, n_trials=40)
    return [len(t.intermediate_values) for t in study.trials], [t.params["x"] for t in study.trials]

runs = {label: steps(name) for label, name in
        {"no name, 1": None, "no name, 2": None, "no name, 3": None, "name a, 1": "a", "name a, 2": "a", "name b": "b"}.items()}
for label, (lengths, _) in runs.items():
    print(f"{label}: total steps {sum(lengths)}, first trials {lengths[:12]}")
lengths = {label: run[0] for label, run in runs.items()}
check(len({tuple(x) for _, x in runs.values()}) == 1, "the sampler proposes the same points in all runs")
check(len({tuple(lengths[f"no name, {i}"]) for i in (1, 2, 3)}) > 1, "runs without a name differ")
check(lengths["name a, 1"] == lengths["name a, 2"], "runs of one name are equal")
check(lengths["name a, 1"] != lengths["name b"], "another name gives another run")
EOF
venv/bin/python check.py
