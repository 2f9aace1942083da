#!/usr/bin/env bash
# Nipype: a node that has run once returns its first result for all other inputs, and small numbers are one input.
#
# Expected: A node whose input has changed runs again, or finds the result for that input in its cache.
# Happens: A node keeps the hash of its first run. After node.inputs.x = 5 and node.run() it says that it is cached and
#   returns the result for the x before, while node.inputs.x is 5. With a new node for each input the hash still holds
#   each float with ten decimals only. 7.1e-10 and 7.4e-10 are both 0.0000000007, and 3e-11 is 0, so two of them get
#   one result.
# Seen: Nipype 1.11.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A loop over inputs in a notebook gives one result many times. Diffusivities in m^2/s are around 7e-10, and
#   p-values, tolerances and penalties go below 1e-10, so a sweep over them repeats its results even with new nodes.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check nipype==1.11.0 nibabel==5.4.2 numpy==2.4.6 scipy==1.17.1

cat > check.py <<'EOF'
import logging
import os
import sys
import nipype
from nipype import Function, Node
logging.disable(logging.CRITICAL)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("nipype", nipype.__version__)

def decay(diffusivity):
    import numpy
    return numpy.exp(-1e9 * numpy.asarray(diffusivity)).tolist()

def new_node(name):
    function = Function(function=decay, input_names=["diffusivity"], output_names=["signal"])
    return Node(function, name=name, base_dir=os.getcwd())

def run(node, value):
    node.inputs.diffusivity = value
    signal = node.run().outputs.signal
    print(f"{value}: the node gives {signal}, right is {decay(value)}")
    check(node.inputs.diffusivity == value, "the node has the new input")
    return signal

print("\none node, three inputs")
node = new_node("again")
signals = [run(node, value) for value in (1e-9, 2e-9, 3e-9)]
check(signals == [decay(1e-9)] * 3, "all results are the first")

cases = {
    "a new node for each input": ((1e-9, 2e-9), [decay(1e-9), decay(2e-9)]),
    "new nodes, the 11th decimal differs": ((7.1e-10, 7.4e-10), [decay(7.1e-10)] * 2),
    "new nodes, a small number and zero": ((3e-11, 0.0), [decay(3e-11)] * 2),
    "new nodes, numbers in a list": (([1e-9, 3e-11], [1e-9, 1e-12]), [decay([1e-9, 3e-11])] * 2),
}
for number, (what, (values, wanted)) in enumerate(cases.items()):
    print(f"\n{what}")
    signals = [run(new_node(f"case{number}"), value) for value in values]
    check(signals == wanted, f"{what}: {wanted}")
EOF
NO_ET=1 venv/bin/python check.py
