# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Root file systems of Debian, made the way this machine's own apt gets its packages: its sources, options, certificates,
# proxies. Source it; it runs nothing by itself.

# Sets sources (files for mmdebstrap) and options (words for it) to those of this machine's apt that name a suite.
debian_way() { # suite
	local file
	sources=() options=()
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] && grep -qs "^[^#]*$1" "$file" && sources+=("$file")
	done
	for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
		[ -f "$file" ] && grep -qs '^[^/#]*Acquire' "$file" && options+=("--aptopt=$file")
	done
}

# A minimal bookworm in a folder that is not there yet; more words go to mmdebstrap.
debian_bookworm() { # folder, words...
	local root=$1 sources options
	shift
	debian_way bookworm
	mmdebstrap --quiet --variant=minbase "${options[@]}" "$@" bookworm "$root" "${sources[@]}" </dev/null
}

# Where this machine gets Debian from.
debian_uri() {
	# shellcheck disable=SC2016 # apt fills these in
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)' |
		sed -n 's/^Debian main bookworm //p' | head -n 1
}

# A minimal trixie, from where this machine's bookworm comes.
debian_trixie() { # folder, words...
	local root=$1 uri sources options
	shift
	debian_way bookworm
	uri=$(debian_uri)
	[ -n "$uri" ] || return 1
	mmdebstrap --quiet --variant=minbase "${options[@]}" "$@" trixie "$root" "deb $uri trixie main" </dev/null
}

# What apt inside needs to get at packages as it does out here.
debian_network() { # folder
	local file
	for file in /etc/resolv.conf /etc/hosts; do
		cat $file >"$1$file"
	done
	mkdir -p "$1/etc/ssl/certs" "$1/usr/local/share"
	cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/" 2>/dev/null
	cp -rL /usr/local/share/ca-certificates "$1/usr/local/share/" 2>/dev/null
	cp -r /etc/apt/auth.conf.d "$1/etc/apt/" 2>/dev/null
	return 0
}

# Packages of another suite than this machine's, as .deb files in a folder that is there. Their dependencies do not come along.
debian_fetch() { # folder, suite, packages...
	local folder=$1 suite=$2 uri state words
	shift 2
	uri=$(debian_uri)
	state=$(mktemp -d) && mkdir -p "$state/lists/partial" "$state/cache/archives/partial" || return 1
	echo "deb ${uri:?no source of Debian} $suite main" >"$state/sources.list"
	words=(-q -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$state/lists"
		-o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
	apt-get "${words[@]}" update >&2 && (cd "$folder" && apt-get "${words[@]}" download "$@" >&2)
	set -- $?
	rm -rf "$state"
	return "$1"
}
