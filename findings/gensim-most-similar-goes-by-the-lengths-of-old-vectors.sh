#!/usr/bin/env bash
# gensim: after vectors are replaced, most_similar ranks by the lengths of the old ones and returns cosines of 6.
#
# Expected: KeyedVectors.most_similar returns the cosine similarities of the vectors that are there.
# Happens: The first call of most_similar stores the lengths of all vectors. Neither kv[key] = vector nor
#   add_vectors(..., replace=True) renews them. The replaced word gets its cosine times the ratio of its lengths, so
#   it takes the first place or falls to the last. similarity() of the same two words is right.
# Seen: gensim 4.4.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Vectors are replaced when a domain model updates a general one, or to normalize or average them. A look at
#   the neighbours before it makes all later searches wrong, also after a save and a load.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps gensim==4.4.0 numpy==2.4.6 scipy==1.17.1 smart-open==9.0.2 wrapt==2.5.2

cat > check.py <<'EOF'
import sys
from importlib.metadata import version
import numpy as np
from gensim.models import KeyedVectors

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("gensim", version("gensim"))
old = {"king": [1, 0, 0], "queen": [0.9, 0.1, 0], "pawn": [0.6, 0.8, 0], "rook": [0.1, 0, 1]}
new = {"pawn": [6, 8, 0], "queen": [0.09, 0.01, 0]}

def neighbours(look_first, replace, save=False):
    kv = KeyedVectors(3)
    kv.add_vectors(list(old), np.array(list(old.values()), np.float32))
    if look_first:
        kv.most_similar("king")
    if replace == "add_vectors":
        kv.add_vectors(list(new), np.array(list(new.values()), np.float32), replace=True)
    else:
        for word, vector in new.items():
            kv[word] = np.array(vector, np.float32)
    if save:
        kv.save("words.kv")
        kv = KeyedVectors.load("words.kv")
    found = [(word, round(float(value), 2)) for word, value in kv.most_similar("king")]
    return found, round(float(kv.similarity("king", "pawn")), 2)

right = [("queen", 0.99), ("pawn", 0.6), ("rook", 0.1)]
for replace in ("add_vectors", "assignment"):
    found, pair = neighbours(False, replace)
    print(f"{replace}, no look before:", found)
    check(found == right and pair == 0.6, "without a look before all is right")
    for save in (False, True):
        found, pair = neighbours(True, replace, save)
        print(f"{replace}, after a look{', saved and loaded' if save else ''}:", found, "similarity() of king and pawn:", pair)
        check([word for word, _ in found] != [word for word, _ in right], "the order is another")
        check(found[0] == ("pawn", 6.0), "the longer vector comes first, with a cosine above 1")
        check(pair == 0.6, "similarity() is right")
EOF
venv/bin/python check.py
