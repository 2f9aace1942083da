#!/usr/bin/env bash
# SentencePiece: the number of training threads decides the ids of the tokens of a Unigram model.
#
# Expected: Threads make training faster and do not change its result.
# Happens: Unigram training sums numbers per thread. With 1 and with 16 threads, the default, the tokens have
#   other scores and some have other ids. Each is reproducible. The number of threads is also written into the
#   model file, so files differ even where tokens do not.
# Seen: sentencepiece 0.2.3, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: Setting num_threads to the cores of the machine makes the vocabulary, and so all token ids, a
#   property of the machine.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check sentencepiece==0.2.3

cat > check.py <<'EOF'
import hashlib
import random
import sys
import sentencepiece as spm

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("sentencepiece", spm.__version__)
random.seed(0)
word = lambda: "".join(random.choice("abcdefghijklmnop") for _ in range(random.randint(2, 7)))
with open("text.txt", "w") as file:
    file.writelines(" ".join(word() for _ in range(8)) + "\n" for _ in range(2000))

def train(model_type, threads):
    spm.SentencePieceTrainer.train(input="text.txt", model_prefix="m", vocab_size=600, model_type=model_type,
                                   num_threads=threads, minloglevel=2)
    processor = spm.SentencePieceProcessor(model_file="m.model")
    tokens = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    return tokens, hashlib.sha256(open("m.model", "rb").read()).hexdigest()[:16]

models = {}
for model_type in ("unigram", "bpe"):
    for threads in (1, 1, 16, 16):
        got = train(model_type, threads)
        models.setdefault((model_type, threads), []).append(got)
        print(model_type, "threads:", threads, "file:", got[1])
for key, (first, second) in models.items():
    check(first == second, f"{key} is reproducible")
one, sixteen = models["unigram", 1][0][0], models["unigram", 16][0][0]
moved = [(i, a, b) for i, (a, b) in enumerate(zip(one, sixteen)) if a != b]
print("Unigram, ids with another token:", len(moved), "such as (id, 1 thread, 16 threads):", moved[:4])
check(moved, "some Unigram ids stand for other tokens with 16 threads")
check(models["bpe", 1][0][0] == models["bpe", 16][0][0], "BPE has the same tokens")
check(models["bpe", 1][0][1] != models["bpe", 16][0][1], "but its file differs")
EOF
venv/bin/python check.py
