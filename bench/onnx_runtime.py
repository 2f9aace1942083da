"""Networks written as ONNX, run by onnxruntime, beside Kiln's own inference.

    python3 bench/onnx_runtime.py [--kiln target/debug/kiln] [--epochs 1] [--python PYTHON]

trains a few networks of models/ on the committed sample, writes each as ONNX with and without its normalisation, and runs
both over all images of the sample's test set in onnxruntime, in batches of two sizes. It makes a throwaway environment, or takes the
Python of --python, which needs onnx, onnxruntime, numpy and safetensors. Prints a line a network, and ends with 1 if a class differs, if
a logit differs by more than 1e-4, or if the file is not valid ONNX.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ["onnx==1.23.2", "onnxruntime==1.32.0", "numpy==2.4.6", "safetensors==0.8.0"]
BOUND = 1e-4
# Files in models/.
MODELS = ["model-1", "model-5", "model-7", "googlenet", "resnet", "own-long"]

PIPELINE = """
version: 1
params:
  files:
    images: {{digest: 823845a89ee060646d8840bfd79d7b39a4365fc5c8606eadc784a1c272e4f7f4, sources: [images.gz]}}
    labels: {{digest: 6636cb7a73c4fdca9833ddeba2d2c8c503f989f703f8c9e800e661b6880f679d, sources: [labels.gz]}}
stages:
  fetch:
    uses: fetch
    matrix: {{file: "${{params.files}}"}}
    with: {{digest: "${{matrix.file.digest}}", sources: "${{matrix.file.sources}}", unpack: gzip}}
  import:
    uses: import
    inputs:
      images: {{from: "fetch[file=images].file"}}
      labels: {{from: "fetch[file=labels].file"}}
  normalise:
    uses: normalise
    inputs: {{train: {{from: import.dataset}}, test: {{from: import.dataset}}}}
  split:
    uses: split
    inputs: {{data: {{from: normalise.train}}}}
    with: {{seed: 1}}
  train:
    uses: train
    matrix: {{model: [{models}]}}
    inputs:
      data: {{from: normalise.train}}
      split: {{from: split.split}}
      model: "models/${{matrix.model}}-logits.yaml"
    with: {{epochs: {epochs}, batch_size: 32, seed: 1}}
  logits:
    uses: embed
    matrix: {{model: [{models}]}}
    inputs:
      model: {{from: "train[model=${{matrix.model}}].model"}}
      data: {{from: normalise.test}}
    with: {{layer: output_layer}}
  inside:
    uses: onnx
    matrix: {{model: [{models}]}}
    inputs:
      model: {{from: "train[model=${{matrix.model}}].model"}}
      scale: {{from: normalise.scale}}
  outside:
    uses: onnx
    matrix: {{model: [{models}]}}
    inputs:
      model: {{from: "train[model=${{matrix.model}}].model"}}
"""


def environment():
    folder = tempfile.mkdtemp(prefix="onnx-")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([f"{folder}/bin/pip", "install", "-q", *PACKAGES], check=True)
    return f"{folder}/bin/python"


def project(folder, epochs):
    """Writes the project: the models end before softmax, so that `embed` gives their logits."""
    os.makedirs(f"{folder}/models")
    for name in os.listdir(f"{ROOT}/models"):
        if name.endswith(".yaml"):
            with open(f"{ROOT}/models/{name}") as source, open(f"{folder}/models/{name}", "w") as copy:
                copy.write(source.read())
    for name in MODELS:
        with open(f"{folder}/models/{name}-logits.yaml", "w") as file:
            file.write(f"name: {name}-logits\nextends: {name}.yaml\nchange:\n  output_layer: {{activation: none}}\n")
    for source, name in [("t10k-images-idx3-ubyte.gz", "images.gz"), ("t10k-labels-idx1-ubyte.gz", "labels.gz")]:
        with open(f"{ROOT}/data/sample/{source}", "rb") as file, open(f"{folder}/{name}", "wb") as copy:
            copy.write(file.read())
    with open(f"{folder}/pipeline.yaml", "w") as file:
        file.write(PIPELINE.format(models=", ".join(MODELS), epochs=epochs).lstrip())


def compare(folder):
    """Runs every file; True if all agree."""
    import numpy
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file

    with gzip.open(f"{folder}/images.gz") as file:
        pixels = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 28, 28, 1).astype(numpy.float32)
    scaled = (pixels.astype(numpy.float64) / 255).astype(numpy.float32)
    print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}, {len(pixels)} images")
    print(f"{'network':<12} {'normalisation':<13} {'classes differ':>14} {'largest difference of a logit':>30}")
    fine = True
    for name in MODELS:
        expected = load_file(f"{folder}/out/logits/{name}/embeddings.safetensors")["embeddings"]
        for kind, images in [("inside", pixels), ("outside", scaled)]:
            path = f"{folder}/out/{kind}/{name}/network.onnx"
            onnx.checker.check_model(path, full_check=True)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            metadata = session.get_modelmeta().custom_metadata_map
            assert metadata["normalisation"] == kind, metadata
            assert len(json.loads(metadata["classes"])) == expected.shape[1], metadata
            for batch in (1, 256):
                count = 64 if batch == 1 else len(images)
                parts = [session.run(None, {"images": images[at : at + batch]}) for at in range(0, count, batch)]
                logits, probabilities = (numpy.concatenate(part) for part in zip(*parts))
                wanted = expected[:count]
                worst = float(abs(logits - wanted).max())
                wrong = int((logits.argmax(1) != wanted.argmax(1)).sum())
                softmax = numpy.exp(wanted - wanted.max(1, keepdims=True))
                softmax /= softmax.sum(1, keepdims=True)
                fine &= wrong == 0 and worst <= BOUND and float(abs(probabilities - softmax).max()) <= BOUND
            print(f"{name:<12} {kind:<13} {wrong:>14} {worst:>30.2e}")
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", default=f"{ROOT}/target/debug/kiln")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--python")
    parser.add_argument("--compare", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.compare:
        sys.exit(0 if compare(args.compare) else 1)
    python = args.python or environment()
    with tempfile.TemporaryDirectory() as folder:
        project(folder, args.epochs)
        subprocess.run([os.path.abspath(args.kiln), "run", "-q"], cwd=folder, check=True)
        sys.exit(subprocess.run([python, os.path.abspath(__file__), "--compare", folder]).returncode)


if __name__ == "__main__":
    main()
