# shell.sh: what the shell's commands do with objects, seen from all nodes.

test_shell_objects() {
	start 3
	A=$C/1 B=$C/2
	quiet mkdir "$A/board"
	[ -d "$B/board" ] || fail "an object made on one node is not there on another"
	refused exists mkdir "$B/board"
	same memory "$(ls -A "$B/board")" "the files of an object"
	same 0 "$(stat -c %s "$B/board/memory")" "the size after mkdir"

	quiet rm -r "$A/board"
	[ ! -e "$B/board" ] || fail "rm -r on one node left the object on another"
	for command in 'rm -r' 'rm -rf' rmdir 'find_delete'; do
		quiet mkdir "$A/board"
		echo text >"$A/board/memory"
		case $command in
		find_delete) quiet find "$B/board" -delete ;;
		*) quiet $command "$B/board" ;;
		esac
		for node in 1 2 3; do
			[ ! -e "$C/$node/board" ] || fail "$command left the object on node $node"
			[ -z "$(ls "$C/$node")" ] || fail "$command left the name on node $node"
		done
	done
	quiet rm -rf "$A/none"
	refused 'No such file' rmdir "$A/none"
	refused 'No such file' rm -r "$A/none"

	quiet mkdir "$A/board"
	for name in control signal status; do
		refused 'not permitted' rm -f "$A/board/$name"
		[ -e "$B/board/$name" ] || fail "$name is gone"
	done
	echo text >"$A/board/memory"
	quiet mv "$A/board" "$A/moved"
	[ ! -e "$B/board" ] || fail "the old name is still there after mv"
	same text "$(cat "$B/moved/memory")" "the memory after mv"
	quiet mkdir "$B/other"
	echo other >"$B/other/memory"
	out=$("$tool" rename "$C/3/moved" "$C/3/other")
	case $out in EEXIST* | ENOTEMPTY*) ;; *) fail "rename to a name that exists: $out" ;; esac
	if mv "$A/moved" "$A/other" 2>/dev/null; then
		fail "mv into an object succeeded"
	fi
	if mv "$A/moved/memory" "$A/memory" 2>/dev/null; then
		fail "mv of an object's memory out of it succeeded"
	fi
	same text "$(cat "$B/moved/memory")" "the memory after a refused mv"
	same other "$(cat "$B/other/memory")" "the other's memory after a refused mv"
	refused 'not permitted' mkdir "$A/moved/sub"
	refused 'not permitted' touch "$A/file"
	refused '' ln -s moved "$A/link"
	refused '' ln "$A/moved/memory" "$A/moved/link"
	quiet mkdir -m 700 "$A/private"
	same 700 "$(stat -c %a "$B/private")" "the mode of mkdir -m"
	quiet find "$B" -mindepth 1 -maxdepth 1 ! -name .netmem -exec rm -r {} +
	[ -z "$(ls "$A")" ] || fail "find and rm -r left $(ls "$A")"
}

test_shell_files() {
	start 3
	A=$C/1 B=$C/2
	quiet mkdir "$A/board"
	quiet truncate -s 64M "$A/board/memory"
	for node in 1 2 3; do
		same 67108864 "$(stat -c %s "$C/$node/board/memory")" "the size on node $node"
	done
	printf hello | dd of="$B/board/memory" conv=notrunc 2>/dev/null
	same hello "$(head -c 5 "$A/board/memory")" "what dd wrote"
	printf 'last!' | dd of="$B/board/memory" conv=notrunc bs=1 seek=67108859 2>/dev/null
	same 'last!' "$(tail -c 5 "$C/3/board/memory")" "the last bytes"
	same 67108864 "$(wc -c <"$C/3/board/memory")" "wc -c"

	quiet truncate -s 10000 "$B/board/memory"
	same 10000 "$(stat -c %s "$A/board/memory")" "the size after truncate down"
	quiet truncate -s 3 "$A/board/memory"
	same hel "$(cat "$B/board/memory")" "what is left after truncate down"
	quiet truncate -s 4100 "$B/board/memory"
	same hel "$(tr -d '\0' <"$A/board/memory")" "what truncate up shows"
	same 4100 "$(wc -c <"$A/board/memory")" "the size after truncate up"

	echo one >"$A/board/memory"
	same one "$(cat "$B/board/memory")" "what > wrote"
	echo two >>"$B/board/memory"
	same "one two" "$(tr '\n' ' ' <"$A/board/memory" | sed 's/ $//')" "what >> wrote"
	echo three >>"$A/board/memory"
	echo four >>"$C/3/board/memory"
	same 'one two three four' "$(tr '\n' ' ' <"$B/board/memory" | sed 's/ $//')" "what >> wrote on three nodes"
	same 19 "$(stat -c %s "$B/board/memory")" "the size after >>"
	same three "$(sed -n 3p "$C/3/board/memory")" "sed"
	same 1 "$(grep -c two "$C/3/board/memory")" "grep"
	quiet cmp "$A/board/memory" "$B/board/memory"

	# One that keeps the file open while it grows elsewhere.
	exec 4<"$A/board/memory"
	same 'one two three four' "$(tr '\n' ' ' <&4 | sed 's/ $//')" "read through a held descriptor"
	echo five >>"$B/board/memory"
	same five "$(cat <&4)" "read on through a held descriptor"
	exec 4<&-
	: >"$B/board/memory"
	same 0 "$(stat -c %s "$A/board/memory")" "the size after : >"
	quiet rm -r "$A/board"
}

