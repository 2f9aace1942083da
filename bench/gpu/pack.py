"""Builds Kiln for CUDA without a GPU and without CUDA, and packs it with what checks it on a machine that has both.

    python3 bench/gpu/pack.py [--compute 80] [--without-cudnn] [--libraries] [--output target/gpu]

nvcc comes from pinned Python packages. The program holds its kernels as PTX of one compute capability; the driver compiles them for any
GPU of that one or a later (80: A100, L4, H100, H200 and newer). CUDA's libraries are not linked: the program loads them when a CUDA
device is asked for, and starts without them. The pack, `kiln-gpu-x86_64.tar.gz`, takes them from the packages of the machine's `python3`
(PyTorch brings them) or an installation of CUDA 13. `--libraries` makes a second pack with them, which needs the driver alone: its size is
more than a gigabyte.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time

# Before the modules beside this one, so that nothing is written there.
sys.dont_write_bytecode = True
import toolkit  # noqa: E402
import try_lazy  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Of the program's libraries, those it loads; cuDNN finds its own parts beside it.
LIBRARIES = {"nvidia-cublas": "13.0.2.14", "nvidia-curand": "10.4.0.35", "nvidia-cudnn-cu13": "9.21.1.3", "nvidia-cuda-nvrtc": "13.0.88"}


def build(target, compute, cudnn):
    """Builds the programs `kiln` and `gpu`, and returns the folder they are in."""
    cuda = toolkit.make(ROOT, target, cudnn)
    try_lazy.check(cuda / "lib")
    folder = target / "build"
    env = {name: value for name, value in os.environ.items() if name not in ("CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR", "CUDNN_LIB")}
    env.update(CUDA_HOME=str(cuda), CUDA_PATH=str(cuda), NVCC=str(cuda / "bin" / "nvcc"), CUDA_COMPUTE_CAP=str(compute))
    env.update(PATH=f"{cuda / 'bin'}:{env['PATH']}", CARGO_TARGET_DIR=str(folder))
    features = ["--features", "kiln/cudnn" if cudnn else "kiln/cuda"]
    command = ["cargo", "build", "--release", "--locked", "-p", "kiln", "-p", "stages", "--bin", "kiln", "--example", "gpu"]
    subprocess.run([*command, *features], check=True, cwd=ROOT, env=env)
    return folder / "release"


def gather(built, folder):
    """Puts into a folder what goes into the pack."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for program in (built / "kiln", built / "examples" / "gpu"):
        subprocess.run(["strip", "-o", folder / program.name, program], check=True)
    for name in ("check.sh", "pipeline.yaml", "torch_rates.py"):
        shutil.copy2(HERE / name, folder / name)
    shutil.copy2(ROOT / "bench" / "networks.py", folder / "networks.py")
    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    shutil.copytree(ROOT / "models", folder / "models")
    shutil.copytree(ROOT / "data" / "sample", folder / "data" / "sample")
    shutil.copy2(ROOT / "data" / "README.md", folder / "data" / "README.md")


def check(program):
    """That a program starts with no library of CUDA's, and what it says where a device is asked for and there is no driver."""
    said = subprocess.run(["readelf", "--dynamic", program], check=True, capture_output=True, text=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in said.splitlines() if "(NEEDED)" in line]
    foreign = [name for name in needed if any(part in name for part in ("cuda", "cublas", "cudnn", "curand", "nvrtc", "stdc++"))]
    if foreign:
        raise SystemExit(f"{program} is linked to {', '.join(foreign)}")
    symbols = subprocess.run(["objdump", "-T", program], check=True, capture_output=True, text=True).stdout
    glibc = max((tuple(map(int, part.split(")")[0].split(" ")[0].split("."))) for part in symbols.split("GLIBC_")[1:]), default=(0,))
    size = program.stat().st_size / 1e6
    print(f"{program.name}: {size:.1f} MB, needs {', '.join(needed)}, glibc {'.'.join(map(str, glibc))}")
    if size > 60:
        raise SystemExit(f"{program} is larger than 60 MB")


def libraries(target, folder):
    """Downloads the libraries and puts them into `lib` of a folder."""
    wheels = target / "libraries"
    pins = [f"{name}=={version}" for name, version in LIBRARIES.items()]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", wheels, *pins], check=True)
    (folder / "lib").mkdir()
    for library in sorted(wheels.glob("nvidia/*/lib/lib*.so.*")):
        shutil.copy2(library, folder / "lib" / library.name)


def write(folder, path):
    """The folder as an archive, the same bytes for the same files."""

    def plain(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(path, "w:gz", compresslevel=6) as archive:
        archive.add(folder, arcname=folder.name, filter=plain)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compute", type=int, default=80, help="compute capability of the kernels: 80 is 8.0")
    parser.add_argument("--without-cudnn", action="store_true", help="convolutions of candle's own kernels")
    parser.add_argument("--libraries", action="store_true", help="a second pack, with CUDA's libraries")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "target" / "gpu")
    arguments = parser.parse_args()
    target = arguments.output.resolve()
    start = time.monotonic()
    built = build(target, arguments.compute, not arguments.without_cudnn)
    print(f"built in {(time.monotonic() - start) / 60:.0f} min")
    folder = target / "kiln-gpu"
    gather(built, folder)
    for name in ("kiln", "gpu"):
        check(folder / name)
    write(folder, target / "kiln-gpu-x86_64.tar.gz")
    if arguments.libraries:
        libraries(target, folder)
        write(folder, target / "kiln-gpu-x86_64-with-libraries.tar.gz")


if __name__ == "__main__":
    main()
