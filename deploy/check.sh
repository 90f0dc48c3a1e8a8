#!/usr/bin/env bash
# Says all that this machine lacks, at once. `check.sh rust` looks only at what
# building the program takes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
lacking=0
lack() {
	echo "missing: $*" >&2
	lacking=1
}

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
	lack "Rust $wanted or newer: see https://rustup.rs"
else
	have=$(rustc --version | cut -d' ' -f2)
	if [[ $(printf '%s\n%s\n' "$have" "$wanted" | sort -V | head -1) != "$wanted" ]]; then
		lack "Rust $wanted or newer, this is $have: rustup update stable"
	fi
	if [[ ${1:-} != rust ]]; then
		cargo clippy --version >/dev/null 2>&1 || lack "clippy: rustup component add clippy"
		cargo fmt --version >/dev/null 2>&1 || lack "rustfmt: rustup component add rustfmt"
	fi
fi
# The lab knows best what it needs.
[[ ${1:-} == rust ]] || deploy/lab/lab.sh check || lacking=1
exit "$lacking"
