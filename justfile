# Everyday recipes. Each is one command that a person could type.

# List the recipes.
default:
    @just --list

# Follow the bundled log as a growing file; incidents appear within seconds.
demo:
    cargo run --release -- demo

# All tests.
test:
    cargo test --release

# What a change must pass before it is merged.
check:
    .ci/run

# Warnings are errors.
lint:
    cargo clippy --release --all-targets -- -D warnings

fmt:
    cargo fmt

# The pages of the code.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

bench:
    cargo bench

# What history costs over a log of yours, and what questions take over so many events: `just bench-history LOG 10000000`.
bench-history log rows="0":
    cargo bench --bench history -- {{log}} {{rows}}

# Damage real lines for some seconds and compare both decoders.
fuzz seconds="30" seed="1":
    cargo test --release --test fuzz_decode -- {{seconds}} {{seed}}

# Compare what is found in a labelled log with its labels: `just score LOG LABELS SCORE.PY`.
score log labels script:
    cargo run --release -- replay {{log}} -o json > target/incidents.jsonl
    python3 {{script}} --labels {{labels}} --incidents target/incidents.jsonl
