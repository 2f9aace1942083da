#!/usr/bin/env python3
"""Draws the stratified sample of Fashion-MNIST in data/sample/ from the full IDX files.

    python3 data/make_sample.py [FOLDER]

FOLDER holds the four full files (by default the one of Debian's package `dataset-fashion-mnist`). Needs nothing but
Python 3. Of every label it takes equally many images, evenly spread over the file and in the file's order, so nothing
is drawn at random and the same input gives the same bytes (of the unpacked files on every machine; of the packed ones
as long as zlib is the same).
"""

import gzip
import hashlib
import pathlib
import struct
import sys

FULL = "/usr/share/datasets/fashion-mnist"
SAMPLE = pathlib.Path(__file__).resolve().parent / "sample"
SIZES = {"train": 3000, "t10k": 1000}


def read(path):
    """Returns the dimensions and the bytes of an IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    zero, kind, rank = struct.unpack(">HBB", raw[:4])
    if zero != 0 or kind != 0x08:
        sys.exit(f"{path} is not an IDX file of unsigned bytes")
    dims = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return dims, raw[4 + 4 * rank :]


def write(path, dims, body):
    """Writes a gzipped IDX file without a time or a name in it."""
    raw = struct.pack(f">HBB{len(dims)}I", 0, 0x08, len(dims), *dims) + body
    with open(path, "wb") as file, gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed:
        packed.write(raw)
    print(f"{path.name}: {len(raw)} bytes, unpacked SHA-256 {hashlib.sha256(raw).hexdigest()}")


def choose(labels, total):
    """Returns the ascending rows of `total` images, equally many of every label."""
    rows = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    each, left = divmod(total, len(rows))
    if left or any(len(members) < each for members in rows.values()):
        sys.exit(f"cannot take {total} images evenly from {len(rows)} labels")
    return sorted(members[i * len(members) // each] for members in rows.values() for i in range(each))


def main():
    full = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else FULL)
    SAMPLE.mkdir(exist_ok=True)
    for part, total in SIZES.items():
        (count, height, width), pixels = read(full / f"{part}-images-idx3-ubyte.gz")
        (label_count,), labels = read(full / f"{part}-labels-idx1-ubyte.gz")
        if count != label_count:
            sys.exit(f"{count} images but {label_count} labels")
        size = height * width
        rows = choose(labels, total)
        write(
            SAMPLE / f"{part}-images-idx3-ubyte.gz",
            (total, height, width),
            b"".join(pixels[row * size : (row + 1) * size] for row in rows),
        )
        write(SAMPLE / f"{part}-labels-idx1-ubyte.gz", (total,), bytes(labels[row] for row in rows))


if __name__ == "__main__":
    main()
