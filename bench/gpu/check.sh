#!/bin/sh
# Holds a GPU against the CPU and measures it: `./check.sh [DEVICE [OPTION...]]`, cuda:0 unless told otherwise; options are those of `gpu
# check`. Takes under eight minutes and needs an NVIDIA driver; the libraries of CUDA come from `lib` here, from the packages of `python3`,
# or from an installation of CUDA. PyTorch is measured beside it where `python3` has it. The table goes to $OUT, or to `result` here; status
# 1 where something disagrees.
set -u
here=$(cd "$(dirname "$0")" && pwd)
device=${1:-cuda:0}
[ $# -eq 0 ] || shift
out=${OUT:-$here/result}
mkdir -p "$out" || exit 2
cd "$here" || exit 2
rm -f "$out"/rows-*.jsonl
began=$(date +%s)

# The folders where Python packages keep CUDA's libraries.
if [ ! -e lib/libcublas.so.13 ] && command -v python3 >/dev/null; then
    found=$(python3 -c '
import glob, sys
print(":".join(f for p in dict.fromkeys(sys.path) if p for f in sorted(glob.glob(p + "/nvidia/*/lib"))))')
    export KILN_CUDA_LIBRARIES="${KILN_CUDA_LIBRARIES:-}${KILN_CUDA_LIBRARIES:+:}$found"
fi

row() { # FILE WHAT RESULT AGREES
    result=$(printf '%s' "$3" | tr '"\\\n\t' "'/  ")
    printf '{"what": "%s", "result": "%s", "agrees": %s}\n' "$2" "$result" "$4" >>"$out/rows-$1.jsonl"
}

# A part within a limit of seconds. What it said is kept; a part that was stopped is a row that disagrees.
part() { # NUMBER LIMIT WHAT COMMAND...
    number=$1 limit=$2 what=$3
    shift 3
    echo "== $what"
    timeout "$limit" "$@" >"$out/part-$number.log" 2>&1
    status=$?
    tail -n 60 "$out/part-$number.log"
    case $status in
    0) return 0 ;;
    124) row "$number" "$what" "not done in $limit s" false ;;
    1) [ -s "$out/rows-$number.jsonl" ] || row "$number" "$what" "$(tail -n 1 "$out/part-$number.log")" false ;;
    *) row "$number" "$what" "status $status: $(tail -n 1 "$out/part-$number.log")" false ;;
    esac
    return $status
}

gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
row 0 "GPU and driver" "${gpu:-no nvidia-smi to ask}" null
row 0 "program" "$(./kiln --version)" null
row 0 "processor" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores" null

part 1 150 "with exact float32" env NVIDIA_TF32_OVERRIDE=0 ./gpu check . --device "$device" --rows "$out/rows-1.jsonl" \
    --only operators --only networks --only resume --images 1500 "$@"
part 2 130 "as users run it" ./gpu check . --device "$device" --rows "$out/rows-2.jsonl" --only operators --only speed --seconds 2 "$@"

rm -rf run && mkdir run && cp -r models data run && sed "s/DEVICE/$device/" pipeline.yaml >run/pipeline.yaml
if part 3 40 "kiln run" ./kiln run -f run/pipeline.yaml; then
    row 3 "kiln run, a network trained and evaluated" "done" true
fi

if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    part 4 145 "PyTorch" python3 torch_rates.py "$out/rows-4.jsonl" --device "$device" --budget 110
fi

row 5 "all of it" "$(($(date +%s) - began)) s" null
./gpu table "$out"/rows-*.jsonl >"$out/table.md"
status=$?
echo && cat "$out/table.md"
exit $status
