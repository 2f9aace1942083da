#!/usr/bin/env bash
# trackintel: someone who was tracked in one night of 14 days has a tracking quality of 1.0 for the hours of the night.
#
# Expected: temporal_tracking_quality with granularity="hour" divides the tracked time by an hour times the number of tracked days of
#   each user, and with "weekday" by a day times the number of tracked weeks, as its documentation says. With "week" the column
#   week_monday holds the Monday of the week.
# Happens: The days are counted from the first to the last on which that very hour was tracked, and the weeks by that very weekday. A
#   phone that is off at night but for two hours of one night in 14 has 1.0 from 2 to 4 o'clock, as it has by day, in place of 1/14.
#   A Monday that was tracked once in four weeks has 1.0 in place of 0.25. In week_monday are Sundays, those at the end of the week.
# Seen: trackintel 1.4.2, pandas 2.3.3, geopandas 1.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The quality says which users and hours have enough data. The rarer an hour was tracked the better it can look, so home is
#   looked for in one night, and a table of weeks that is joined by its Mondays finds no row.
# Cause: _get_tracking_quality_user counts days and weeks in the group that groupby hands to it, and the groups are of one hour or one
#   weekday. pd.Grouper(freq="W") labels a week by its last day, and the column is only renamed.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check trackintel==1.4.2 pandas==2.3.3 geopandas==1.2.0 numpy==2.4.6

cat > check.py <<'PY'
import importlib.metadata
import sys
import warnings
import geopandas
import pandas as pd
from shapely.geometry import Point
from trackintel.analysis.tracking_quality import temporal_tracking_quality
# Announced changes of other packages.
warnings.simplefilter("ignore")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("trackintel", "pandas", "geopandas")))
monday = pd.Timestamp("2026-06-01", tz="UTC")
check(monday.day_name() == "Monday", "the first of June")

def staypoints(*spans):
    """Rows from day and hour to day and hour, for user 7."""
    rows = [{"user_id": 7, "started_at": monday + pd.Timedelta(days=day, hours=start), "finished_at": monday + pd.Timedelta(days=day, hours=end)}
            for day, start, end in spans]
    return geopandas.GeoDataFrame(rows, geometry=[Point(8.5, 47.4)] * len(rows), crs="EPSG:4326").rename_axis("id")

def quality(points, granularity, column):
    table = temporal_tracking_quality(points, granularity=granularity)
    return dict(zip(table[column], table["quality"].round(6)))

def by_hand(points, hour):
    """Tracked share of an hour of the day over all days from the first to the last."""
    first, last = points["started_at"].min().floor("D"), points["finished_at"].max().ceil("D")
    days = (last - first).days
    seconds = 0.0
    for day in range(days):
        begin = first + pd.Timedelta(days=day, hours=hour)
        end = begin + pd.Timedelta(hours=1)
        for start, stop in zip(points["started_at"], points["finished_at"]):
            seconds += max(0.0, (min(stop, end) - max(start, begin)).total_seconds())
    return round(seconds / 3600 / days, 6)

by_day = [(day, 8, 20) for day in range(14)]
for what, points, wanted in [
    ("one night of 14", staypoints(*by_day, (3, 2, 4)), 1.0),
    ("the nights of the first and the last day", staypoints(*by_day, (0, 2, 4), (13, 2, 4)), 2 / 14),
    ("all nights", staypoints(*by_day, *((day, 2, 4) for day in range(14))), 1.0),
]:
    hours = quality(points, "hour", "hour")
    print(f"{what}: from 2 to 3 o'clock {hours[2]}, by hand {by_hand(points, 2)}; from 12 to 13 o'clock {hours[12]}, by hand {by_hand(points, 12)}")
    check(abs(hours[2] - wanted) < 1e-5 and hours[3] == hours[2], f"{what}: {hours}")
    check(hours[12] == by_hand(points, 12) == 1, f"{what}: {hours}")
    check((by_hand(points, 2) == hours[2]) == (what != "one night of 14"), f"{what} by hand: {by_hand(points, 2)}")
check(by_hand(staypoints(*by_day, (3, 2, 4)), 2) == round(1 / 14, 6), "one night by hand")

# Four weeks: Tuesdays to Thursdays are complete, and one Monday is, in the second week.
weeks = staypoints(*((day, 0, 24) for day in range(28) if day % 7 in (1, 2, 3) or day == 7))
weekdays = quality(weeks, "weekday", "weekday")
print("a Monday of four, and all Tuesdays to Thursdays:", weekdays)
check(weekdays == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}, f"weekdays: {weekdays}")
both = staypoints(*((day, 0, 24) for day in range(28) if day % 7 in (1, 2, 3) or day in (0, 21)))
check(quality(both, "weekday", "weekday")[0] == 0.5, "the first and the last Monday")

labels = quality(staypoints(*by_day), "week", "week_monday")
print("week_monday:", [f"{label:%A %F}" for label in labels])
check([label.day_name() for label in labels] == ["Sunday", "Sunday"] and set(labels.values()) == {0.5}, f"weeks: {labels}")
check([label - monday for label in labels] == [pd.Timedelta(days=6), pd.Timedelta(days=13)], f"weeks: {labels}")
check(not set(labels) & {monday, monday + pd.Timedelta(days=7)}, "the Mondays are there")
PY
venv/bin/python check.py
