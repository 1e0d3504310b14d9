# faults.sh: nodes that die, hang or are told nonsense; memory that is full; the command line; what idleness and churn
# cost. The bound for noticing a dead node is 5 s; a machine under load gets a margin.

BOUND_MS=$(((5000 + 3000) * ${NETMEM_SLOW:-1}))
PROMPT_MS=$((2000 * ${NETMEM_SLOW:-1}))

# make_object NODE NAME SIZE
make_object() {
	quiet mkdir "$C/$1/$2"
	quiet truncate -s "$3" "$C/$1/$2/memory"
}

# expect_lost NODE...: the access fails, within the bound, mapped and read, on these nodes.
expect_lost() {
	for node in "$@"; do
		said "$("$tool" load "$C/$node/board/memory" 0)" SIGBUS "a load of a lost page on node $node"
		within $BOUND_MS "a load of a lost page"
		said "$("$tool" read "$C/$node/board/memory" 0)" EIO "a read of a lost page on node $node"
		within $BOUND_MS "a read of a lost page"
		said "$("$tool" store "$C/$node/board/memory" 4096 1)" SIGBUS "a store to a lost page on node $node"
		within $BOUND_MS "a store to a lost page"
	done
}

# The only current copy of eight pages dies with node 2; node 1 is the home.
test_fault_owner() {
	start 3
	make_object 1 board 64K
	said "$("$tool" write "$C/3/board/memory" 0 5)" ok "a write"
	hold 2 board 8 7
	node_kill 2
	expect_lost 3 1
	same 8 "$(value_of lost "$C/3/board/status")" "the lost pages in status"
	said "$("$tool" load "$C/3/board/memory" 32768)" 0 "a load of a page that was not lost"
	let_go
	echo clear >"$C/3/board/control" || fail "clear failed"
	same 0 "$(value_of lost "$C/1/board/status")" "the lost pages after clear"
	# 7 if the kernel had written the page back before.
	said "$("$tool" load "$C/3/board/memory" 0)" '[57]' "a load after clear"
	said "$("$tool" store "$C/3/board/memory" 4096 9)" ok "a store after clear"
	said "$("$tool" load "$C/1/board/memory" 4096)" 9 "what was stored after clear"
	# The others go on, the dead one's mount can be used again.
	make_object 3 other 4K
	[ -d "$C/1/other" ] || fail "the cluster does not go on"
}

test_fault_revert() {
	start 3
	make_object 1 board 64K
	said "$("$tool" write "$C/3/board/memory" 0 5)" ok "a write"
	echo revert on >"$C/3/board/control" || fail "revert on failed"
	hold 2 board 8 7
	node_kill 2
	said "$("$tool" load "$C/3/board/memory" 0)" '[57]' "a load of a reverted page"
	within $BOUND_MS "a load of a reverted page"
	same 0 "$(value_of lost "$C/3/board/status")" "the lost pages in status"
	let_go
}

# Pages that a dead node only read cost nothing but the time to notice.
test_fault_sharer() {
	start 3
	make_object 1 board 64K
	said "$("$tool" write "$C/3/board/memory" 0 5)" ok "a write"
	hold 2 board 8 -
	node_kill 2
	said "$("$tool" load "$C/3/board/memory" 0)" 5 "a load"
	said "$("$tool" store "$C/3/board/memory" 0 6)" ok "a store"
	within $BOUND_MS "a store to a page shared by a dead node"
	said "$("$tool" load "$C/1/board/memory" 0)" 6 "a load on the home"
	same 0 "$(value_of lost "$C/3/board/status")" "the lost pages in status"
	let_go
}

is_no_holder() {
	! value_of holders "$C/1/board/status" | grep -q "$1"
}

# What a program has closed, or synced, does not die with its node.
test_fault_closed() {
	start 3
	make_object 1 board 64K
	said "$("$tool" store "$C/2/board/memory" 0 11)" ok "a store"
	said "$("$tool" write "$C/2/board/memory" 4096 12)" ok "a write"
	eventually 5 is_no_holder node2
	node_kill 2
	for node in 1 3; do
		said "$("$tool" load "$C/$node/board/memory" 0)" 11 "a load of what was stored"
		within $BOUND_MS "a load of what was stored"
		said "$("$tool" load "$C/$node/board/memory" 4096)" 12 "a load of what was written"
	done
	same 0 "$(value_of lost "$C/1/board/status")" "the lost pages"
}

