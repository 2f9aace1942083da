"""How good DBSCAN's automatic radius is: on the embeddings of ten networks of each of three data sets, the adjusted Rand index
with the classes at the radius that Kiln chooses, at the bend of the k-distance curve, and at the best of a hundred radii.

    python3 bench/radius.py [--kiln target/debug/kiln] [--folder FOLDER]

makes a throwaway environment with scikit-learn, trains small networks by Kiln on scikit-learn's digits (ten classes) and on the
committed sample of Fashion-MNIST (ten classes, and the study's five), and prints a table. scikit-learn computes every figure but the
radius. It ends with 1 where Kiln's clusters at its radius are not scikit-learn's, or where the mean falls below nine tenths of the
best.
"""

import argparse
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIN_SAMPLES, SEEDS, ENOUGH = 20, 5, 0.9

NETWORKS = {
    "conv": """name: conv
layers:
  - {name: conv1, type: conv, filters: 16, activation: relu}
  - {name: pool1, type: max_pool}
  - {name: conv2, type: conv, filters: 32, activation: relu}
  - {name: pool2, type: max_pool}
  - {name: flatten, type: flatten}
  - {name: encoding, type: dense, units: 64, activation: relu}
  - {name: output, type: dense, activation: softmax}
optimiser: {type: adam}
""",
    "dense": """name: dense
layers:
  - {name: flatten, type: flatten}
  - {name: dense1, type: dense, units: 128, activation: relu}
  - {name: drop, type: dropout, rate: 0.2}
  - {name: encoding, type: dense, units: 32, activation: relu}
  - {name: output, type: dense, activation: softmax}
optimiser: {type: adam}
""",
}

PIPELINE = """version: 1
params:
  data:
    digits: {}
    fashion: {}
    five:
      classes:
        - {name: sneakers, labels: [7]}
        - {name: boots and trousers, labels: [9, 1]}
        - {name: upper-body clothes, labels: [0, 2, 3, 4, 6]}
        - {name: bags, labels: [8]}
        - {name: sandals, labels: [5]}
stages:
  import:
    uses: import
    matrix: {data: "${params.data}", set: [train, test]}
    inputs: {images: "${label.data}/${matrix.set}-images", labels: "${label.data}/${matrix.set}-labels"}
    with: ${matrix.data}
  normalise:
    uses: normalise
    matrix: {data: "${params.data}"}
    inputs:
      train: {from: "import[data=${label.data},set=train].dataset"}
      test: {from: "import[data=${label.data},set=test].dataset"}
  split:
    uses: split
    matrix: {from: normalise}
    inputs: {data: {from: normalise.train}}
    with: {validation: 0.1}
  train:
    uses: train
    matrix: {data: "${params.data}", net: [conv, dense], seed: [SEEDS]}
    resources: {cpus: 1}
    inputs:
      data: {from: "normalise[data=${label.data}].train"}
      split: {from: "split[data=${label.data}].split"}
      model: models/${matrix.net}.yaml
    with: {epochs: 8, seed: "${matrix.seed}"}
  embed:
    uses: embed
    matrix: {from: train}
    inputs:
      model: {from: train.model}
      data: {from: "normalise[data=${label.data}].test"}
    with: {layer: encoding}
  cluster:
    uses: cluster
    matrix: {from: train}
    inputs: {embeddings: {from: embed.embeddings}}
    with: {method: dbscan, min_samples: MIN}
    outputs: {clusters: "out/${label.data}-${label.net}-${label.seed}/clusters.csv", metrics: "out/${label.data}-${label.net}-${label.seed}/metrics.json"}
"""


def write_idx(path, values):
    with open(path, "wb") as file:
        file.write(struct.pack(">HBB", 0, 8, values.ndim))
        file.write(struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes())


def write_data(folder):
    import numpy
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.images))
    images = numpy.clip(digits.images * 16, 0, 255).astype("u1")[order]
    labels = digits.target.astype("u1")[order]
    os.makedirs(f"{folder}/digits", exist_ok=True)
    for name, rows in [("train", slice(0, 900)), ("test", slice(900, None))]:
        write_idx(f"{folder}/digits/{name}-images", images[rows])
        write_idx(f"{folder}/digits/{name}-labels", labels[rows])
    for data in ["fashion", "five"]:
        os.makedirs(f"{folder}/{data}", exist_ok=True)
        for name, sample in [("train", "train"), ("test", "t10k")]:
            for kind, dims in [("images", 3), ("labels", 1)]:
                packed = f"{ROOT}/data/sample/{sample}-{kind}-idx{dims}-ubyte.gz"
                with gzip.open(packed) as file, open(f"{folder}/{data}/{name}-{kind}", "wb") as to:
                    to.write(file.read())


