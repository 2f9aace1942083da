set -eu
value() { grep -o "$1\"*: [^,} ]*" params.yaml | sed 's/.*: //'; }
lr=$(value lr)
rounds=$(value rounds)
echo "lr $lr rounds $rounds"
wc -l < prepared/train.txt
