# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The one table of Debian packages, read by deploy/quickstart and tests/run. Source it; it runs nothing by itself.
#
# A line: set, package, and optionally a command with its least version that makes the package unnecessary when it is
# already there from elsewhere (a node that is not Debian's must not be replaced).
PACKAGE_TABLE='
build gcc
build meson
build ninja-build
build pkg-config
build python3                   python3:3.9
build libc6-dev
build libuv1-dev
build libjansson-dev
build nettle-dev
build libssl-dev
build libcurl4-openssl-dev
build libseccomp-dev
build libyaml-dev
build libpcre2-dev
build libsqlite3-dev
build uthash-dev
build libwebsockets-dev
build libwebsockets-evlib-uv
build libcmocka-dev
run   bubblewrap
run   ca-certificates
run   nodejs                    node:18
run   python3                   python3:3.9
run   bash
test  clang
test  clang-tidy
test  clang-format
test  cppcheck
test  llvm
test  libclang-rt-dev
test  strace
test  esbuild
test  zsh
test  fish
test  groff
test  iproute2
test  util-linux
test  procps
test  shellcheck
test  pyflakes3
test  git
test  openssl
fresh mmdebstrap
vm    mmdebstrap
vm    e2fsprogs
vm    user-mode-linux
vm    qemu-system-x86
'

# Is COMMAND:MAJOR[.MINOR] there, at least that new?
_command_serves() {
	local command=${1%%:*} least=${1#*:} have
	have=$("$command" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)
	[ -n "$have" ] && [ "$(printf '%s\n%s\n' "$least" "$have" | sort -V | head -n 1)" = "$least" ]
}

# Prints the packages of the given sets that are not installed, one line.
packages_missing() {
	local set package serves found=
	while read -r set package serves; do
		[ -n "$package" ] || continue
		case " $* " in *" $set "*) ;; *) continue ;; esac
		case " $found " in *" $package "*) continue ;; esac
		[ -z "$serves" ] || ! _command_serves "$serves" || continue
		case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
		*" installed") ;;
		*) found="$found $package" ;;
		esac
	done <<<"$PACKAGE_TABLE"
	echo "${found# }"
}

# Installs what is missing of the given sets: as root, or with sudo where that needs no password or a terminal is there.
# Otherwise prints the one command to run and returns 2.
packages_need() {
	local missing as=
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "hawser: this is not a Debian system; see README.md for what is needed" >&2
		return 2
	fi
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
			as=sudo
		else
			echo "hawser: packages are missing, and only root can install them. Run this as root, then start again:"
			echo "    apt-get update && apt-get install -y --no-install-recommends $missing"
			return 2
		fi
	fi
	echo "==> installing from Debian: $missing"
	# shellcheck disable=SC2086 # a list of words
	{ $as apt-get update -q && $as env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $missing; } >&2 </dev/null
}