# stat_all NAME: on every node the same.
stat_all() {
	for file in "$1" "$1/memory" "$1/control" "$1/signal" "$1/status"; do
		first=
		for node in 1 2 3; do
			seen=$(stat -c '%f %h %u %g %s %i %Y' "$C/$node/$file")
			# The text of `status` tells of this moment.
			[ "${file##*/}" != status ] || seen=$(stat -c '%f %h %u %g %i' "$C/$node/$file")
			same "${first:=$seen}" "$seen" "stat of $file on node $node"
		done
	done
}

test_shell_attributes() {
	start 3
	A=$C/1 B=$C/2
	quiet mkdir "$A/board"
	stat_all board
	same directory "$(stat -c %F "$B/board")" "the type of an object"
	same 'regular empty file' "$(stat -c %F "$B/board/memory")" "the type of its memory"
	quiet chmod 600 "$B/board/memory"
	stat_all board
	same 600 "$(stat -c %a "$A/board/memory")" "the mode after chmod"
	quiet chmod 750 "$A/board"
	stat_all board
	same 750 "$(stat -c %a "$B/board")" "the object's mode after chmod"
	quiet chown -R 1234:2345 "$A/board"
	stat_all board
	same 1234:2345 "$(stat -c %u:%g "$C/3/board/memory")" "the owner after chown"
	quiet touch -m -d '2020-02-03 04:05:06' "$B/board/memory"
	stat_all board
	same 2020-02-03 "$(stat -c %y "$A/board/memory" | cut -c 1-10)" "the time after touch"
	before=$(date +%s)
	echo text >"$C/3/board/memory"
	stat_all board
	[ "$(stat -c %Y "$A/board/memory")" -ge "$((before - 1))" ] || fail "a write does not change the time"
	ls -la "$A" "$A/board" >"$TEST_DIR/listing" || fail "ls -la failed"
	grep -q 1234 "$TEST_DIR/listing" || fail "ls -l does not show the owner"

	# 1 MiB of memory is 1 MiB in df and du, a hole is none.
	used=$(df -k "$A" | awk 'END { print $3 }')
	quiet truncate -s 100M "$A/board/memory"
	dd if=/dev/zero of="$A/board/memory" bs=1024k count=1 conv=notrunc 2>/dev/null
	grown=$(($(df -k "$A" | awk 'END { print $3 }') - used))
	[ $grown -ge 1000 ] && [ $grown -le 1100 ] || fail "df grew by $grown KiB for 1 MiB"
	for node in 1 2 3; do
		disk=$(du -sk "$C/$node/board" | cut -f 1)
		[ "$disk" -ge 1000 ] && [ "$disk" -le 1100 ] || fail "du says $disk KiB for 1 MiB on node $node"
	done
	du -s "$A" >/dev/null || fail "du of the mount failed"
	quiet rm -r "$A/board"
	[ "$(df -k "$A" | awk 'END { print $3 }')" -le "$used" ] || fail "df does not show that it is free"
}