# The home is node 2. Nothing hangs, others' objects go on.
test_fault_home() {
	start 3
	make_object 2 board 64K
	make_object 1 other 64K
	said "$("$tool" store "$C/3/board/memory" 0 5)" ok "a store"
	hold 3 board 4 7
	node_kill 2
	for node in 1 3; do
		said "$("$tool" load "$C/$node/board/memory" 32768)" '[SE]*' "a load from a dead home"
		within $BOUND_MS "a load from a dead home"
		said "$("$tool" read "$C/$node/board/memory" 36864)" 'E*' "a read from a dead home"
		within $BOUND_MS "a read from a dead home"
		said "$("$tool" store "$C/$node/board/memory" 40960 1)" '[SE]*' "a store to a dead home"
		within $BOUND_MS "a store to a dead home"
	done
	started=$(now_ms)
	"$tool" limit 20 ls -la "$C/3" >/dev/null 2>&1 || [ $? != 124 ] || fail "ls hangs"
	"$tool" limit 20 rmdir "$C/3/board" || fail "rmdir of an object whose home is dead gave $?"
	took=$(($(now_ms) - started))
	within $((2 * BOUND_MS)) "ls and rmdir"
	same other "$(ls -I busy "$C/1")" "the names that are left"
	said "$("$tool" store "$C/3/other/memory" 0 8)" ok "a store to another's object"
	said "$("$tool" load "$C/1/other/memory" 0)" 8 "a load of another's object"
	let_go
	make_object 3 third 4K
	[ -d "$C/1/third" ] || fail "the cluster does not go on"
}

# Without the directory names cannot be looked up; what is open goes on.
test_fault_directory() {
	start 3
	make_object 2 board 64K
	hold 3 board 2 7
	exec 4<"$C/2/board/memory" 5<"$C/3/board/memory"
	node_kill 1
	for node in 2 3; do
		"$tool" limit 20 stat "$C/$node/board/memory" >/dev/null 2>&1 || [ $? != 124 ] || fail "stat hangs"
		"$tool" limit 20 ls "$C/$node" >/dev/null 2>&1 || [ $? != 124 ] || fail "ls hangs"
		"$tool" limit 20 mkdir "$C/$node/new" >/dev/null 2>&1 || [ $? != 124 ] || fail "mkdir hangs"
	done
	same 4096 "$(dd bs=4096 skip=3 count=1 <&4 2>/dev/null | wc -c)" "a read on the home"
	same 4096 "$(dd bs=4096 skip=3 count=1 <&5 2>/dev/null | wc -c)" "a read elsewhere"
	exec 4<&- 5<&-
	let_go
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

# kill -9 of programs that wait for a paused home. Each on a node of its own: on one node they would also wait for each
# other, since the kernel keeps a directory locked, past any signal, while it looks a name up in it.
test_fault_waiter() {
	start 4
	make_object 1 board 64K
	node_pause 1
	"$tool" load "$C/2/board/memory" 8192 >/dev/null 2>&1 &
	loader=$!
	"$tool" write "$C/3/board/memory" 8192 1 >/dev/null 2>&1 &
	writer=$!
	mkdir "$C/4/new" 2>/dev/null &
	maker=$!
	sleep 0.7
	for waiter in $loader $writer $maker; do
		kill -0 $waiter 2>/dev/null || fail "a program did not wait for the paused home"
		started=$(now_ms)
		kill -9 $waiter
		wait $waiter || :
		took=$(($(now_ms) - started))
		within 1000 "kill -9 of a waiting program"
	done
	node_resume 1
	said "$("$tool" load "$C/2/board/memory" 0)" 0 "a load after the pause"
	said "$("$tool" store "$C/3/board/memory" 8192 3)" ok "a store after the pause"
	said "$("$tool" load "$C/1/board/memory" 8192)" 3 "what was stored after the pause"
}

# A short pause only delays; a long one is a death, and the one that wakes up must not show what is no longer true.
test_fault_pause() {
	start 3
	make_object 1 board 64K
	hold 2 board 2 7
	node_pause 2
	(sleep 1; node_resume 2) &
	said "$("$tool" load "$C/3/board/memory" 0)" 7 "a load while the owner is paused for a second"
	[ "$took" -ge 700 ] || fail "the load did not wait: $took ms"
	within 4000 "a load while the owner is paused for a second"
	wait $! || :
	let_go

	hold 2 board 2 8
	node_pause 2
	said "$("$tool" load "$C/3/board/memory" 0)" SIGBUS "a load while the owner is paused"
	within $BOUND_MS "a load while the owner is paused"
	echo clear >"$C/3/board/control" || fail "clear failed"
	said "$("$tool" store "$C/3/board/memory" 0 9)" ok "a store after clear"
	let_go &
	node_resume 2
	wait $! || :
	eventually 15 not_stale 2 9
	said "$("$tool" load "$C/1/board/memory" 0)" 9 "a load after all"
	said "$("$tool" load "$C/3/board/memory" 0)" 9 "a load after all"
}

# not_stale NODE VALUE: the value, or an error.
not_stale() {
	case $("$tool" load "$C/$1/board/memory" 0) in "$2 "* | [SE]*) ;; *) return 1 ;; esac
}

