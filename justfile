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

# The engine beside ninja, n2 and DVC, and hashing beside b3sum: `just bench-engine --n2 PATH`.
bench-engine *ARGS:
    python3 bench/engine.py {{ARGS}}
