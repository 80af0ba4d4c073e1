# Every recipe is one visible line, and cargo's own wherever cargo can do it: `just` is a convenience, never needed.

# What is there
default:
    @just --list

# Everything that CI checks
check:
    bash .ci/run

# The tests
test:
    cargo test --workspace

# Every lesson that can run on the paused clock, its laws held exactly
laws:
    cargo demo --all --virtual --check

# A new lesson from the template: just new tasks/my-lesson
new lesson:
    cargo demo --new '{{lesson}}'

# What recording costs: nanoseconds a poll, bytes for a million spans
bench-recorder:
    cargo bench -p timing --bench recorder

# The stand-in against a bare hyper server
bench-server:
    cargo bench -p httpbin --bench get

# The rustdoc of the workspace
doc:
    cargo doc --workspace --no-deps --open

# PostgreSQL's programs for the databases chapter, where none are installed: 11 MB into .cache/postgres, no root needed
postgres:
    python3 -m pip install --no-deps --target .cache/postgres pgserver