# More than is queued for a node: what another one has stored while it stands still, and what it has asked for before.
test_fault_slow() {
	start 2 timeout=30
	make_object 1 board 100M
	cat "$C/2/board/memory" >/dev/null # in large requests
	hold 2 board 25600 7
	node_pause 1
	sync "$C/2/board/memory" &
	sleep 2
	node_resume 1
	wait $! || fail "sync gave $?"
	let_go
	for page in 0 10000 25599; do
		said "$("$tool" load "$C/1/board/memory" $((page * 4096)))" 7 "page $page after a pause of its home"
	done
	cmp "$C/1/board/memory" "$C/2/board/memory" || fail "the nodes differ"

	truncate -s 0 "$C/1/board/memory"
	yes | head -c 100M >"$C/1/board/memory"
	hold 2 board 1 -
	node_pause 1
	reading=
	for place in $(seq 0 99); do
		dd if="$C/2/board/memory" of=/dev/null bs=1M count=1 skip="$place" status=none &
		reading="$reading $!"
	done
	sleep 1
	node_pause 2
	node_resume 1
	sleep 2
	node_resume 2
	for pid in $reading; do
		wait "$pid" || fail "a read while its node stands still gave $?"
	done
	let_go
}

log_lines() {
	node_log 1 | wc -l
}

# Nonsense at the port ends that connection, with one line in the log, and nothing else.
test_fault_garbage() {
	start 2
	make_object 1 board 64K
	port=$(node_port 1)
	[ -n "$port" ] || fail "status does not say the port"
	for kind in random length version type early; do
		before=$(log_lines)
		said "$("$tool" garbage 127.0.0.1 "$port" $kind)" closed "garbage: $kind"
		within $BOUND_MS "cutting off garbage: $kind"
		sleep 0.2
		same 1 "$(($(log_lines) - before))" "log lines about garbage: $kind"
		said "$("$tool" store "$C/2/board/memory" 0 5)" ok "a store after garbage"
		said "$("$tool" load "$C/1/board/memory" 0)" 5 "a load after garbage"
	done
	for kind in silent half; do
		said "$("$tool" garbage 127.0.0.1 "$port" $kind)" closed "a peer that says too little: $kind"
		within $((2 * BOUND_MS)) "cutting off a silent peer"
	done
	descriptors=$(ls "/proc/$(node_pid 1)/fd" | wc -l)
	count=0
	while [ $count -lt 100 ]; do
		"$tool" garbage 127.0.0.1 "$port" random >/dev/null
		count=$((count + 1))
	done
	eventually 5 descriptors_at_most 1 $((descriptors + 1))
	said "$("$tool" store "$C/1/board/memory" 0 6)" ok "a store after garbage"
	said "$("$tool" load "$C/2/board/memory" 0)" 6 "a load after garbage"
}

descriptors_at_most() {
	[ "$(ls "/proc/$(node_pid "$1")/fd" | wc -l)" -le "$2" ]
}

