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

# kill -9 at random moments, hundreds of times; a log of 10 GB; disks that fill up.
test-faults ROUNDS="300":
    KILN_TEST_KILLS={{ROUNDS}} KILN_TEST_LOG_BYTES=10000000000 cargo test --workspace --test it -- kills:: disk:: damage:: faults:: limits:: guard:: --nocapture

# Random files for everything that reads one, at length.
test-fuzz FILES="100000":
    KILN_TEST_FUZZ={{FILES}} cargo test --workspace --test fuzz -- --nocapture
