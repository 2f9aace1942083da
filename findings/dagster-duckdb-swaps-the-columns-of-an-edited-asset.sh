#!/usr/bin/env bash
# Dagster: a data frame that is stored in DuckDB again with its columns in another order comes back with their numbers swapped.
#
# Expected: Whoever loads an asset gets the data frame that the asset returned last. The I/O manager deletes the rows of the last
#   materialization first, or those of the same partition, and with files in place of DuckDB all is right.
# Happens: The table keeps the columns and types of the first materialization for ever. DuckDBPandasIOManager inserts by position,
#   not by name. Columns in another order are swapped, a renamed column goes by its old name, and values are turned into the old
#   type: 0.7 into 1, "007" into 7 and True into 1. Another partition of the same asset has the same effect, so one table
#   holds both orders. No word of it in the log, and Dagster records the names and types of the frame as those of the table.
#   Another number of columns is an error.
# Seen: dagster-duckdb-pandas 0.29.27, dagster 1.13.27, duckdb 2.0.1 and pandas 2.3.3, Python 3.11 on Debian 12, x86-64, in
#   November 2026. The positions are those of INSERT in SQL. Issue 17058 of Dagster asks for a new table when columns change,
#   since another number of columns fails.
# Matters: The order of columns follows the first record of a JSON file, a sorted list of features, or a line that was moved. A model
#   is then trained on heights that are weights, and on probabilities that are all 0 or 1, if the first version of the
#   asset returned hard labels. It is right in tests, which start with an empty database.
# Remedy: Drop the table by hand after each edit, and return the columns in a fixed order with fixed types.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export DAGSTER_HOME="$dir/home" DAGSTER_DISABLE_TELEMETRY=1
mkdir home
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check dagster-duckdb-pandas==0.29.27 dagster==1.13.27 duckdb==2.0.1 pandas==2.3.3

cat > check.py <<'EOF'
import contextlib
import importlib.metadata
import io
import sys
import warnings
import dagster as dg
import pandas as pd
from dagster_duckdb_pandas import DuckDBPandasIOManager
warnings.simplefilter("error", UserWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("dagster-duckdb-pandas", "dagster", "duckdb", "pandas")))

log = io.StringIO()

def stored(*frames, duckdb=True, days=None):
    """What a later asset loads after the frames were stored one after the other, and the columns that Dagster records."""
    stored.count += 1
    home = f"store-{stored.count}"
    manager = DuckDBPandasIOManager(database=home + ".duckdb", schema="main") if duckdb else dg.FilesystemIOManager(base_dir=home)
    resources = {"io_manager": manager}
    partitions = dg.StaticPartitionsDefinition(days) if days else None
    seen = {}
    with dg.DagsterInstance.ephemeral() as instance, contextlib.redirect_stderr(log):
        for i, frame in enumerate(frames):
            @dg.asset(partitions_def=partitions, metadata={"partition_expr": "day"})
            def patients() -> pd.DataFrame:
                return frame

            day = days[i] if days else None
            run = dg.materialize([patients], resources=resources, instance=instance, partition_key=day)
            assert run.success

        @dg.asset
        def model(patients: pd.DataFrame) -> None:
            seen["frame"] = patients

        loaded = dg.materialize([patients, model], selection=[model], resources=resources, instance=instance)
    check(loaded.success, "loading failed")
    found = run.asset_materializations_for_node("patients")[0].metadata.get("dataframe_columns")
    recorded = [(column.name, column.type) for column in found.value.columns] if found else None
    check("RUN_SUCCESS" in log.getvalue() and "WARNING" not in log.getvalue(), f"the log: {log.getvalue()}")
    return seen["frame"], recorded

stored.count = 0

def values(frame):
    return {name: frame[name].tolist() for name in frame}

first = pd.DataFrame([{"height": 183.0, "weight": 71.0}, {"height": 165.0, "weight": 58.0}])
swapped = first[["weight", "height"]]

for what, now, duckdb in [("files", (first, swapped), False), ("a new database", (swapped,), True)]:
    frame, _ = stored(*now, duckdb=duckdb)
    print(f"in another order, {what}:", values(frame))
    check(frame.equals(swapped), f"{what}: {frame}")

for what, before, after, wanted in [
    ("in another order", first, swapped, {"height": [71.0, 58.0], "weight": [183.0, 165.0]}),
    ("renamed", pd.DataFrame({"loss": [0.25]}), pd.DataFrame({"accuracy": [0.75]}), {"loss": [0.75]}),
    ("probabilities after labels", pd.DataFrame({"p": [0, 1]}), pd.DataFrame({"p": [0.2, 0.7]}), {"p": [0, 1]}),
    ("ids after numbers", pd.DataFrame({"id": [7]}), pd.DataFrame({"id": ["007"]}), {"id": [7]}),
    ("flags after counts", pd.DataFrame({"n": [3]}), pd.DataFrame({"n": [True]}), {"n": [1]}),
]:
    frame, recorded = stored(before, after)
    print(f"{what}: stored {values(after)}, loaded {values(frame)}")
    check(values(frame) == wanted, f"{what}: {values(frame)}")
    check(recorded == [(name, str(kind)) for name, kind in after.dtypes.items()], f"recorded: {recorded}")

days = ["monday", "tuesday"]
frame, recorded = stored(first.assign(day=days[0]), swapped.assign(day=days[1]), days=days)
print("two partitions:")
print(frame.to_string())
check(frame["height"].tolist() == [183.0, 165.0, 71.0, 58.0], f"two partitions: {values(frame)}")
check(frame["day"].tolist() == ["monday"] * 2 + ["tuesday"] * 2, f"the days: {values(frame)}")
check([name for name, _ in recorded] == ["weight", "height", "day"], f"recorded: {recorded}")

try:
    stored(first, first.assign(age=[40, 50]))
    check(False, "another number of columns is stored")
except Exception as error:
    check("column" in str(error), f"another number of columns: {error}")
print("another number of columns: refused")
EOF
venv/bin/python check.py
