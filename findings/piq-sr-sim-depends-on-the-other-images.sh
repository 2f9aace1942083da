#!/usr/bin/env bash
# PIQ: the SR-SIM of an image depends on the other images of its batch, so with other companions another image is the better one.
#
# Expected: srsim compares each image of a batch with its reference. reduction="none" returns one number for each image, and it is the
#   number that the image has alone, as with the other metrics of the library. The documentation calls the reduction one over samples.
# Happens: A dark photo scores 0.819 alone and 0.854 in a batch of five. A fine texture is better than a smooth photo when each is scored
#   alone, and worse in that batch. Copies of one image score as the image alone. The mean over a data set changes with the
#   batch size and the order. gmsd, fsim, vsi and haarpsi give each image its own score in any company.
# Seen: piq 0.8.0, torch 2.9.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: The score ranks methods of restoration and compression. A test set that is scored in batches of 16 has other numbers than
#   one that is scored image by image, and the last, shorter batch has its own. SRSIMLoss trains on it.
# Cause: _spectral_residual_visual_saliency scales the saliency to [0, 1] by the minimum and the maximum over the whole batch, not over
#   each image, and then compares it with constants that are made for that range. Batches of one are right.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check piq==0.8.0 torch==2.9.1 torchvision==0.24.1 numpy==2.4.6

cat > check.py <<'EOF'
import importlib.metadata
import sys
import warnings
import torch
import torch.nn.functional as F
import piq
# VSI announces that it copies the grey channel.
warnings.filterwarnings("ignore", message="The original VSI")

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("piq", "torch")))
generator = torch.Generator().manual_seed(0)

def texture(cells):
    noise = torch.rand(1, 1, cells, cells, generator=generator)
    return F.interpolate(noise, size=128, mode="bicubic").clamp(0, 1)

# References and restored images. The noise stands for what the restoration left over.
photo = texture(16)
square = torch.full((1, 1, 128, 128), 0.5)
square[:, :, 60:68, 60:68] = 1
star = torch.full((1, 1, 128, 128), 0.1)
star[:, :, 64:66, 64:66] = 1
references = {"photo": photo, "dark": photo * 0.2 + 0.05, "square": square, "star": star, "fine": texture(48)}
restored = {}
for name, image in references.items():
    noise = torch.randn(image.shape, generator=generator)
    restored[name] = (image + (0.1 if name == "fine" else 0.05) * noise).clamp(0, 1)

def scores(names, metric=piq.srsim):
    x, y = (torch.cat([images[name] for name in names]) for images in (restored, references))
    return metric(x, y, data_range=1.0, reduction="none").flatten().tolist()

def near(a, b, limit=5e-4):
    return abs(a - b) < limit

names = list(references)
alone = {name: scores([name])[0] for name in names}
together = dict(zip(names, scores(names)))
print("alone:   ", ", ".join(f"{name} {score:.3f}" for name, score in alone.items()))
print("together:", ", ".join(f"{name} {score:.3f}" for name, score in together.items()))
for name, wanted in zip(names, (0.958, 0.819, 0.479, 0.706, 0.967)):
    check(near(alone[name], wanted, 0.015), f"{name} alone: {alone[name]}")
check(together["dark"] - alone["dark"] > 0.02 and alone["star"] - together["star"] > 0.03, f"together {together}")
check(alone["fine"] > alone["photo"] and together["fine"] < together["photo"], f"order: {alone} {together}")
for companions in (["photo"], ["square"], ["star"], ["fine"]):
    print(f"dark with {companions[0]}: {scores(['dark', *companions])[0]:.3f}")
check(scores(["dark", "star"])[0] - scores(["dark", "fine"])[0] > 0.02, "dark with star and with fine")
# Copies do no harm, and neither does the order within one batch.
for name in names:
    check(all(near(score, alone[name]) for score in scores([name] * 3)), f"three times {name}")
for name, score in zip(reversed(names), scores(names[::-1])):
    check(near(score, together[name]), f"{name} in the reversed batch: {score}")
# The other metrics do not mix the images.
for metric in (piq.gmsd, piq.fsim, piq.vsi, piq.haarpsi):
    options = {} if metric is not piq.fsim else {"chromatic": False}
    def one(x, y, **more):
        return metric(x, y, **more, **options)
    for name, score in zip(names, scores(names, one)):
        check(near(score, scores([name], one)[0]), f"{metric.__name__} of {name}: {score}")

means = []
for size in (1, 2, 5):
    found = [score for i in range(0, len(names), size) for score in scores(names[i:i + size])]
    means.append(sum(found) / len(found))
    print(f"mean over the five images in batches of {size}: {means[-1]:.4f}")
check(near(means[0], sum(alone.values()) / len(alone), 1e-5) and abs(means[2] - means[0]) > 0.005, f"means {means}")
loss = piq.SRSIMLoss(reduction="none")
value = loss(torch.cat([restored["dark"], restored["star"]]), torch.cat([references["dark"], references["star"]]))[0].item()
print(f"SRSIMLoss of dark: {1 - alone['dark']:.3f} by its score alone, {value:.3f} beside star")
check(1 - alone["dark"] - value > 0.02, f"loss {value}")
EOF
venv/bin/python check.py