# 16 MiB a node: more is refused, on the home and on others, and given back.
test_fault_full() {
	start 2 size=16M
	make_object 1 small 4K
	said "$("$tool" store "$C/2/small/memory" 0 5)" ok "a store"
	for node in 1 2; do
		for way in write store; do
			make_object 1 big 32M
			result=$("$tool" fill "$C/$node/big/memory" 8192 $way)
			case $result in
			"ENOSPC "* | "SIGBUS "*) ;;
			*) fail "filling by $way on node $node gave $result" ;;
			esac
			full=${result#* }
			[ "$full" -ge 3900 ] && [ "$full" -le 4096 ] ||
				fail "full after $full pages by $way on node $node"
			said "$("$tool" load "$C/2/small/memory" 0)" 5 "a load while it is full"
			quiet rm -r "$C/$node/big"
			eventually 5 memory_is_free 1
		done
	done
	make_object 1 big 32M
	same "done 3000" "$("$tool" fill "$C/2/big/memory" 3000 store)" "filling after all was freed"
	said "$("$tool" load "$C/1/big/memory" $((2999 * 4096)))" 6510615555426900570 "a load of what was filled"
}

memory_is_free() {
	[ "$(df -k "$C/$1" | awk 'END { print $3 }')" -le 64 ]
}

# Signals interrupt waiting, not memory.
test_fault_alarm() {
	start 2
	make_object 1 board 64K
	count=5000
	[ -z "$NETMEM_LONG" ] || count=200000
	"$tool" storm "$C/1/board/memory" "$C/2/board/memory" 16 $count
}

daemons_left() {
	for record in "$TEST_DIR"/cluster*/.run/*.pid "$TEST_DIR"/pids/*; do
		[ -f "$record" ] && kill -0 "$(sed 's/ .*//' "$record")" 2>/dev/null && return 0
	done
	return 1
}

# pids_of_cluster: kept where `stop` does not remove them.
keep_pids() {
	mkdir -p "$TEST_DIR/pids"
	for node in 1 2 3; do
		node_pid $node >"$TEST_DIR/pids/$node"
	done
}

# In good order, with programs that still have memory open, after a crash, and with a paused node.
test_stop() {
	for before in nothing open wait crash pause; do
		start 3
		keep_pids
		make_object 1 board 64K
		holder=
		case $before in
		open) hold 2 board 4 7 ;;
		wait)
			rm -r "$C/1/board"
			wait_for_signals
			;;
		crash) node_kill 2 ;;
		pause) node_pause 3 ;;
		esac
		started=$(now_ms)
		"$LOCAL_CLUSTER" stop "$C" || fail "stop after $before gave $?"
		took=$(($(now_ms) - started))
		within 15000 "stop after $before"
		[ -z "$holder" ] || let_go
		daemons_left && fail "a daemon is left after $before"
		[ -z "$(mounts_under "$C")" ] || fail "mounts are left after $before: $(mounts_under "$C")"
		C=
	done
}

pid_is_gone() {
	[ ! -d "/proc/$1" ]
}

# `umount` and SIGTERM each end a daemon by themselves, and the others know at once.
test_umount() {
	start 3
	make_object 1 board 64K
	said "$("$tool" store "$C/2/board/memory" 0 5)" ok "a store"
	pid=$(node_pid 2)
	umount "$C/2" || fail "umount gave $?"
	eventually 5 pid_is_gone "$pid"
	said "$("$tool" load "$C/3/board/memory" 0)" 5 "a load after umount elsewhere"
	within $PROMPT_MS "a load after umount elsewhere"
	pid=$(node_pid 3)
	kill -TERM "$pid"
	eventually 5 pid_is_gone "$pid"
	! mounts_under "$C" | grep -q "/3$" || fail "SIGTERM left the mount"
	said "$("$tool" load "$C/1/board/memory" 0)" 5 "a load after the others have left"
	within $PROMPT_MS "a load after the others have left"
	same 0 "$(value_of lost "$C/1/board/status")" "the lost pages"
}

# one_line STATUS PATTERN OPTION...: netmemfs ends with that status and one line on stderr, and leaves no mount.
one_line() {
	expected=$1 pattern=$2
	shift 2
	ended=0
	"$tool" limit 30 "$NETMEMFS" "$@" >"$TEST_DIR/stdout" 2>"$TEST_DIR/stderr" || ended=$?
	same "$expected" "$ended" "the exit status of netmemfs $*"
	same 1 "$(wc -l <"$TEST_DIR/stderr")" "lines on stderr of netmemfs $*: $(cat "$TEST_DIR/stderr")"
	[ ! -s "$TEST_DIR/stdout" ] || fail "netmemfs $* wrote to stdout"
	grep -qi -- "$pattern" "$TEST_DIR/stderr" || fail "netmemfs $* said: $(cat "$TEST_DIR/stderr")"
}

