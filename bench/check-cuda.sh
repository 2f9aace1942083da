#!/bin/sh
# Checks that Kiln compiles with `--features cuda` and with `--features cudnn` on a machine without a GPU and without CUDA
# installed: the compiler and the headers come as Python packages into target/cuda. Nothing is linked or run. Compiling
# candle's kernels takes minutes, so they are kept in target/cuda-check between calls.
set -eu
cd "$(dirname "$0")/.."

if [ ! -x target/cuda/bin/python ]; then
    python3 -m venv target/cuda
    target/cuda/bin/python -m pip install --quiet 'nvidia-cuda-nvcc==13.0.*' 'nvidia-cuda-cccl==13.0.*' \
        'nvidia-cuda-runtime==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' \
        'nvidia-cublas==13.*' 'nvidia-curand==10.*'
fi
CUDA_HOME=$(target/cuda/bin/python -c 'import glob, sys; print(glob.glob(sys.prefix + "/lib/python*/site-packages/nvidia/cu13")[0])')
[ -e "$CUDA_HOME/lib64" ] || ln -s lib "$CUDA_HOME/lib64"
export CUDA_HOME CUDA_PATH="$CUDA_HOME" PATH="$CUDA_HOME/bin:$PATH"
# Kernels are compiled for this GPU generation, where there is none to ask.
export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-80}"
for feature in cuda cudnn; do
    CARGO_TARGET_DIR=target/cuda-check cargo check --workspace --locked --features "kiln/$feature"
done
