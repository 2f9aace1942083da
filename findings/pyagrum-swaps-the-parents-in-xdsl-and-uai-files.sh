#!/usr/bin/env bash
# pyAgrum: a Bayesian network from a file of GeNIe (XDSL) or in UAI format gets the probabilities of other combinations of parents.
#
# Expected: The same network gives the same answers, whichever format it comes from. In XDSL and UAI files, as in those of Hugin
#   and in the older DSL format of GeNIe, the table of a node goes through the states of its last parent first.
# Happens: For XDSL and UAI pyAgrum goes through the states of the first parent first, so P(c | a, b) lands at other values of a and
#   b, in every node with two or more parents. Each row still adds up to one, also with parents of two and three states. Files that
#   it writes are wrong in the same way, so what it saves it also loads again. BIF, XMLBIF, NET and DSL are right.
# Seen: pyAgrum 3.3.1, with pgmpy 1.1.2 and pytoulbar2 1.4.0.1 as referees, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: GeNIe is where experts draw such networks, and UAI is the format of the competitions in inference. Here a positive test
#   of somebody old means a small tumour or none, by the suffix of the file. The structure, the priors and all names are right.
# Cause: By its public source, the XDSL reader adds the parents in the order of the file and fills the table in the order of its own
#   variables, of which the first changes fastest. A comment there speaks of the reverse order, but the loop goes forward.
# Remedy: Convert to BIF or Hugin's NET with another tool first.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check pyagrum==3.3.1 pgmpy==1.1.2 pytoulbar2==1.4.0.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import itertools
import logging
import re
import sys
import warnings
import pyagrum as gum
import pytoulbar2
from pgmpy.readwrite import BIFReader, XDSLReader, XMLBIFReader
warnings.simplefilter("error")
logging.disable(logging.WARNING)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("pyagrum", "pgmpy", "pytoulbar2")))

STATES = {"tumour": ["none", "small", "large"], "age": ["young", "old"], "test": ["neg", "pos"]}
PRIOR = {"tumour": [0.34, 0.33, 0.33], "age": [0.5, 0.5]}
PAIRS = list(itertools.product(STATES["tumour"], STATES["age"]))
# P(test = pos | tumour, age) in the order of PAIRS.
RIGHT = [0.15, 0.25, 0.40, 0.95, 0.60, 0.70]
# The same numbers, given to the pairs in the order in which the tumour changes fastest.
WRONG = [0.15, 0.95, 0.25, 0.60, 0.40, 0.70]

def text(numbers, separator=" "):
    return separator.join(map(str, numbers))

rows = [round(number, 2) for pos in RIGHT for number in (1 - pos, pos)]
tables = {"tumour": ([], PRIOR["tumour"]), "age": ([], PRIOR["age"]), "test": (["tumour", "age"], rows)}
files = {}

files["bif"] = "network n {}\n" + "".join(
    f"variable {name} {{ type discrete [{len(states)}] {{ {text(states, ', ')} }}; }}\n" for name, states in STATES.items()
) + "".join(
    f"probability ({name}) {{ table {text(numbers, ', ')}; }}\n" for name, numbers in PRIOR.items()
) + "probability (test | tumour, age) {\n" + "".join(
    f"  ({a}, {b}) {text(rows[2 * i:2 * i + 2], ', ')};\n" for i, (a, b) in enumerate(PAIRS)
) + "}\n"

files["bifxml"] = '<?xml version="1.0"?>\n<BIF VERSION="0.3"><NETWORK><NAME>n</NAME>\n' + "".join(
    f'<VARIABLE TYPE="nature"><NAME>{name}</NAME>' + "".join(f"<OUTCOME>{state}</OUTCOME>" for state in states) + "</VARIABLE>\n"
    for name, states in STATES.items()
) + "".join(
    f"<DEFINITION><FOR>{name}</FOR>" + "".join(f"<GIVEN>{parent}</GIVEN>" for parent in parents) + f"<TABLE>{text(numbers)}</TABLE></DEFINITION>\n"
    for name, (parents, numbers) in tables.items()
) + "</NETWORK></BIF>\n"

quoted = {name: " ".join(f'"{state}"' for state in states) for name, states in STATES.items()}
files["net"] = "net {}\n" + "".join(f"node {name} {{ states = ({states}); }}\n" for name, states in quoted.items()) + "".join(
    f"potential ({name}) {{ data = ({text(numbers)}); }}\n" for name, numbers in PRIOR.items()
) + "potential (test | tumour age) { data = (" + "".join(
    f"(({text(rows[i:i + 2])})({text(rows[i + 2:i + 4])}))" for i in range(0, 12, 4)
) + "); }\n"

files["dsl"] = "net n\n{\n" + "".join(
    f'node {name} {{ TYPE = CPT; HEADER = {{ ID = {name}; NAME = "{name}"; }}; PARENTS = ({text(parents, ", ")}); '
    f'DEFINITION = {{ NAMESTATES = ({text(STATES[name], ", ")}); PROBABILITIES = ({text(numbers, ", ")}); }}; }};\n'
    for name, (parents, numbers) in tables.items()
) + "};\n"

