#!/usr/bin/env bash
# pandera: a polars schema with drop_invalid_rows=True accepts tables without its columns, of other types and with duplicate keys.
#
# Expected: The documentation says that drop_invalid_rows removes the rows that fail a check of the data and raises no error for
#   them, so that the returned table has only valid data. Errors of the schema, as a missing column, are raised: pandera.pandas
#   does so with this option, and pandera.polars without it.
# Happens: pandera.polars with this option raises no error at all. A table without the required column, with a column of another
#   type, with columns that strict=True forbids, or with its columns out of order is returned as valid. So is one with duplicates
#   of a key of two columns, which pandera.pandas drops. With coerce=True one cell that is no number goes, and then no column is
#   coerced: the numbers stay text, and values that fail their check stay too. A model with this option in its Config does the same.
# Seen: pandera 0.35.0, polars 2.1.0 and pandas 3.1.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The option is for tables that come every night and may have some bad rows. When the source renames a column, or writes
#   the scores as text, this stage still passes. As text "10" sorts before "9".
# Cause: validate of the polars backend (backends/polars/container.py) drops rows by those errors that have a column of truth values,
#   and forgets the others. The pandas backend first looks for errors of the schema and raises them.
# Remedy: Validate twice: with the option, and the result with the same schema without it.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pandera==0.35.0 polars==2.1.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
warnings.simplefilter("error")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pandera", "polars", "pandas")))

def schema(library, drop, **options):
    columns = {
        "clip": library.Column(str),
        "frame": library.Column(int, library.Check.ge(0)),
        "score": library.Column(float, library.Check.in_range(0, 1)),
    }
    return library.DataFrameSchema(columns, unique=["clip", "frame"], drop_invalid_rows=drop, **options)

def validate(library, data, drop=True, **options):
    """The validated columns as lists, or the reasons of the error."""
    table = pl.DataFrame(data) if library is pandera.polars else pd.DataFrame(data)
    try:
        found = schema(library, drop, **options).validate(table, lazy=True)
    except library.errors.SchemaErrors as error:
        return sorted({reason for part in error.message.values() for reason in part})
    return found.to_dict(as_series=False) if library is pandera.polars else found.to_dict("list")

good = {"clip": ["a", "a", "b"], "frame": [0, 1, 0], "score": [0.1, 0.2, 0.3]}
one_bad = {"clip": ["a", "a", "b"], "frame": [0, 1, 0], "score": [0.1, 7.0, 0.3]}
for library in (pandera.polars, pandera.pandas):
    check(validate(library, good) == good, f"{library.__name__}: valid data")
    check(validate(library, one_bad) == {"clip": ["a", "b"], "frame": [0, 0], "score": [0.1, 0.3]}, f"{library.__name__}: a bad row")
    check(validate(library, one_bad, drop=False) == ["DATAFRAME_CHECK"], f"{library.__name__}: a bad row, not dropped")

renamed = {"clip": ["a", "a"], "frame": [0, 1], "scores": [0.1, 0.2]}
extra = {**good, "label": [1, 2, 3]}
order = {name: good[name] for name in ("score", "clip", "frame")}
text = {**good, "frame": ["0", "1", "0"]}
double = {"clip": ["a", "a", "b"], "frame": [1, 1, 0], "score": [0.1, 0.2, 0.3]}
for what, data, options, reason, with_pandas in [
    ("a column that has another name", renamed, {}, "COLUMN_NOT_IN_DATAFRAME", ["COLUMN_NOT_IN_DATAFRAME"]),
    ("a column that strict=True forbids", extra, {"strict": True}, "COLUMN_NOT_IN_SCHEMA", ["COLUMN_NOT_IN_SCHEMA"]),
    ("columns in another order", order, {"ordered": True}, "COLUMN_NOT_ORDERED", ["COLUMN_NOT_ORDERED"]),
    ("text in place of integers", text, {}, "WRONG_DATATYPE", None),
    ("duplicates of a key of two columns", double, {}, "DUPLICATES", {"clip": ["b"], "frame": [0], "score": [0.3]}),
]:
    plain = validate(pandera.polars, data, drop=False, **options)
    found = validate(pandera.polars, data, **options)
    print(f"{what}: polars {plain}, dropping rows {found}")
    check(isinstance(plain, list) and reason in plain, f"{what}: polars without the option {plain}")
    check(found == data, f"{what}: polars with the option {found}")
    if with_pandas:
        found = validate(pandera.pandas, data, **options)
        print("  pandas, dropping rows", found)
        check(found == with_pandas, f"{what}: pandas with the option {found}")

# One cell is no number and one number is out of range.
cells = {"clip": ["a", "a", "b", "b"], "frame": ["0", "1", "?", "3"], "score": ["0.1", "7.0", "0.3", "0.4"]}
without = {name: values[:2] + values[3:] for name, values in cells.items()}
found = validate(pandera.polars, without, coerce=True)
check(found == {"clip": ["a", "b"], "frame": [0, 3], "score": [0.1, 0.4]}, f"coerced without the cell: {found}")
check("DATATYPE_COERCION" in validate(pandera.polars, cells, drop=False, coerce=True), "one cell that is no number, not dropped")
found = validate(pandera.polars, cells, coerce=True)
print("coerced with one cell that is no number:", found)
check(found == without, f"coerced with the cell: {found}")

class Frames(pandera.polars.DataFrameModel):
    clip: str
    frame: int
    score: float = pandera.polars.Field(in_range={"min_value": 0, "max_value": 1})
    class Config:
        drop_invalid_rows = True

found = Frames.validate(pl.DataFrame(renamed), lazy=True)
check(found.to_dict(as_series=False) == renamed, f"a model: {found}")
EOF
venv/bin/python check.py
