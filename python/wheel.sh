#!/bin/sh
# Builds the wheel into target/wheels, for glibc 2.28 and later, and tries it.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
root="$(dirname "$here")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/build"
"$work/build/bin/pip" install --quiet 'maturin>=1.9,<2' 'ziglang>=0.13'
(
    cd "$here"
    PATH="$work/build/bin:$PATH" maturin build --release --zig --compatibility manylinux_2_28 --out "$root/target/wheels"
)
exec "$here/try-wheel.sh" "$(ls -t "$root"/target/wheels/kiln_ml-*.whl | head -n 1)"