test_command_line() {
	point=$TEST_DIR/point
	mkdir "$point"
	"$NETMEMFS" --help >"$TEST_DIR/help" 2>&1 || fail "--help gave $?"
	grep -q listen "$TEST_DIR/help" || fail "--help says nothing of listen"
	"$NETMEMFS" --version >"$TEST_DIR/version" 2>&1 || fail "--version gave $?"
	grep -q netmemfs "$TEST_DIR/version" || fail "--version said $(cat "$TEST_DIR/version")"
	for run in '' -f; do
		one_line 1 nonsense $run -o nonsense=1 "$point"
		one_line 1 size $run -o size=lots "$point"
		one_line 1 nothere $run "$TEST_DIR/nothere"
		echo text >"$TEST_DIR/file"
		one_line 1 file $run "$TEST_DIR/file"
		one_line 1 '' $run
		one_line 1 127.0.0.1:1 $run -o node=a,listen=127.0.0.1:0,join=127.0.0.1:1 "$point"
		one_line 1 192.0.2.1 $run -o node=a,listen=192.0.2.1:0 "$point"
		one_line 1 192.0.2.1 $run -o node=a,listen=127.0.0.1:0,join=192.0.2.1:7411 "$point"
		one_line 1 0.0.0.0 $run -o node=a,listen=0.0.0.0:0 "$point"
	done
	[ -z "$(mounts_under "$TEST_DIR")" ] || fail "an error left a mount"
	start 1
	port=$(node_port 1)
	for run in '' -f; do
		one_line 1 "$port" $run -o "node=b,listen=127.0.0.1:$port" "$point"
		one_line 1 'mount' $run -o node=b,listen=127.0.0.1:0 "$C/1"
		one_line 1 node1 $run -o "node=node1,listen=127.0.0.1:0,join=127.0.0.1:$port" "$point"
	done
	make_object 1 board 4K
	end_cluster

	# As a daemon, with nothing configured.
	"$NETMEMFS" "$point" >"$TEST_DIR/stdout" 2>&1 || fail "netmemfs as a daemon gave $?: $(cat "$TEST_DIR/stdout")"
	[ ! -s "$TEST_DIR/stdout" ] || fail "netmemfs as a daemon said: $(cat "$TEST_DIR/stdout")"
	quiet mkdir "$point/board"
	echo hello >"$point/board/memory"
	same hello "$(cat "$point/board/memory")" "the memory of a single node"
	quiet umount "$point"
	mount_by_type
	[ -z "$(ls "$point")" ] || fail "umount left something"
}

# As mount(8) and fstab(5) have it, with the daemon where mount.fuse3 finds it: in a mount name space of its own. There is
# none in a chroot whose / is no mount point.
mount_by_type() {
	if [ ! -x /sbin/mount.fuse3 ] || [ ! -d /usr/local/sbin ] || ! unshare -m true; then
		echo "not tested: mount -t fuse.netmemfs: there is no mount.fuse3, or no mount name space"
		return
	fi
	mkdir "$TEST_DIR/bin"
	cp "$NETMEMFS" "$TEST_DIR/bin/netmemfs"
	unshare -m sh "$here/run" --one mount-by-type
}

test_mount_by_type() {
	mount --make-rprivate / || fail "mounts here cannot be made private"
	mount --bind "$TEST_DIR/bin" /usr/local/sbin
	point=$TEST_DIR/point
	quiet mount -t fuse.netmemfs -o node=alpha,listen=127.0.0.1:0 netmemfs "$point"
	quiet mkdir "$point/board"
	quiet umount "$point"
	echo "netmemfs $point fuse.netmemfs node=alpha,listen=127.0.0.1:0,_netdev,nofail,noauto 0 0" >"$TEST_DIR/fstab"
	quiet mount -T "$TEST_DIR/fstab" "$point"
	quiet mkdir "$point/board"
	quiet umount "$point"
}

