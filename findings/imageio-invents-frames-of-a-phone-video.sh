#!/usr/bin/env bash
# imageio: the ffmpeg plugin turns 40 frames of variable rate into 80, and get_data(30) returns frame 23.
#
# Expected: Frame 30 of a video of 40 frames is the same picture in every reader.
# Happens: A phone takes fewer frames a second in the dark. The ffmpeg program that imageio reads from repeats frames
#   until their rate is constant, so iterating gives 80 frames. count_frames() of the same reader says 40, and get_data
#   counts the repeated ones, so half of the pictures have no number below 40. The pyav plugin of imageio, PyAV and
#   OpenCV give the 40 frames in order. There is no warning.
# Seen: imageio 2.38.1, imageio-ffmpeg 0.8.1, av 18.1.0, opencv-python-headless 5.0.0.93, Python 3.11 on Debian 12,
#   x86-64, in November 2026.
# Matters: Labels of a video are stored by frame number. Extracted with another reader than the one they were made
#   with, pictures and labels drift apart after the first dark scene.
# Source: read_frames in imageio_ffmpeg/_io.py asks for raw images without a word on the rate, for which ffmpeg takes a
#   constant one
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check imageio==2.38.1 imageio-ffmpeg==0.8.1 av==18.1.0 opencv-python-headless==5.0.0.93 numpy==2.4.6

cat > check.py <<'EOF'
import sys
import warnings
from fractions import Fraction
from importlib.metadata import version
import av
import cv2
import imageio
import imageio.v3 as iio
import numpy as np
warnings.simplefilter("error", UserWarning)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{p} {version(p)}" for p in ("imageio", "imageio-ffmpeg", "av", "opencv-python-headless")))

# Frame i is grey of brightness 5 * i. The first 20 come every 33 ms, the others every 100 ms.
milliseconds = [33 * i if i < 20 else 660 + 100 * (i - 20) for i in range(40)]
with av.open("phone.mp4", "w") as file:
    stream = file.add_stream("libx264", rate=30)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
    for i, time in enumerate(milliseconds):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * i, np.uint8), format="rgb24")
        frame.pts, frame.time_base = time, Fraction(1, 1000)
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))

def number(picture):
    return round(float(np.mean(picture)) / 5)

def opencv():
    video = cv2.VideoCapture("phone.mp4")
    while True:
        there, picture = video.read()
        if not there:
            return
        yield number(picture)

with av.open("phone.mp4") as file:
    by_av = [number(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
by_opencv = list(opencv())
by_plugin = [number(picture) for picture in iio.imiter("phone.mp4", plugin="pyav")]
by_ffmpeg = [number(picture) for picture in iio.imiter("phone.mp4", plugin="FFMPEG")]
print("frames by PyAV, OpenCV, imageio with pyav:", len(by_av), len(by_opencv), len(by_plugin))
print("frames by imageio with ffmpeg:", len(by_ffmpeg), by_ffmpeg)
check(by_av == by_opencv == by_plugin == list(range(40)), "three readers give the frames that were written")
check(len(by_ffmpeg) == 80 and sorted(set(by_ffmpeg)) == list(range(40)), "the ffmpeg plugin repeats frames")

with imageio.get_reader("phone.mp4", "ffmpeg") as reader:
    count = reader.count_frames()
    got = [number(reader.get_data(i)) for i in range(40)]
print("count_frames():", count, " get_data(20), get_data(30), get_data(39):", got[20], got[30], got[39])
check(count == 40, "the same reader counts 40")
check((got[20], got[30], got[39]) == (20, 23, 26), "get_data returns earlier frames")
EOF
venv/bin/python check.py
