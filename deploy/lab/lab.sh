#!/usr/bin/env bash
# The one way to call the lab: checks what must be there before anything can be
# built, builds the small supervisor, and hands over to it. `lab.sh help` lists
# the commands.
set -euo pipefail

LAB_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
project=$(cd "$LAB_SOURCE/../.." && pwd -P)
LAB_DIR=$(realpath -m -- "${LAB_DIR:-$project/.lab}")
export LAB_SOURCE LAB_DIR
# Many people's KUBECONFIG leads to production.
unset KUBECONFIG

fail() {
	echo "lab: $*" >&2
	exit 1
}

# Debian package and the command or file that shows it is there. Commands in
# sbin may lie outside an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin
missing_packages() {
	command -v cc >/dev/null && command -v ld >/dev/null || echo build-essential
	command -v pkg-config >/dev/null || echo pkg-config
	pkg-config --exists libseccomp 2>/dev/null || echo libseccomp-dev
	command -v nft >/dev/null || echo nftables
	command -v iptables >/dev/null || echo iptables
	command -v ip >/dev/null || echo iproute2
	command -v conntrack >/dev/null || echo conntrack
	command -v nsenter >/dev/null || echo util-linux
}

require_packages() {
	local missing install
	missing=$(missing_packages | tr '\n' ' ')
	[[ -z $missing ]] && return
	install="apt-get update && apt-get install -y ${missing% }"
	if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
		fail "these Debian packages are missing; as root: $install"
	fi
	echo "missing packages: $install"
	{
		DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
	} >/dev/null || fail "installing packages failed: try $install"
}

# An older Go fetches the toolchain that go.mod names, unless told not to.
require_go() {
	local wanted have
	wanted=$(sed -n 's/^go //p' "$LAB_SOURCE"/{.,control,node,addons}/go.mod | sort -V | tail -1)
	command -v go >/dev/null ||
		fail "Go is missing: install Go $wanted or newer (Debian's own golang package is too old)"
	have=$(cd / && go env GOVERSION) && have=${have#go}
	newer_or_equal "$have" "$wanted" && return
	if newer_or_equal "$have" 1.21 && [[ $(cd / && go env GOTOOLCHAIN) != local ]]; then
		return
	fi
	fail "Go $have is too old: install Go $wanted or newer"
}

newer_or_equal() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -1) == "$1" ]]; }

# The supervisor builds in seconds. Its folder is named by what it is made from.
supervisor() {
	local cache key folder
	cache=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lazarus-pit/lab}
	key=$(cd "$LAB_SOURCE" && {
		go version
		find . -path ./control -prune -o -path ./node -prune -o -path ./addons -prune -o -path ./e2e -prune -o -type f ! -name '*_test.go' \
			! -name '*.sh' -print | LC_ALL=C sort | xargs -d '\n' sha256sum
	} | sha256sum | cut -c1-12)
	folder=$cache/lab-$key
	if [[ ! -x $folder/lab ]]; then
		mkdir -p "$cache"
		local working
		working=$(mktemp -d "$cache/lab-new-XXXXXX")
		(cd "$LAB_SOURCE" && CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly \
			go build -buildvcs=false -trimpath -o "$working/lab" .) >&2 || {
			rm -rf "$working"
			fail "building the supervisor failed"
		}
		chmod 755 "$working"
		# Another call may have been quicker.
		mv -T "$working" "$folder" 2>/dev/null || rm -rf "$working"
	fi
	touch "$folder"
	echo "$folder/lab"
}

case ${1:-} in
up | load | down | stop | start | signal | node | firewall | detour | exec-node | check)
	[[ $EUID -eq 0 ]] || fail "a lab makes namespaces, mounts and cgroups: run this as root (sudo)"
	;;
esac
case ${1:-} in
up | build | image | check) require_packages ;;
esac
require_go
[[ ${1:-} == check ]] && exit
lab=$(supervisor)
exec "$lab" "$@"
