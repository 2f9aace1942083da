#!/bin/sh
# Makes the fonts that an SVG carries. Needs fonttools and brotli (both on PyPI).
set -eu
cd "$(dirname "$0")"
for weight in Regular Bold; do
  pyftsubset "OpenSans-$weight.ttf" --flavor=woff2 --layout-features=kern --no-hinting \
    --unicodes=U+0020-007E,U+00A0-00FF,U+2013,U+2014,U+2018,U+2019,U+201C,U+201D,U+2026,U+2212 \
    --output-file="OpenSans-$weight.latin.woff2"
done
