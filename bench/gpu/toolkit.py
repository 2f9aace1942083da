"""A folder that the build takes for an installation of CUDA: nvcc of pinned Python packages, and the libraries of `lazy.py`."""

import os
import pathlib
import shutil
import subprocess
import sys

import lazy

PACKAGES = {
    "nvidia-cuda-nvcc": "13.0.88",
    "nvidia-nvvm": "13.0.88",
    "nvidia-cuda-crt": "13.0.88",
    "nvidia-cuda-runtime": "13.0.96",
    "nvidia-cuda-cccl": "13.0.85",
}

# Kernels for quantised networks take most of the time of candle's build, and Kiln has no such network.
NVCC = """#!/bin/sh
# nvcc, but for the kernels of quantised networks: in their place stand empty ones.
real={real}
for argument; do
    case $argument in
    --lib) exec "$real" "$@" ;;
    */quantized.cu) left_out=ptx ;;
    */moe/*.cu | */mmvq_gguf.cu | */mmq_gguf/*.cu) left_out=object ;;
    esac
    case $last in
    -o) output=$argument ;;
    --output-directory) output=$argument ;;
    esac
    last=$argument
done
case ${{left_out-}} in
ptx) cd "$output" && : >quantized.cu && exec "$real" "$1" --ptx quantized.cu ;;
object) exec cc -c -x c /dev/null -o "$output" ;;
esac
exec "$real" "$@"
"""


def packages(folder):
    """The folder of the pinned packages, downloaded if they are not there."""
    python = folder / "bin" / "python"
    wanted = folder / "packages"
    pins = "\n".join(f"{name}=={version}" for name, version in PACKAGES.items()) + "\n"
    if not wanted.exists() or wanted.read_text() != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *pins.split()], check=True)
        wanted.write_text(pins)
    return next(folder.glob("lib/python*/site-packages/nvidia/cu13"))


def sources(root, crate):
    """Where cargo has the source of a crate of the lock file."""
    version = (root / "Cargo.lock").read_text().split(f'name = "{crate}"\nversion = "')[1].split('"')[0]
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    return next(home.glob(f"registry/src/*/{crate}-{version}"))


def make(root, target, cudnn):
    """Makes the toolkit and returns its folder."""
    cuda = packages(target / "cuda")
    subprocess.run(["cargo", "fetch", "--locked"], cwd=root, check=True)
    toolkit = target / ("toolkit-cudnn" if cudnn else "toolkit")
    shutil.rmtree(toolkit, ignore_errors=True)
    (toolkit / "bin").mkdir(parents=True)
    (toolkit / "include").symlink_to(cuda / "include")
    nvcc = toolkit / "bin" / "nvcc"
    nvcc.write_text(NVCC.format(real=cuda / "bin" / "nvcc"))
    nvcc.chmod(0o755)
    lazy.write(sources(root, "cudarc"), sources(root, "candle-kernels"), toolkit / "lib", cudnn)
    # The C++ library inside the program: candle's build names it, and not every machine has it.
    library = subprocess.run(["cc", "-print-file-name=libstdc++.a"], check=True, capture_output=True, text=True).stdout.strip()
    (toolkit / "lib" / "libstdc++.a").symlink_to(pathlib.Path(library).resolve())
    return toolkit