# An ordinary user mounts too. Where only root may open /dev/fuse, in a mount name space with one that all may open.
test_user() {
	helper=$(command -v fusermount3 || :)
	[ -n "$helper" ] && [ -u "$helper" ] || skip "there is no fusermount3 that is set-uid root"
	command -v setpriv >/dev/null || skip "there is no setpriv"
	if [ -z "$(find /dev/fuse -perm -0006)" ]; then
		unshare -m true || skip "only root may open /dev/fuse, and there is no mount name space"
		unshare -m sh "$here/run" --one user-privately
	else
		user_mounts
	fi
}

test_user_privately() {
	mount --make-rprivate / || skip "mounts here cannot be made private"
	mknod "$TEST_DIR/fuse" c 10 229
	chmod 666 "$TEST_DIR/fuse"
	mount --bind "$TEST_DIR/fuse" /dev/fuse
	user_mounts
}

user_mounts() {
	point=$TEST_DIR/point
	mkdir "$point"
	chown 65534:65534 "$point"
	chmod 755 "$TEST_DIR" "${TEST_DIR%/*}"
	as_user="setpriv --reuid 65534 --regid 65534 --clear-groups"
	$as_user "$NETMEMFS" -o listen=127.0.0.1:0 "$point" || fail "netmemfs as an ordinary user gave $?"
	$as_user mkdir "$point/board" || fail "mkdir as an ordinary user gave $?"
	same 65534 "$($as_user stat -c %u "$point/board/memory")" "the owner"
	echo hello | $as_user tee "$point/board/memory" >/dev/null || fail "a write as an ordinary user gave $?"
	same hello "$($as_user cat "$point/board/memory")" "the memory"
	if cat "$point/board/memory" 2>/dev/null; then
		fail "root may look into an ordinary user's mount, though nobody said so"
	fi
	# A system that was never booted has no /etc/mtab, and fusermount3 takes nothing away without.
	unmount='fusermount3 -u'
	[ -e /etc/mtab ] || unmount=umount
	$as_user $unmount "$point" || fail "$unmount gave $?"
	eventually 5 nothing_mounted_at "$point"
}

nothing_mounted_at() {
	! grep -qF " $1 " /proc/mounts
}

# cpu_us: microseconds that the three daemons have run; to the tick where the kernel does not know better
cpu_us() {
	for node in 1 2 3; do
		if [ -r /proc/self/schedstat ]; then
			cat "/proc/$(node_pid $node)"/task/*/schedstat | awk '{ print $1 / 1000 }'
		else
			sed 's/.*) //' "/proc/$(node_pid $node)/stat" | awk '{ print ($12 + $13) * 10000 }'
		fi
	done | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

test_idle() {
	start 3
	make_object 1 board 64K
	hold 2 board 8 7
	said "$("$tool" load "$C/3/board/memory" 0)" 7 "a load"
	sleep 0.5
	before=$(cpu_us)
	sleep 3
	used=$(($(cpu_us) - before))
	let_go
	echo "three idle nodes used $used us of CPU in 3 s"
	[ $used -le $((30000 * NETMEM_SLOW)) ] || fail "three idle nodes used $used us of CPU in 3 s"
}

# Sum over the nodes: KiB of memory and open descriptors.
daemons_memory() {
	echo $(($(node_field 1 VmRSS) + $(node_field 2 VmRSS) + $(node_field 3 VmRSS)))
}

daemons_descriptors() {
	for node in 1 2 3; do
		ls "/proc/$(node_pid $node)/fd"
	done | wc -l
}

test_churn() {
	start 3
	rounds=2000
	[ -z "$NETMEM_LONG" ] || rounds=100000
	"$NETMEM_TESTS/lifetime" churn 500 "$C/1" "$C/2" "$C/3"
	sleep 0.5
	memory=$(daemons_memory)
	descriptors=$(daemons_descriptors)
	"$NETMEM_TESTS/lifetime" churn $rounds "$C/1" "$C/2" "$C/3"
	sleep 0.5
	grown=$(($(daemons_memory) - memory))
	echo "$rounds rounds: $grown KiB more than $memory, $(daemons_descriptors) descriptors, were $descriptors"
	[ $grown -le 1024 ] || fail "the daemons grew by $grown KiB in $rounds rounds"
	[ "$(daemons_descriptors)" -le "$descriptors" ] || fail "descriptors: $(daemons_descriptors), were $descriptors"
	same "" "$(ls "$C/1")" "what is left"
	for node in 1 2 3; do
		same 0 "$(value_of objects "$C/$node/.netmem/status")" "objects on node $node"
	done
}