test_shell_names() {
	start 2
	A=$C/1 B=$C/2
	long=$(printf '%0255d' 7)
	newline='a
b'
	for name in 'with space' "$newline" "$long" -dash 'gl*b[x]?' "q'\"uote" 'back\slash' ... ' ' ü; do
		quiet mkdir -- "$A/$name"
		[ -d "$B/$name" ] || fail "'$name' is not there on another node"
		refused exists mkdir -- "$B/$name"
		echo text >"$B/$name/memory"
		same text "$(cat -- "$A/$name/memory")" "the memory of '$name'"
	done
	same 10 "$(find "$B" -mindepth 1 -maxdepth 1 ! -name .netmem -print0 | tr -cd '\0' | wc -c)" "find"
	for name in 'with space' "$newline" "$long" -dash 'gl*b[x]?' "q'\"uote" 'back\slash' ... ' ' ü; do
		quiet rm -r -- "$B/$name"
		[ ! -e "$A/$name" ] || fail "'$name' is still there"
	done
	refused 'too long' mkdir "$A/${long}8"
	refused 'too long' stat "$A/${long}8"
	quiet mkdir "$A/x"
	refused 'too long' mv "$A/x" "$A/${long}8"
	refused exists mkdir "$A/.netmem"
	if rmdir "$A/.netmem" 2>/dev/null || mv "$A/x" "$A/.netmem" 2>/dev/null; then
		fail ".netmem could be changed"
	fi
	# More names than fit into one answer.
	count=0
	while [ $count -lt 300 ]; do
		mkdir "$C/$((count % 2 + 1))/$(printf 'many-%0100d' $count)"
		count=$((count + 1))
	done
	same 300 "$(ls "$B" | grep -c many-)" "the names listed"
	find "$A" -name 'many-*' -type d >"$TEST_DIR/found" || fail "find failed"
	same 300 "$(wc -l <"$TEST_DIR/found")" "the names found"
	quiet find "$B" -mindepth 1 -maxdepth 1 -name 'many-*' -exec rm -r {} +
	same x "$(ls "$A")" "what rm -r of them all left"
}

test_shell_info() {
	start 3
	names=
	for node in 1 2 3; do
		info=$C/$node/.netmem
		for file in nodes status metrics version; do
			[ -s "$info/$file" ] || [ -n "$(cat "$info/$file")" ] || fail "$file is empty on node $node"
			if (echo x >"$info/$file") 2>/dev/null || rm -f "$info/$file" 2>/dev/null; then
				fail "$file could be changed"
			fi
		done
		name=$(value_of node "$info/status")
		[ -n "$name" ] || fail "status of node $node has no name"
		names="$names $name"
		same '# EOF' "$(tail -n 1 "$info/metrics")" "the end of metrics"
		for other in 1 2 3; do
			grep -q "$(value_of node "$C/$other/.netmem/status")" "$info/nodes" ||
				fail "node $node does not list $other"
		done
	done
	same 3 "$(printf '%s\n' $names | sort -u | wc -l)" "different names"
	quiet mkdir "$C/1/board"
	quiet truncate -s 12345 "$C/2/board/memory"
	for key in id home size holders faults hand-offs bytes; do
		[ -n "$(value_of $key "$C/3/board/status")" ] || [ $key = holders ] || fail "status has no $key"
	done
	same 12345 "$(value_of size "$C/3/board/status")" "the size in status"
	same "$(value_of node "$C/1/.netmem/status")" "$(value_of home "$C/3/board/status")" "the home in status"
	if (echo x >"$C/1/board/status") 2>/dev/null; then
		fail "status of an object could be written"
	fi
	if (echo nonsense >"$C/1/board/control") 2>/dev/null; then
		fail "control took nonsense"
	fi
	echo destroy >"$C/2/board/control" || fail "destroy failed"
	[ ! -e "$C/3/board" ] || fail "destroy left the name"
}

# requests_sum: what the kernels of two nodes have asked for, and were asked
requests_sum() {
	cat "$C/1/.netmem/status" "$C/2/.netmem/status" | awk '/^(requests|invalidations):/ { n += $2 } END { print n }'
}

test_shell_sparse() {
	start 2
	quiet mkdir "$C/1/warm"
	quiet truncate -s 1M "$C/1/warm/memory"
	said "$("$tool" store "$C/2/warm/memory" 0 1)" ok "a store"
	before=$(($(node_field 1 VmRSS) + $(node_field 2 VmRSS)))
	quiet mkdir "$C/1/huge"
	quiet truncate -s 1T "$C/2/huge/memory"
	same 1099511627776 "$(stat -c %s "$C/1/huge/memory")" "the size"
	last=$((1099511627776 - 8))
	said "$("$tool" store "$C/2/huge/memory" $last 4711)" ok "a store to the last word"
	said "$("$tool" load "$C/1/huge/memory" $last)" 4711 "a load of the last word"
	said "$("$tool" load "$C/1/huge/memory" 549755813888)" 0 "a load in the middle"
	disk=$(du -k "$C/1/huge/memory" | cut -f 1)
	[ "$disk" -le 16 ] || fail "du says $disk KiB"
	same 1099511627776 "$(value_of size "$C/2/huge/status")" "the size in status"
	asked=$(requests_sum)
	quiet truncate -s 0 "$C/1/huge/memory"
	said "$("$tool" load "$C/2/huge/memory" $last)" SIGBUS "a load past the end"
	quiet truncate -s 1T "$C/1/huge/memory"
	said "$("$tool" load "$C/2/huge/memory" $last)" 0 "a load after truncate down and up"
	quiet rm -r "$C/2/huge"
	asked=$(($(requests_sum) - asked))
	echo "$asked requests for truncating and removing 1 TiB"
	[ $asked -le 10000 ] || fail "truncating and removing 1 TiB of 268435456 pages took $asked requests"
	grown=$(($(node_field 1 VmRSS) + $(node_field 2 VmRSS) - before))
	# A few buffers of one message each are no more than that.
	[ $grown -le 8192 ] || fail "the daemons grew by $grown KiB for 1 TiB of nothing"
}

