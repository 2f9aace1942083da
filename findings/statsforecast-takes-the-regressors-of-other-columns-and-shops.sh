#!/usr/bin/env bash
# statsforecast: the future price and promotion change places if their columns do, and a shop is forecast with the prices of another shop.
#
# Expected: X_df has columns for the series, the date and the regressors, so that forecast and predict look up the values of a series and a
#   day by name. Rows may come in any order. Names are checked: without a column "promo" there is an error that asks for it.
# Happens: After that check, and after the rows are sorted by series and date, all goes by place. The first regressor of X_df is taken for
#   the first of the training data. The first h rows go to the first series, the next to the second, whatever ids and dates
#   stand in them. Only the shape of the table must be right. The forecasts have the ids and dates that were to be expected.
# Seen: statsforecast 2.1.1, beside mlforecast 1.1.0 by the same authors, which finds columns, series and dates by name, and warns of those
#   that are missing and leaves them empty. Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Future values come from another query than the training data, or from a merge, so their columns come in another order. With one
#   shop closed and one newly opened, the count of rows is right, and each shop between them gets the prices of the next. A shop whose
#   sales end ten days before those of the others gets regressors that are ten days late, if all come from one calendar.
#   Coefficients, fitted values and cross_validation are right, since they use the training table, so backtests look fine.
# Remedy: Build X_df by a left merge onto make_future_dataframe(h), then select the columns in the order of the training table.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check statsforecast==2.1.1 mlforecast==1.1.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import numpy as np
import pandas as pd
from mlforecast import MLForecast
from sklearn.linear_model import LinearRegression
from statsforecast import StatsForecast
from statsforecast.models import ARIMA, AutoARIMA

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("statsforecast", "mlforecast")))
H = 5
SHOPS = list("abcd")
days = pd.date_range("2024-01-01", periods=70)
rng = np.random.default_rng(0)

# Sales follow from price and promotion alone, so that they can be forecast exactly.
world = pd.DataFrame({"unique_id": np.repeat(SHOPS, len(days)), "ds": np.tile(days, len(SHOPS))})
world["price"] = rng.uniform(1, 9, len(world)).round(2)
world["promo"] = rng.integers(0, 2, len(world)).astype(float)

def sales(rows):
    return 200 - 12 * rows.price + 30 * rows.promo

world["y"] = sales(world)
past = world[(world.ds < "2024-03-01") & (world.unique_id != "d")]

def week(shops, start):
    first = pd.Timestamp(start)
    rows = world[world.unique_id.isin(list(shops)) & (world.ds >= first) & (world.ds < first + pd.Timedelta(days=H))]
    return rows.drop(columns="y")

def statsforecast(df, x, model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one = StatsForecast([model], freq="D").forecast(df=df, h=H, X_df=x)
        two = StatsForecast([model], freq="D").fit(df=df).predict(h=H, X_df=x)
    check(not caught, f"a warning: {caught[:1]}")
    check(one.equals(two), "forecast and predict differ")
    return one

def mlforecast(df, x):
    return MLForecast({"out": LinearRegression()}, freq="D", lags=[1]).fit(df, static_features=[]).predict(H, X_df=x)

def errors(out):
    """The largest error for each shop."""
    out = out.merge(world, on=["unique_id", "ds"])
    check(len(out) == 3 * H, f"{len(out)} forecasts")
    return (out.out - out.y).abs().groupby(out.unique_id).max().round(6).to_dict()

right = week("abc", "2024-03-01")
swapped = right[["unique_id", "ds", "promo", "price"]]
# Shop b has closed in the future, and d has opened.
moved = week("acd", "2024-03-01")
# Sales of shop b are known for ten days less.
ended = past[~((past.unique_id == "b") & (past.ds >= "2024-02-20"))]
own_days = pd.concat([week("ac", "2024-03-01"), week("b", "2024-02-20")])

def as_used(**parts):
    """The sales that follow from the given rows for the given shops, in place of their own."""
    return {shop: sales(rows).to_numpy() for shop, rows in parts.items()}

renamed = right.rename(columns={"promo": "promotion"})
exchanged = right.rename(columns={"promo": "price", "price": "promo"})
cases = [
    ("as in training", past, right, None, "right"),
    ("rows in another order", past, right.sample(frac=1, random_state=0), None, "right"),
    ("columns in another order", past, swapped, {s: exchanged[exchanged.unique_id == s] for s in "abc"}, "right"),
    ("shop d in place of b", past, moved, {"a": week("a", "2024-03-01"), "b": week("c", "2024-03-01"), "c": week("d", "2024-03-01")}, "error"),
    ("sales of b end early, own days", ended, own_days, None, "right"),
    ("sales of b end early, days of the others", ended, right, {s: week(s, "2024-03-01") for s in "abc"}, "error"),
]
for name, df, x, used, other in cases:
    for model in (ARIMA(order=(0, 0, 0), alias="out"), AutoARIMA(alias="out")):
        out = statsforecast(df, x, model)
        wrong = errors(out)
        if used is None:
            check(max(wrong.values()) < 1e-6, f"{name}: {wrong}")
            continue
        # The forecasts are those for the rows that stand in the same place.
        for shop, wanted in as_used(**used).items():
            check(np.allclose(out.out[out.unique_id == shop], wanted), f"{name}: forecasts of {shop}")
        check(max(wrong.values()) > 40, f"{name}: {wrong}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            beside = errors(mlforecast(df, x))
            check(other == "right" and not caught and max(beside.values()) < 1e-6, f"mlforecast, {name}: {beside}")
            beside = "right"
        except ValueError as error:
            # scikit-learn refuses the empty values.
            check(other == "error" and caught and "NaN" in str(error), f"mlforecast, {name}: {error}")
            beside = "a warning and an error"
    print(f"{name}: largest errors {wrong}, mlforecast: {beside}")

# The dates need not be of the future at all.
out = statsforecast(past, right.assign(ds=right.ds - pd.DateOffset(years=9)), AutoARIMA(alias="out"))
check(max(errors(out).values()) < 1e-6, "dates of nine years ago")
print("dates of nine years ago: accepted")
try:
    statsforecast(past, renamed, AutoARIMA(alias="out"))
    check(False, "a renamed column is accepted")
except ValueError as error:
    check("promo" in str(error), f"a renamed column: {error}")
    print("a column with another name: an error")
EOF
venv/bin/python check.py
