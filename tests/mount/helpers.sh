# helpers.sh: what the tests on real mounts share; read by `run`. A test is a function test_NAME (dashes become
# underscores), runs in a process of its own with an empty directory $TEST_DIR, and fails by ending with a status.

tool=${NETMEM_TESTS:-.}/tool

now_ms() {
	"$tool" now
}

mounts_under() {
	while read -r _ mount _; do
		case $mount in "$1"/*) printf '%s\n' "$mount" ;; esac
	done </proc/mounts
}

# `run --one NAME`: one test, in this process.
one_test() {
	clusters=0
	C=
	set -e
	trap end_of_test EXIT
	"test_$(echo "$1" | tr - _)"
	end_cluster
	exit 0
}

end_of_test() {
	status=$?
	trap - EXIT
	if [ "$NETMEM_MODE" = plain ] || [ -z "$C" ]; then
		exit $status
	fi
	[ $status = 0 ] || say_logs "$C"
	busy_end
	"$LOCAL_CLUSTER" stop "$C" || :
	exit $status
}

# say_logs CLUSTER: the last lines of each node's log
say_logs() {
	for log in "$1"/.run/*.log; do
		if [ -s "$log" ]; then
			echo "-- ${log##*/}"
			tail -n 15 "$log"
		fi
	done
}

# fail TEXT: a finding.
fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# cannot TEXT: the test could not be made.
cannot() {
	echo "cannot be tested: $*" >&2
	exit 2
}

skip() {
	echo "$*"
	exit 77
}

# start N [OPTIONS]: a cluster with its mounts $C/1 .. $C/N.
start() {
	[ -z "$C" ] || end_cluster
	clusters=$((clusters + 1))
	C=$TEST_DIR/cluster$clusters
	if [ "$NETMEM_MODE" = plain ]; then
		plain=$(mktemp -d /dev/shm/netmem-plain.XXXXXX)
		mkdir "$C"
		for node in 1 2 3 4; do
			ln -s "$plain" "$C/$node"
		done
		return
	fi
	options=$NETMEMFS_OPTIONS${2:+${NETMEMFS_OPTIONS:+,}$2}
	NETMEMFS_OPTIONS=$options "$LOCAL_CLUSTER" start "$1" "$C" || cannot "local-cluster start $1 gave $?"
	[ -z "$NETMEM_BUSY" ] || busy_begin "$1"
}

# Each node writes its file and reads that of the next one, for as long as the cluster runs.
busy_begin() {
	mkdir "$C/1/busy"
	busy=
	for node in $(seq "$1"); do
		"$here/busy" "$C/$node/busy" "$node" $((node % $1 + 1)) >/dev/null 2>&1 &
		busy="$busy $!"
	done
}

busy_end() {
	[ -n "${busy:-}" ] || return 0
	# shellcheck disable=SC2086 # words wanted
	kill $busy 2>/dev/null || :
	# shellcheck disable=SC2086
	wait $busy 2>/dev/null || :
	busy=
}

# Ends the cluster in good order; what a node counts as a violation of coherence is a failure.
end_cluster() {
	[ -n "$C" ] || return 0
	if [ "$NETMEM_MODE" = plain ]; then
		rmdir "$plain" || fail "the test left something behind: $(ls "$plain")"
		C=
		return
	fi
	busy_end
	[ "$NETMEM_MODE" = broken ] || check_violations
	"$LOCAL_CLUSTER" stop "$C" || fail "local-cluster stop gave $?"
	[ -z "$(mounts_under "$C")" ] || fail "still mounted: $(mounts_under "$C")"
	C=
}

check_violations() {
	for node in 1 2 3 4; do
		# One that a test has killed answers nothing.
		count=$(value_of violations "$C/$node/.netmem/status" 2>/dev/null || echo 0)
		[ "${count:-0}" = 0 ] || fail "node $node counted $count violations: $(node_log $node | tail -n 3)"
	done
}

# value_of KEY FILE: from "key: value" lines.
value_of() {
	sed -n "s/^$1: *//p" "$2"
}

# must PROGRAM ...: a test program of coherence: passes, or finds something when there is no coherence.
must() {
	program=$1
	shift
	echo "+ $program $*"
	found=0
	"$NETMEM_TESTS/$program" "$@" || found=$?
	if [ "$NETMEM_MODE" = broken ]; then
		[ $found = 1 ] || fail "$program $1 $2 ended with $found, though nothing is coherent"
	elif [ $found != 0 ]; then
		exit $found
	fi
}

# said WORD EXPECTED-PATTERN WHAT: judges what `tool` printed; its milliseconds go to $took.
said() {
	took=${1#* }
	# shellcheck disable=SC2254
	case ${1%% *} in
	$2) ;;
	*) fail "$3 gave $1, expected $2" ;;
	esac
}

# within MS WHAT: of the last said.
within() {
	[ "$took" -le "$1" ] || fail "$2 took $took ms, more than $1"
}

# same EXPECTED GOT WHAT
same() {
	[ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"
}

# quiet COMMAND ...: succeeds and says nothing at all.
quiet() {
	output=$("$@" 2>&1) || fail "$* failed: $output"
	[ -z "$output" ] || fail "$* said: $output"
}

# refused TEXT COMMAND ...: fails, with TEXT in its message.
refused() {
	text=$1
	shift
	if output=$("$@" 2>&1); then
		fail "$* succeeded"
	fi
	case $output in *"$text"*) ;; *) fail "$* said '$output', expected '$text'" ;; esac
}

# eventually SECONDS COMMAND ...: succeeds within that time.
eventually() {
	deadline=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $deadline ] || fail "never came true: $*"
		sleep 0.05
	done
}

# The process id of a node's daemon.
node_pid() {
	sed 's/ .*//' "$C/.run/$1.pid"
}

node_log() {
	cat "$C/.run/$1.log"
}

# The port that a node listens on.
node_port() {
	value_of address "$C/$1/.netmem/status" | sed 's/.*://'
}

# node_field NODE KEY: from /proc/PID/status, the number.
node_field() {
	sed -n "s/^$2:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$(node_pid "$1")/status"
}

# hold NODE NAME PAGES VALUE: a program in the background that keeps pages; its id goes to $holder.
hold() {
	: >"$TEST_DIR/held"
	"$tool" hold "$C/$1/$2/memory" "$3" "$4" >"$TEST_DIR/held" &
	holder=$!
	eventually 60 grep -q held "$TEST_DIR/held"
}

let_go() {
	kill -9 "$holder" 2>/dev/null || :
	wait "$holder" 2>/dev/null || :
}

node_kill() {
	"$LOCAL_CLUSTER" kill "$C" "$1"
}

node_pause() {
	"$LOCAL_CLUSTER" pause "$C" "$1"
}

node_resume() {
	"$LOCAL_CLUSTER" resume "$C" "$1"
}