files["xdsl"] = '<?xml version="1.0" encoding="UTF-8"?>\n<smile version="1.0" id="n" numsamples="1000">\n<nodes>\n' + "".join(
    f'<cpt id="{name}">' + "".join(f'<state id="{state}"/>' for state in STATES[name])
    + (f"<parents>{text(parents)}</parents>" if parents else "") + f"<probabilities>{text(numbers)}</probabilities></cpt>\n"
    for name, (parents, numbers) in tables.items()
) + '</nodes>\n<extensions><genie version="1.0" app="GeNIe" name="n">\n' + "".join(
    f'<node id="{name}"><name>{name}</name></node>\n' for name in STATES
) + "</genie></extensions>\n</smile>\n"

files["uai"] = f"BAYES\n3\n3 2 2\n3\n1 0\n1 1\n3 0 1 2\n\n3\n{text(PRIOR['tumour'])}\n2\n{text(PRIOR['age'])}\n12\n{text(rows)}\n"

for suffix, content in files.items():
    with open("hand." + suffix, "w") as file:
        file.write(content)

def load(name):
    """The network and the names of its variables, which UAI files do not have."""
    bn = gum.loadBN(name)
    names = list(STATES) if "tumour" in bn.names() else [bn.variable(i).name() for i in range(3)]
    check([bn.variable(v).domainSize() for v in names] == [3, 2, 2], f"the variables of {name}")
    return bn, names

def told(name):
    """P(test = pos) for each pair of parents, by pyAgrum."""
    bn, (tumour, age, test) = load(name)
    cpt = bn.cpt(test)
    return [round(cpt[{tumour: a, age: b, test: 1}], 6) for a in range(3) for b in range(2)]

def by_pgmpy(reader, name):
    model = reader(name).get_model()
    model.check_model()
    cpt = model.get_cpds("test")
    return [round(float(cpt.get_value(tumour=a, age=b, test="pos")), 6) for a, b in PAIRS]

def by_toulbar2(name):
    """The most likely pair of parents together with a test, where the largest factor is the 0.95 of the table."""
    with open(name) as file:
        content = re.sub("#.*", "", file.read())  # toulbar2 knows no comments
    with open("plain.uai", "w") as file:
        file.write(content)
    model = pytoulbar2.CFN()
    model.Read("plain.uai")
    best = model.Solve()[0]
    return [STATES[name][state] for name, state in zip(STATES, best)]

print("files as the formats have it: P(pos) for", ", ".join(map("/".join, PAIRS)))
for suffix in files:
    numbers = told("hand." + suffix)
    print(f"  {suffix}:", *numbers)
    check(numbers == (WRONG if suffix in ("xdsl", "uai") else RIGHT), f"pyAgrum reads {numbers} from {suffix}")
for reader, suffix in [(BIFReader, "bif"), (XMLBIFReader, "bifxml"), (XDSLReader, "xdsl")]:
    numbers = by_pgmpy(reader, "hand." + suffix)
    print(f"  {suffix} by pgmpy:", *numbers)
    check(numbers == RIGHT, f"pgmpy reads {numbers} from {suffix}")
best = by_toulbar2("hand.uai")
print("  most likely in uai by toulbar2:", *best)
check(best == ["small", "old", "pos"], f"toulbar2 finds {best}")

print("P(tumour | test = pos, age = old) by pyAgrum")
for suffix, wanted in [("net", [0.14, 0.5, 0.37]), ("xdsl", [0.43, 0.26, 0.31]), ("uai", [0.43, 0.26, 0.31])]:
    bn, (tumour, age, test) = load("hand." + suffix)
    inference = gum.LazyPropagation(bn)
    inference.setEvidence({age: 1, test: 1})
    numbers = [round(float(p), 2) for p in inference.posterior(tumour)[:]]
    print(f"  {suffix}:", *(f"{state} {p}" for state, p in zip(STATES["tumour"], numbers)))
    check(numbers == wanted, f"posterior from {suffix}: {numbers}")

print("the network of the Hugin file as pyAgrum writes it")
bn = gum.loadBN("hand.net")
for suffix in files:
    gum.saveBN(bn, "saved." + suffix)
    check(told("saved." + suffix) == RIGHT, f"pyAgrum does not load {suffix} as it was saved")
for reader, suffix in [(BIFReader, "bif"), (XMLBIFReader, "bifxml"), (XDSLReader, "xdsl")]:
    numbers = by_pgmpy(reader, "saved." + suffix)
    print(f"  {suffix} by pgmpy:", *numbers)
    check(numbers == (WRONG if suffix == "xdsl" else RIGHT), f"pgmpy reads {numbers} from {suffix} of pyAgrum")
best = by_toulbar2("saved.uai")
print("  most likely in uai by toulbar2:", *best)
check(best == ["none", "old", "pos"], f"toulbar2 finds {best} in the file of pyAgrum")
EOF
venv/bin/python check.py
