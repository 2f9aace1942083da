#!/usr/bin/env bash
# nibabel: a probability map that is saved with the header of a mask keeps only 256 different values.
#
# Expected: Nifti1Image(data, affine, header) stores the data that it is given. The header is for voxel size
#   and orientation.
# Happens: The header also holds the type of the voxels. With the header of an 8-bit mask, 32-bit floats are
#   scaled to 8 bits when they are saved. The image in memory still has all values.
# Seen: nibabel 5.4.2, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Taking over affine and header of the input image is the usual way to save a prediction. Thresholds,
#   calibration and ensembles then work on rounded numbers, and a file in memory differs from the same file on
#   disk.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import nibabel
import numpy as np

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("nibabel", nibabel.__version__)
mask = np.zeros((16, 16, 16), np.uint8)
mask[4:12] = 1
nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), "mask.nii.gz")
image = nibabel.load("mask.nii.gz")

values = np.random.default_rng(0).random(mask.shape).astype(np.float32)
prediction = nibabel.Nifti1Image(values, image.affine, image.header)
in_memory = prediction.get_fdata(caching="unchanged")
nibabel.save(prediction, "prediction.nii.gz")
read = nibabel.load("prediction.nii.gz")
on_disk = read.get_fdata()
print("values in memory:", len(np.unique(in_memory)), "in the file:", len(np.unique(on_disk)), "stored as", read.get_data_dtype())
print("largest difference:", round(float(np.abs(values - on_disk).max()), 4))
check(len(np.unique(in_memory)) == len(np.unique(values)) > 4000, "memory has them all")
check(read.get_data_dtype() == np.uint8 and len(np.unique(on_disk)) <= 256, "the file has 256 at most")
check(np.abs(values - on_disk).max() > 1e-3, "the differences are large")
nibabel.save(nibabel.Nifti1Image(values, image.affine), "plain.nii.gz")
check((nibabel.load("plain.nii.gz").get_fdata() == values).all(), "without the header they are exact")
print("saved without the header they are exact")
EOF
venv/bin/python check.py