def measure(folder):
    import csv
    import glob

    import numpy
    from safetensors.numpy import load_file
    from sklearn.cluster import DBSCAN
    from sklearn.metrics import adjusted_rand_score, pairwise_distances

    found, wrong = {}, []
    for path in sorted(glob.glob(f"{folder}/out/embed/*/embeddings.safetensors")):
        data, net, seed = os.path.basename(os.path.dirname(path)).split(",")
        file = load_file(path)
        values, labels = file["embeddings"].astype("f8"), file["labels"]
        lengths = numpy.linalg.norm(values, axis=1, keepdims=True)
        values = (values / numpy.where(lengths > 0, lengths, 1)).astype("f4").astype("f8")
        # Differences, not products: exact to rounding.
        distances = pairwise_distances(values, metric="l2") if len(values) > 3000 else numpy.sqrt(
            ((values[:, None, :] - values[None, :, :]) ** 2).sum(-1)
        )
        clusters = lambda eps: DBSCAN(eps=eps, min_samples=MIN_SAMPLES, metric="precomputed").fit_predict(distances)
        curve = numpy.sort(numpy.sort(distances, axis=1)[:, MIN_SAMPLES - 1])
        ranks = numpy.arange(len(curve)) / (len(curve) - 1)
        bend = curve[numpy.argmax(ranks - (curve - curve[0]) / (curve[-1] - curve[0]))]
        radii = numpy.unique(numpy.quantile(curve, numpy.linspace(0.02, 0.995, 100)))
        best = max(adjusted_rand_score(labels, clusters(eps)) for eps in radii)
        own = f"{folder}/out/{data}-{net}-{seed}"
        with open(f"{own}/metrics.json") as file:
            eps = json.load(file)["eps"]
        with open(f"{own}/clusters.csv") as file:
            ours = numpy.array([int(row["cluster"]) for row in csv.DictReader(file)])
        theirs = clusters(eps)
        if adjusted_rand_score(ours, theirs) < 1:
            wrong.append((data, net, seed))
        if numpy.abs(distances[numpy.triu_indices(len(values), 1)] - eps).min() < 1e-9 * eps:
            wrong.append((data, net, seed, "a pair's distance is the radius"))
        scores = [adjusted_rand_score(labels, clusters(bend)), adjusted_rand_score(labels, ours), best]
        found.setdefault(data, []).append(scores)
        print(f"{data:8} {net:6} {seed}  bend {scores[0]:.3f}  kiln {scores[1]:.3f} ({ours.max() + 1} clusters, "
              f"{(ours < 0).mean():.0%} noise)  best {scores[2]:.3f}", flush=True)
    print("\n| data | bend of the curve | Kiln | best radius | of the best, at least |\n| --- | ---: | ---: | ---: | ---: |")
    good = not wrong
    for data, scores in found.items():
        scores = numpy.array(scores)
        bend, kiln, best = scores.mean(0)
        print(f"| {data} | {bend:.3f} | {kiln:.3f} | {best:.3f} | {(scores[:, 1] / scores[:, 2]).min():.0%} |")
        good &= kiln >= ENOUGH * best
    for case in wrong:
        print("not as scikit-learn:", *case)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", default=f"{ROOT}/target/debug/kiln")
    parser.add_argument("--folder")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder or tempfile.mkdtemp(prefix="kiln-radius-")
    if not arguments.inside:
        python = f"{folder}/environment/bin/python"
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", f"{folder}/environment"], check=True)
            packages = ["numpy", "scikit-learn", "safetensors"]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        again = [python, __file__, "--inside", "--kiln", os.path.abspath(arguments.kiln), "--folder", folder]
        sys.exit(subprocess.run(again).returncode)
    os.makedirs(f"{folder}/models", exist_ok=True)
    for name, text in NETWORKS.items():
        with open(f"{folder}/models/{name}.yaml", "w") as file:
            file.write(text)
    with open(f"{folder}/pipeline.yaml", "w") as file:
        file.write(PIPELINE.replace("SEEDS", ", ".join(map(str, range(SEEDS)))).replace("MIN", str(MIN_SAMPLES)))
    write_data(folder)
    subprocess.run([arguments.kiln, "run", "--quiet"], cwd=folder, check=True)
    sys.exit(0 if measure(folder) else 1)


if __name__ == "__main__":
    main()
