# common.sh: what demo and check share: packages and builds. Sourced; the caller has set `top`, the project's directory.
# shellcheck shell=bash disable=SC2034,SC2154

# Sorting, numbers and messages are the same everywhere.
export LC_ALL=C

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

can_be_root()
{
	[ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo true; }
}

# as_root COMMAND...: only where can_be_root
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# apt_get ARGUMENT...: shows what it says only if it fails; on a machine that has just been started, waits for the system's
# own upgrade
apt_get()
{
	local said
	said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=2 "$@" </dev/null 2>&1) || { printf '%s\n' "$said" | tail -n 30 >&2; return 1; }
}

# install_packages PACKAGE...: those that are missing
install_packages()
{
	local package missing=()
	if ! command -v apt-get >/dev/null; then
		say "this is not Debian: what it has in these packages must be there: $*"
		return
	fi
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	can_be_root || fail "packages are missing, and there is no sudo, or it refuses. Run as root:
	apt-get update && apt-get install --no-install-recommends ${missing[*]}"
	say "installing ${missing[*]}"
	apt_get update || say 'apt-get update failed: trying with the lists that are there'
	apt_get install --no-install-recommends "${missing[@]}" || fail 'the packages cannot be installed'
}

no_fuse='there is no /dev/fuse: this kernel, or container, does not offer FUSE, or it wants "modprobe fuse"'
has_fuse()
{
	[ -e /dev/fuse ] || ! can_be_root || as_root modprobe fuse 2>/dev/null
	[ -e /dev/fuse ]
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
