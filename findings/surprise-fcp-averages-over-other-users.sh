#!/usr/bin/env bash
# Surprise: the fraction of concordant pairs is 0.5 if 9 of 10 pairs are concordant, since right and wrong pairs are averaged over other users.
#
# Expected: accuracy.fcp returns the fraction of concordant pairs, "as described in" a paper by Koren and Sill. This is the number of
#   concordant pairs of all users, divided by the number of concordant and discordant ones. If 9 users are ranked right and 1 is
#   ranked wrong, with one pair each, it is 0.9.
# Happens: It is 0.5. The number of concordant pairs is a mean over the users who have at least one, and the number of discordant pairs
#   a mean over the users who have at least one of those. So it does not matter how many users are ranked right. A model that errs for
#   fewer users can get a worse score, and 90 more users who are all ranked right take the score from 0.75 down to 0.55. If each
#   user has pairs of both kinds, the score is right. There is no warning.
# Seen: scikit-surprise 1.1.5, numpy 2.4.6, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: cross_validate and GridSearchCV rank models by this score if asked for "fcp", and it is the only ranking metric of the
#   library. In a test fold most users have few ratings, so most have pairs of one kind only.
# Cause: fcp counts in two defaultdicts, whose keys are the users with such a pair, and takes np.mean of the values of each.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check scikit-surprise==1.1.5 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import importlib.metadata
import itertools
import random
import sys
import warnings
import numpy as np
warnings.simplefilter("error")
from surprise import SVD, Dataset, KNNBasic, Reader, accuracy
from surprise.prediction_algorithms.predictions import Prediction

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-surprise", "numpy")))

def by_hand(predictions):
    """Concordant pairs of all users, divided by all pairs with different ratings."""
    users = {}
    for p in predictions:
        users.setdefault(p.uid, []).append((p.r_ui, p.est))
    right = wrong = 0
    for ratings in users.values():
        for (r1, e1), (r2, e2) in itertools.combinations(ratings, 2):
            if r1 != r2:
                if (r1 - r2) * (e1 - e2) > 0:
                    right += 1
                else:
                    wrong += 1
    return right / (right + wrong)

def user(name, *estimates):
    """The predictions for a user who has rated so many items 1, 2, 3 and so on."""
    return [Prediction(name, f"item{i}", float(i), float(estimate), {}) for i, estimate in enumerate(estimates, 1)]

def score(what, predictions, wanted_by_hand, wanted):
    found = accuracy.fcp(predictions, verbose=False)
    print(f"{what}: pairs by hand {by_hand(predictions):.3f}, fcp {found:.3f}")
    check(abs(by_hand(predictions) - wanted_by_hand) < 1e-3, f"{what}, by hand: {by_hand(predictions)}")
    check(abs(found - wanted) < 1e-3, f"{what}: {found}")

def many(n, *estimates):
    return [p for i in range(n) for p in user(f"{estimates} {i}", *estimates)]

# Each user has pairs of both kinds: right.
score("10 users with 2 right pairs and 1 wrong pair", many(10, 1, 3, 2), 2 / 3, 2 / 3)
score("9 users with their one pair right and 1 with it wrong", many(9, 1, 2) + many(1, 2, 1), 0.9, 0.5)
score("1 user with it right and 9 with it wrong", many(1, 1, 2) + many(9, 2, 1), 0.1, 0.5)
# Model A errs once for every user, model B twice for one user in ten.
score("model A", many(100, 1, 3, 2), 0.667, 0.667)
score("model B", many(90, 1, 2, 3) + many(10, 2, 3, 1), 0.933, 0.583)
few = many(10, 1, 2, 3) + many(1, 2, 1)
score("10 users with 3 right pairs, 1 with a wrong pair", few, 30 / 31, 0.75)
score("and 90 more with their one pair right", few + [p._replace(uid="more " + p.uid) for p in many(90, 1, 2)], 120 / 121, 0.545)

# Models that learn from ratings with noise, on test users with few ratings.
rng = np.random.default_rng(0)
taste, kind = rng.normal(size=(300, 2)), rng.normal(size=(60, 2))
rows = [(f"u{u}", f"i{i}", float(np.clip(np.round(3 + taste[u] @ kind[i] + rng.normal() / 2), 1, 5)))
        for u in range(300) for i in rng.choice(60, size=20, replace=False)]
random.Random(0).shuffle(rows)
with open("train.txt", "w") as file:
    file.writelines(f"{user} {item} {rating}\n" for user, item, rating in rows[600:])
reader = Reader(line_format="user item rating", sep=" ", rating_scale=(1, 5))
data = Dataset.load_from_file("train.txt", reader).build_full_trainset()
for name, model in [("SVD", SVD(random_state=0)), ("KNNBasic", KNNBasic(verbose=False))]:
    predictions = model.fit(data).test(rows[:600])
    found, wanted = accuracy.fcp(predictions, verbose=False), by_hand(predictions)
    print(f"{name}, 600 ratings of 300 users: pairs by hand {wanted:.3f}, fcp {found:.3f}")
    check(wanted - found > 0.05, f"{name}: {found} and {wanted}")
EOF
venv/bin/python check.py
