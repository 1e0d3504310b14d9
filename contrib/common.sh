# common.sh: what demo and check share: packages and builds. Sourced; the caller has set `top`, the project's directory.
# shellcheck shell=bash disable=SC2034,SC2154

build_packages=(build-essential autoconf automake libtool pkg-config libfuse3-dev libuv1-dev uthash-dev fuse3)

say()
{
	printf '== %s\n' "$*"
}

fail()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		fail "this needs root, or sudo: $*"
	fi
}

# install_packages PACKAGE...: those that are missing
install_packages()
{
	local package missing=()
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	as_root apt-get -qq update </dev/null || fail "apt-get update failed"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends -y \
		"${missing[@]}" </dev/null >/dev/null || fail "cannot install ${missing[*]}"
}

need_fuse()
{
	[ -e /dev/fuse ] || as_root modprobe fuse 2>/dev/null
	[ -e /dev/fuse ] || fail "there is no /dev/fuse: this kernel, or container, does not offer FUSE"
}

# prepare_source DIR: sets `source` to a source tree with a configure script that can be built outside of it. That is the
# project's own directory, or if somebody has configured that, a copy of it in DIR.
prepare_source()
{
	local file stale=
	source=$top
	if [ -e "$top/config.status" ]; then
		source=$1/source
		rm -rf "$source"
		mkdir -p "$1"
		make -s -C "$top" distdir distdir="$source" >/dev/null || fail "cannot copy the source"
		return
	fi
	for file in configure.ac Makefile.am; do
		[ "$top/$file" -ot "$top/configure" ] && [ "$top/$file" -ot "$top/Makefile.in" ] || stale=yes
	done
	[ -z "$stale" ] || (cd "$top" && autoreconf -fi 2>&1) || fail "autoreconf failed"
}

# build DIR [CONFIGURE_OPTION...]: configures, unless that is done, and makes everything
build()
{
	local dir=$1
	shift
	mkdir -p "$dir" || return
	(
		cd "$dir" || exit
		[ -e config.status ] || "$source/configure" --quiet "$@" || exit
		make -s -j"$(nproc)"
	)
}
