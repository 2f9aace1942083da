#!/usr/bin/env bash
# MLflow: a metric that is infinite comes back from the database as the largest finite number.
#
# Expected: NaN comes back as NaN, so infinity comes back as infinity.
# Happens: The SQL store writes 1.7976931348623157e308 for inf and its negative for -inf. isfinite() is true for
#   what is read, isinf() never is. A real metric of that size cannot be told apart.
# Seen: mlflow-skinny 3.17.2 with SQLite, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A diverged loss passes the check "is the metric finite" in the next stage, and means over runs
#   overflow later, far from the cause.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check mlflow-skinny==3.17.2 SQLAlchemy==2.1.9 alembic==1.20.1

cat > check.py <<'EOF'
import logging
import math
import os
import sys
import warnings
warnings.simplefilter("ignore")
import mlflow
logging.disable(logging.WARNING)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("mlflow", mlflow.__version__)
mlflow.set_tracking_uri(f"sqlite:///{os.getcwd()}/runs.db")
written = [math.inf, -math.inf, math.nan, 1e-320, sys.float_info.max]
with mlflow.start_run() as run:
    for step, value in enumerate(written):
        mlflow.log_metric("loss", value, step=step)
read = [m.value for m in mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")]
print("written:", written, "\nread:   ", read)
check(math.isnan(read[2]) and read[3] == 1e-320, "NaN and tiny numbers survive")
check(read[0] == sys.float_info.max and read[1] == -sys.float_info.max, "infinity does not")
check(read[0] == read[4], "it cannot be told from a real number")
check(all(map(math.isfinite, read[:2])), "a check for finite metrics passes")
EOF
venv/bin/python check.py