test_shell_copy() {
	megabytes=64
	[ -z "$NETMEM_LONG" ] || megabytes=1024
	start 3 "size=$((megabytes * 2 + 64))M"
	source=$TEST_DIR/source
	dd if=/dev/urandom of="$source" bs=1024k count=$megabytes 2>/dev/null
	quiet mkdir "$C/1/big"
	quiet cp "$source" "$C/2/big/memory"
	for node in 1 2 3; do
		quiet cmp "$source" "$C/$node/big/memory"
	done
	quiet cp "$C/3/big/memory" "$TEST_DIR/copy"
	quiet cmp "$source" "$TEST_DIR/copy"
	rm "$TEST_DIR/copy"
	quiet mkdir "$C/3/second"
	dd if="$C/1/big/memory" of="$C/2/second/memory" bs=300001 2>/dev/null || fail "dd from object to object failed"
	quiet cmp "$source" "$C/1/second/memory"
	rm "$source"
	quiet rm -r "$C/1/big" "$C/2/second"
	same "" "$(ls "$C/3")" "what rm -r left"
}

# messages_out: sent by all nodes so far.
messages_out() {
	sed -n 's/^messages-out: //p' "$C"/[123]/.netmem/status | awk '{ sum += $1 } END { print sum }'
}

# What nobody changes is known: it costs no message.
test_known() {
	start 3
	for number in $(seq 1000); do
		mkdir "$C/1/object$number" || fail "mkdir of object $number"
	done
	quiet truncate -s 8192 "$C/1/object1/memory"
	for node in 1 2 3; do
		ls -l "$C/$node" "$C/$node/object1" >"$TEST_DIR/list$node" || fail "ls on node $node"
		quiet cmp -n 8192 "$C/$node/object1/memory" /dev/zero
	done
	before=$(messages_out)
	for node in 1 2 3; do
		ls -l "$C/$node" "$C/$node/object1" | sed "s,$C/$node,$C/1," >"$TEST_DIR/again" || fail "ls on node $node"
		sed "s,$C/$node,$C/1," "$TEST_DIR/list$node" | cmp - "$TEST_DIR/again" || fail "another list on node $node"
		same 8192 "$(stat -c %s "$C/$node/object1/memory")" "the size on node $node"
		: <"$C/$node/object1/memory"
	done
	same "$before" "$(messages_out)" "messages, after listing, stat and opening what is known"
	quiet chmod 640 "$C/3/object1/memory"
	for node in 1 2 3; do
		same 640 "$(stat -c %a "$C/$node/object1/memory")" "the mode on node $node after chmod on node 3"
	done
}

# A write that finds no room leaves the size alone.
test_grow_full() {
	start 2 size=16M
	for node in 1 2; do
		make_object 1 full 0
		dd if=/dev/zero bs=1000 count=17000 oflag=append conv=notrunc of="$C/$node/full/memory" 2>"$TEST_DIR/dd" &&
			fail "17 MB fit into 16 MiB"
		written=$(sed -n 's/^\([0-9]*\) bytes.*/\1/p' "$TEST_DIR/dd")
		[ "${written:-0}" -gt 16000000 ] || fail "full after ${written:-nothing}"
		for other in 1 2; do
			same "$written" "$(stat -c %s "$C/$other/full/memory")" "the size on node $other when it was full"
		done
		dd if=/dev/zero bs=10 count=1 seek=2000000 conv=notrunc of="$C/$node/full/memory" 2>/dev/null &&
			fail "a write past the end fits into a full node"
		same "$written" "$(stat -c %s "$C/$node/full/memory")" "the size after a failed write past the end"
		quiet rm -r "$C/1/full"
	done
}
