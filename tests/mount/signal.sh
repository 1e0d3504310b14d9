# signal.sh: signals between nodes, objects with an owner, access lists.

# signal_cases PROGRAM CASE...: each with the home of the object on one node and on another
signal_cases() {
	program=$1
	shift
	for case in "$@"; do
		echo "+ $program $case"
		"$NETMEM_TESTS/$program" "$case" "$C/1" "$C/2" "$C/3"
		eventually 10 no_name board
		"$NETMEM_TESTS/$program" "$case" "$C/3" "$C/1" "$C/2"
		eventually 10 no_name board
	done
}

no_name() {
	[ ! -e "$C/1/$1" ] && [ ! -e "$C/2/$1" ] && [ ! -e "$C/3/$1" ]
}

test_signal_counts() {
	start 3
	signal_cases signal counts owner texts
}

test_signal_waits() {
	start 3
	signal_cases signal waits polls epoll
}

test_owner() {
	start 3
	signal_cases owner life descriptors size control
}

test_access() {
	start 3
	chmod 755 "$TEST_DIR" "${TEST_DIR%/*}" # for ordinary users
	signal_cases owner access lists users
}

# pending FD: reads what is pending there, and says how many
pending() {
	dd bs=100 count=1 2>/dev/null <&"$1" | wc -c
}

# All of it without a program of our own.
test_signal_shell() {
	start 3
	A=$C/1 B=$C/2 D=$C/3
	make_object 1 bell 64K
	same 666 "$(stat -c %a "$B/bell/signal")" "the mode of signal"
	exec 3<"$B/bell/signal" 4<"$D/bell/signal"
	(read -r line <&3) &
	reader=$!
	sleep 0.3
	kill -0 $reader 2>/dev/null || fail "read did not wait for a signal"
	echo >"$A/bell/signal" || fail "a signal could not be sent"
	wait $reader || fail "read gave $?"
	same 1 "$(pending 4)" "the signal on node 3"
	for text in '' all ' all ' 'all once' 'users once' users; do
		echo "$text" >"$D/bell/signal" || fail "'$text' could not be sent"
	done
	stat "$B/bell/memory" >/dev/null || fail "stat failed"
	same 4 "$(pending 3)" "the signals on node 2"
	same 4 "$(pending 4)" "the signals on node 3"
	refused '' dd of="$A/bell/signal" bs=100 if="$A/.netmem/version"
	same 7 "$(value_of signals "$B/bell/status")" "the signals in status"
	case $(value_of byte-order "$B/bell/status") in little | big) ;; *) fail "status has no byte order" ;; esac
	same none "$(value_of owner "$B/bell/status")" "the owner in status"
	same all "$(value_of access "$B/bell/status")" "the access in status"

	exec 5<>"$A/bell/signal"
	echo own >&5 || fail "own failed"
	same node1 "$(value_of owner "$B/bell/status")" "the owner in status"
	echo owner >"$D/bell/signal" || fail "a signal to the owner could not be sent"
	same 1 "$(pending 5)" "the owner's signals"
	echo >&5 || fail "the owner's signal could not be sent"
	same 1 "$(pending 3)" "the owner's signal on node 2"
	refused 'not permitted' truncate -s 0 "$A/bell/memory"
	refused 'not permitted' chmod 600 "$B/bell"
	(echo revert on >"$B/bell/control") 2>/dev/null && fail "another node could control an owned object"
	echo access 2=400 3=600 >"$A/bell/control" || fail "access failed"
	same '2=400 3=600' "$(value_of access "$B/bell/status")" "the access in status"
	same 400 "$(stat -c %a "$B/bell/memory")" "the mode on node 2"
	same 600 "$(stat -c %a "$D/bell/memory")" "the mode on node 3"
	said "$("$tool" write "$D/bell/memory" 0 5)" ok "a write on node 3"
	said "$("$tool" read "$B/bell/memory" 0)" 5 "a read on node 2"
	said "$("$tool" write "$B/bell/memory" 0 6)" EACCES "a write on node 2"
	said "$("$tool" read "$A/bell/memory" 0)" EPERM "a read on node 1"
	echo access all >"$A/bell/control" || fail "access all failed"
	said "$("$tool" read "$A/bell/memory" 0)" 5 "a read on node 1"
	exec 5>&-
	eventually 10 no_name bell
	(read -r line <&3) && fail "there is a signal after the end"
	exec 3<&- 4<&-
}

# watch NODE...: programs in the background that wait for the end of the object on these nodes; their ids go to $watchers
watch() {
	watchers=
	for node in "$@"; do
		: >"$TEST_DIR/watch$node"
		"$tool" cut "$C/$node/board" >"$TEST_DIR/watch$node" &
		watchers="$watchers $!"
		eventually 10 grep -q held "$TEST_DIR/watch$node"
	done
}

own() {
	: >"$TEST_DIR/owner"
	"$tool" own "$C/$1/board" >"$TEST_DIR/owner" &
	holder=$!
	eventually 10 grep -q held "$TEST_DIR/owner"
}

# They see the end, and that loads fail, within the bound.
expect_cut() {
	started=$(now_ms)
	for watcher in $watchers; do
		wait "$watcher" || fail "a program that watches ended with $?"
	done
	took=$(($(now_ms) - started))
	within $BOUND_MS "noticing the end"
}

test_owner_node() {
	start 3
	make_object 1 board 64K
	own 2
	watch 1 3
	node_kill 2
	expect_cut
	eventually 10 [ ! -e "$C/1/board" ]
	eventually 10 [ ! -e "$C/3/board" ]
	let_go
	make_object 3 board 4K
	[ -d "$C/1/board" ] || fail "the cluster does not go on"
}

test_owner_home() {
	start 3
	make_object 2 board 64K
	own 3
	watch 1 3
	node_kill 2
	expect_cut
	let_go
	quiet rmdir "$C/1/board"
}

# What is cut stays cut when the home comes back, and what is opened then works.
test_signal_pause() {
	start 3
	make_object 2 board 64K
	exec 3<>"$C/1/board/signal"
	watch 1 3
	node_pause 2
	expect_cut
	(echo >&3) 2>/dev/null && fail "a signal to a lost home could be sent"
	node_resume 2
	for node in 1 3; do
		eventually 30 "$tool" signal "$C/$node/board"
	done
	(echo >&3) 2>/dev/null && fail "a cut end works again"
	exec 3>&- 4<"$C/3/board/signal"
	echo >"$C/1/board/signal" || fail "a signal could not be sent after the pause"
	same 1 "$(pending 4)" "the signals after the pause"
	exec 4<&-
}

# Programs in the background that wait on each node, by read() and by poll().
wait_for_signals() {
	: >"$TEST_DIR/held"
	"$NETMEM_TESTS/signal" hold "$C/1" "$C/2" "$C/3" >"$TEST_DIR/held" &
	holder=$!
	eventually 10 grep -q held "$TEST_DIR/held"
}

# Programs that wait cost nothing.
test_signal_idle() {
	start 3
	wait_for_signals
	sleep 0.5
	before=$(cpu_us)
	sleep 3
	used=$(($(cpu_us) - before))
	let_go
	echo "three nodes with programs that wait used $used us of CPU in 3 s"
	[ $used -le $((30000 * NETMEM_SLOW)) ] || fail "three nodes with programs that wait used $used us of CPU in 3 s"
}
