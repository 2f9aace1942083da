#!/usr/bin/env bash
# Optuna: a stored study that is resumed with its seeded sampler tries the same parameters again.
#
# Expected: A study in a database is resumable: 5 trials and then 5 more explore 10 points, as 10 trials in one
#   go do.
# Happens: The database holds the trials but not the state of the sampler. A new process with the same seed
#   starts from the beginning: trials 5 to 9 repeat trials 0 to 4. That holds for the random sampler and for
#   TPE, the default, in its start-up phase. QMCSampler goes on as it should.
# Seen: Optuna 5.0.0 with SQLite, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A seed is set for reproducibility and a database for resuming. Together they waste the budget: a
#   search that is resumed often never leaves its first points.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check optuna==5.0.0 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import sys
import warnings
import optuna
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("optuna", optuna.__version__)

def objective(trial):
    return (trial.suggest_float("lr", -10, 10) - 2) ** 2

def points(sampler, parts):
    storage = f"sqlite:///{sampler.__name__}{len(parts)}.db"
    for trials in parts:
        study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True, sampler=sampler(seed=0))
        study.optimize(objective, n_trials=trials)
    return [round(t.params["lr"], 3) for t in study.trials]

for sampler in (optuna.samplers.RandomSampler, optuna.samplers.TPESampler):
    whole, resumed = points(sampler, [10]), points(sampler, [5, 5])
    print(sampler.__name__, "\n  in one go:", whole, "\n  resumed:  ", resumed)
    check(len(set(whole)) == 10, "10 points in one go")
    check(resumed[:5] == whole[:5] and resumed[5:] == resumed[:5], "the resumed half repeats the first")
whole, resumed = points(optuna.samplers.QMCSampler, [10]), points(optuna.samplers.QMCSampler, [5, 5])
check(whole == resumed and len(set(whole)) == 10, "QMCSampler goes on where it was")
print("QMCSampler: the same 10 points both ways")
EOF
venv/bin/python check.py
