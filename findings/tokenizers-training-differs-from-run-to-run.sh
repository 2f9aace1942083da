#!/usr/bin/env bash
# Hugging Face tokenizers: training a WordPiece or Unigram model on the same text gives another tokenizer each
# time.
#
# Expected: Training has no seed because it is deterministic, as it is for BPE and WordLevel.
# Happens: Four processes give four WordPiece and four Unigram files. There is no seed to set. WordPiece tokens
#   also have other ids each time.
# Seen: tokenizers 0.23.3, one thread, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Token ids of a model and of a retrained tokenizer do not fit together, and a pipeline that keys by
#   content runs everything below the tokenizer again.
# Source: github.com/huggingface/tokenizers/issues/1794 for WordPiece; a reply there suspects dropout, of which
#   there is none here
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check tokenizers==0.23.3

cat > check.py <<'EOF'
import json
import os
import subprocess
import sys

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

TRAIN = """
import json, random
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
random.seed(0)
word = lambda: "".join(random.choice("abcdefghij") for _ in range(random.randint(2, 7)))
text = [" ".join(word() for _ in range(8)) for _ in range(300)]
out = {}
for name in ("BPE", "WordLevel", "WordPiece", "Unigram"):
    tokenizer = Tokenizer(getattr(models, name)())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = getattr(trainers, name.replace("BPE", "Bpe") + "Trainer")(vocab_size=300, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    out[name] = [tokenizer.to_str(), sorted(tokenizer.get_vocab().items())]
print(json.dumps(out))
"""
from importlib.metadata import version
print("tokenizers", version("tokenizers"))
env = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
runs = [json.loads(subprocess.check_output([sys.executable, "-c", TRAIN], env=env)) for _ in range(4)]
files, ids = {}, {}
for name in ("BPE", "WordLevel", "WordPiece", "Unigram"):
    files[name] = len({run[name][0] for run in runs})
    ids[name] = len({str(run[name][1]) for run in runs})
    print(f"{name}: {files[name]} different files in 4 runs, {ids[name]} different maps of tokens to ids")
for name in ("BPE", "WordLevel"):
    check(files[name] == 1 and ids[name] == 1, f"{name} is stable")
check(files["WordPiece"] > 1 and ids["WordPiece"] > 1, "WordPiece is not, nor are its ids")
check(files["Unigram"] > 1, "Unigram is not")
EOF
venv/bin/python check.py
