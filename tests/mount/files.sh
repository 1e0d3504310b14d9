# files.sh: the files in an object, as programs expect them. What is done through one node is looked at through all.
# With --plain the same on one tmpfs, but for what only netmemfs has.

plain() {
	[ "$NETMEM_MODE" = plain ]
}

# has PROGRAM: or says that it cannot be tested.
has() {
	command -v "$1" >/dev/null || { echo "not tested: $1 is not installed"; return 1; }
}

# make_empty NODE NAME: an object with its memory.
make_empty() {
	quiet mkdir "$C/$1/$2"
	! plain || : >"$C/$1/$2/memory"
}

# holds FILE PATH WHAT: all nodes show the bytes of FILE.
holds() {
	for at in 1 2 3; do
		cmp "$1" "$C/$at/$2" || fail "$3: node $at does not show what it should"
	done
}

# says TEXT PATH WHAT: the same for a line.
says() {
	for at in 1 2 3; do
		same "$1" "$(cat "$C/$at/$2")" "$3, on node $at"
	done
}

# in_a_row: lines as words, sorted.
in_a_row() {
	LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'
}

# listed NAMES OBJECT WHAT: on all nodes these files and no other.
listed() {
	for at in 1 2 3; do
		same "$1" "$(ls -A "$C/$at/$2" | in_a_row)" "$3: the files on node $at"
	done
}

# gone PATH WHAT
gone() {
	for at in 1 2 3; do
		[ ! -e "$C/$at/$1" ] || fail "$2: $1 is still there on node $at"
	done
}

# refused_once COMMAND ...: fails with one line.
refused_once() {
	if output=$("$@" 2>&1); then
		fail "$* succeeded"
	fi
	[ "$(echo "$output" | wc -l)" = 1 ] && [ -n "$output" ] || fail "$* said: $output"
}

# created EXPECTED PATH WHAT: by open(2) with O_CREAT and O_EXCL; noclobber of shells looks before it opens.
created() {
	same "$1" "$("$NETMEM_TESTS/segments" create "$2")" "$3"
}

# --- files that are replaced ------------------------------------------------------------------------------------------

# Old and new text, of several pages; the new one also in the plain directory `d`.
texts() {
	mkdir "$TEST_DIR/d"
	seq 1 4000 >"$TEST_DIR/old"
	seq 2000 5000 >"$TEST_DIR/d/memory"
	new=$TEST_DIR/d/memory
}

# The object `rp` with the old text, known to all nodes. Its inode number goes to $object.
old() {
	quiet mkdir "$C/1/rp"
	quiet cp "$TEST_DIR/old" "$C/1/rp/memory"
	holds "$TEST_DIR/old" rp/memory "the old text"
	object=$(stat -c %i "$C/1/rp")
}

# is_new FILE WHAT: `rp` holds the bytes of FILE in `memory`, is the object that old() made, if it did, and ends here.
is_new() {
	holds "$1" rp/memory "$2"
	listed memory rp "$2"
	object=${object:-$(stat -c %i "$C/1/rp")}
	for at in 1 2 3; do
		same "$object" "$(stat -c %i "$C/$at/rp")" "$2: the object on node $at"
	done
	quiet rm -r "$C/3/rp"
	gone rp "rm -r"
	object=
}

# replaces COMMAND ...: it succeeds in silence and leaves the new text.
replaces() {
	echo "+ $*"
	quiet "$@"
	is_new "$new" "$*"
}

# edits COMMAND ...: what it makes of a plain file with the old text is what it makes of `memory`.
edits() {
	echo "+ $*"
	cp "$TEST_DIR/old" "$TEST_DIR/edited"
	old
	quiet "$@" "$TEST_DIR/edited"
	quiet "$@" "$C/2/rp/memory"
	is_new "$TEST_DIR/edited" "$*"
}

sort_in_place() {
	sort -r -o "$1" "$1"
}

replace_by_tar() {
	tar cf "$TEST_DIR/t" -C "$TEST_DIR" --transform s/^d/rp/ d || cannot "tar gave $?"
	old
	replaces tar xf "$TEST_DIR/t" -C "$C/2"
	replaces tar xf "$TEST_DIR/t" -C "$C/2"
	old
	replaces tar xf "$TEST_DIR/t" -C "$C/2" --overwrite
	# The archive of an object, over the object and after it was removed.
	old
	cp "$new" "$C/3/rp/memory"
	quiet tar cf "$TEST_DIR/t" -C "$C/1" rp
	cp "$TEST_DIR/old" "$C/1/rp/memory"
	replaces tar xf "$TEST_DIR/t" -C "$C/2"
	replaces tar xf "$TEST_DIR/t" -C "$C/1"
}

replace_by_rsync() {
	has rsync || return 0
	old
	replaces rsync -a "$TEST_DIR/d/" "$C/2/rp/"
	replaces rsync -a "$TEST_DIR/d/" "$C/2/rp/"
	old
	replaces rsync -a --inplace "$TEST_DIR/d/" "$C/2/rp/"
	old
	quiet rsync -a "$C/2/rp/" "$TEST_DIR/out/"
	same memory "$(ls -A "$TEST_DIR/out")" "what rsync takes out of an object"
	quiet cmp "$TEST_DIR/old" "$TEST_DIR/out/memory"
	quiet rm -r "$C/1/rp"
}

replace_by_java() {
	has java || return 0
	cat >"$TEST_DIR/Replace.java" <<'JAVA'
import java.nio.file.*;
public class Replace {
	public static void main(String[] path) throws Exception {
		Files.copy(Path.of(path[0]), Path.of(path[1]), StandardCopyOption.REPLACE_EXISTING);
	}
}
JAVA
	if ! java "$TEST_DIR/Replace.java" "$new" "$TEST_DIR/java" 2>/dev/null; then
		echo "not tested: this java cannot run a source file"
		return 0
	fi
	old
	echo "+ java Files.copy"
	java "$TEST_DIR/Replace.java" "$new" "$C/2/rp/memory" || fail "Files.copy of java gave $?"
	is_new "$new" "Files.copy of java"
}

test_files_replace() {
	start 3
	texts
	old
	replaces cp "$new" "$C/2/rp/memory"
	old
	replaces cp --remove-destination "$new" "$C/2/rp/memory"
	old
	quiet install -m 750 "$new" "$C/2/rp/memory"
	same 750 "$(stat -c %a "$C/3/rp/memory")" "the mode that install gave"
	replaces install -m 644 "$new" "$C/3/rp/memory"
	old
	cp "$new" "$TEST_DIR/moved"
	replaces mv "$TEST_DIR/moved" "$C/2/rp/memory"
	replace_by_tar
	replace_by_rsync
	replace_by_java
	edits sed -i s/99/xx/
	! has perl || edits perl -pi -e s/99/xx/
	if has patch; then
		printf -- '--- a\n+++ a\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n' >"$TEST_DIR/patch"
		edits patch -s -i "$TEST_DIR/patch"
	fi
	edits sort_in_place
}

# Directories and files from place to place.
test_files_move() {
	start 3
	texts
	replaces cp -r "$TEST_DIR/d" "$C/2/rp"
	touch -d '2020-02-03 04:05:06' "$new"
	chmod 640 "$new"
	quiet cp -a "$TEST_DIR/d" "$C/2/rp"
	for node in 1 2 3; do
		same "640 $(stat -c %Y "$new")" "$(stat -c '%a %Y' "$C/$node/rp/memory")" "mode and time after cp -a"
	done
	is_new "$new" "cp -a"

	# From object to object, with further files.
	make_empty 1 from
	cp "$new" "$C/1/from/memory"
	cp "$TEST_DIR/old" "$C/2/from/app.db"
	for pair in '2 2' '2 1' '1 3'; do
		quiet cp -r "$C/${pair% *}/from" "$C/${pair#* }/rp"
		listed 'app.db memory' rp "cp -r from node ${pair% *} to node ${pair#* }"
		holds "$TEST_DIR/old" rp/app.db "cp -r"
		quiet rm "$C/2/rp/app.db"
		is_new "$new" "cp -r from node ${pair% *} to node ${pair#* }"
	done
	quiet cp -r "$C/3/from" "$TEST_DIR/out"
	same 'app.db memory' "$(ls -A "$TEST_DIR/out" | in_a_row)" "cp -r out of an object"
	quiet cmp "$TEST_DIR/old" "$TEST_DIR/out/app.db"
	quiet rm "$C/3/from/app.db"

	# On one mount, and from one to another.
	for node in 2 3; do
		old
		quiet mv "$C/2/from/memory" "$C/$node/rp/memory"
		listed '' from "mv A/memory B/memory"
		is_new "$new" "mv A/memory B/memory"
		cp "$new" "$C/1/from/memory"
	done
	quiet rm -r "$C/1/from"

	if has gzip; then
		old
		cp "$new" "$C/1/rp/text"
		quiet gzip "$C/2/rp/text"
		listed 'memory text.gz' rp gzip
		quiet gzip -t "$C/3/rp/text.gz"
		quiet gunzip "$C/1/rp/text.gz"
		listed 'memory text' rp gunzip
		holds "$new" rp/text gunzip
		quiet gzip -f "$C/3/rp/memory"
		listed 'memory.gz text' rp 'gzip of memory'
		quiet gunzip "$C/2/rp/memory.gz"
		holds "$TEST_DIR/old" rp/memory 'gunzip of memory'
		quiet rm -r "$C/1/rp"
	fi
}

# --- names ------------------------------------------------------------------------------------------------------------

test_files_names() {
	start 3
	make_empty 1 board
	listed memory board mkdir
	for node in 1 2 3; do
		echo "from $node" >"$C/$node/board/app-$node.db" || fail "a file could not be made on node $node"
		says "from $node" "board/app-$node.db" "a file that was just made"
	done
	listed 'app-1.db app-2.db app-3.db memory' board 'files made on three nodes'
	if (set -C; echo other >"$C/2/board/app-1.db") 2>/dev/null; then
		fail "a file that exists could be made"
	fi
	says 'from 1' board/app-1.db "what could not be made again"
	quiet mv "$C/3/board/app-1.db" "$C/3/board/moved.db"
	gone board/app-1.db mv
	says 'from 1' board/moved.db mv
	said "$("$tool" rename "$C/1/board/app-1.db" "$C/1/board/x")" ENOENT "rename of a name that is gone"

	long=$(printf '%0255d' 7)
	for name in 'with space' "$long" -dash 'gl*b[x]?' "q'\"uote" 'back\slash' ... ü; do
		echo text >"$C/1/board/$name" || fail "'$name' could not be made"
		says text "board/$name" "the file '$name'"
		created EEXIST "$C/2/board/$name" "'$name' again"
		quiet rm -- "$C/3/board/$name"
		gone "board/$name" rm
	done
	created ENAMETOOLONG "$C/1/board/${long}8" "a name of 256 bytes"
	refused 'too long' stat "$C/2/board/${long}8"
	refused 'too long' mv "$C/1/board/moved.db" "$C/1/board/${long}8"
	says 'from 1' board/moved.db "a file after a refused mv"

	refused 'not empty' rmdir "$C/2/board"
	listed 'app-2.db app-3.db memory moved.db' board 'a refused rmdir'
	quiet rm -r "$C/2/board"
	gone board "rm -r"
	make_empty 2 board
	echo text >"$C/1/board/app.db"
	quiet find "$C/3/board" -delete
	gone board "find -delete"
	make_empty 3 board
	listed memory board "mkdir after rm -r"
	same 0 "$(stat -c %s "$C/2/board/memory")" "the size of a new object of an old name"
	quiet rm -r "$C/1/board"
}

# Who has a file open keeps it, whatever happens to its name.
test_files_open() {
	start 3
	make_empty 1 board
	echo old >"$C/1/board/app.db"
	exec 6<"$C/1/board/app.db" 7<"$C/2/board/app.db" 8<>"$C/3/board/app.db"
	echo new >"$C/1/board/app.db.new"
	quiet mv "$C/1/board/app.db.new" "$C/1/board/app.db"
	listed 'app.db memory' board "mv over a file that is open"
	says new board/app.db "the name after mv"
	same old "$(cat <&7)" "the replaced file, open on node 2"
	same old "$(cat <&6)" "the replaced file, open on node 1"
	same old "$(cat <&8)" "the replaced file, open on node 3"
	echo more >&8 || fail "write to a replaced file"
	same more "$(cat <&7)" "what was written to a replaced file, on node 2"
	says new board/app.db "the name after a write to the replaced file"
	exec 6<&- 7<&- 8<&-

	exec 6<"$C/1/board/app.db" 7<"$C/2/board/app.db" 8<>"$C/3/board/app.db"
	quiet rm "$C/1/board/app.db"
	gone board/app.db rm
	listed memory board rm
	echo third >"$C/2/board/app.db" || fail "a removed name could not be used again"
	says third board/app.db "the new file of an old name"
	same new "$(cat <&7)" "the removed file, open on node 2"
	same new "$(cat <&8)" "the removed file, open on node 3"
	echo more >&8 || fail "write to a removed file"
	same "$(printf 'new\nmore')" "$(cat <&6)" "the removed file, open on node 1"
	says third board/app.db "the new file after a write to the removed one"
	exec 6<&- 7<&- 8<&-

	# `memory` is a file like others.
	echo old >"$C/1/board/memory"
	exec 7<"$C/2/board/memory"
	quiet mv "$C/3/board/app.db" "$C/3/board/memory"
	listed memory board "mv over memory"
	says third board/memory "memory after mv over it"
	same old "$(cat <&7)" "the replaced memory"
	exec 7<&-
	quiet rm -r "$C/2/board"
}

# What an object cannot have: one error, and nothing changes.
test_files_refused() {
	start 3
	make_empty 1 board
	echo old >"$C/1/board/memory"
	echo new >"$C/1/board/app.db"
	for node in 1 2; do
		board=$C/$node/board
		refused_once mkdir "$board/sub"
		refused_once ln "$board/memory" "$board/link"
		refused_once ln "$board/memory" "$C/$node/link"
		refused_once ln -s memory "$board/link"
		refused_once mkfifo "$board/fifo"
		refused_once mknod "$board/device" c 1 3
		refused_once touch "$C/$node/file"
		refused_once mv "$board" "$board/app.db"
		listed 'app.db memory' board "what was refused on node $node"
		for name in control status signal; do
			[ -e "$board/$name" ] || fail "$name is not reached by its name on node $node"
			created EEXIST "$board/$name" "making $name on node $node"
			if mv "$board/app.db" "$board/$name" 2>/dev/null; then
				fail "mv over $name succeeded on node $node"
			fi
			if mv "$board/$name" "$board/moved" 2>/dev/null; then
				fail "mv of $name succeeded on node $node"
			fi
		done
		# Others' remove the target themselves.
		if ln --version 2>/dev/null | grep -q GNU; then
			refused_once ln -f "$board/app.db" "$board/memory"
			refused_once ln -sf app.db "$board/memory"
		fi
	done
	listed 'app.db memory' board "what was refused"
	says old board/memory "memory after what was refused"
	says new board/app.db "app.db after what was refused"
	[ -n "$(value_of home "$C/3/board/status")" ] || fail "status says nothing"
	same "" "$(find "$C/2/board" -name control -o -name status -o -name signal)" "find"
	same board "$(ls "$C/1")" "the names at the top after what was refused"
	quiet rm "$C/2/board/app.db"
	# An object with its memory alone is as good as empty.
	quiet rmdir "$C/3/board"
	gone board rmdir
}

test_files_memory() {
	start 3
	make_empty 1 board
	echo text >"$C/1/board/memory"
	quiet rm "$C/2/board/memory"
	listed '' board "rm of memory"
	for node in 1 2 3; do
		[ -d "$C/$node/board" ] || fail "rm of memory removed the object on node $node"
	done
	quiet touch "$C/3/board/memory"
	listed memory board "touch of memory"
	same 0 "$(stat -c %s "$C/1/board/memory")" "the size of the new memory"
	created EEXIST "$C/2/board/memory" "memory that touch made, again"
	quiet truncate -s 64K "$C/1/board/memory"
	said "$("$tool" store "$C/2/board/memory" 8192 4711)" ok "a store to the new memory"
	said "$("$tool" load "$C/1/board/memory" 8192)" 4711 "a load of the new memory"
	quiet rm "$C/1/board/memory"
	quiet rmdir "$C/2/board"
	gone board "rmdir without memory"

	# As programs do that replace a directory: each makes its files itself, and expects none.
	for node in 1 2 3; do
		quiet mkdir "$C/1/board"
		created ok "$C/$node/board/memory" "the first memory, made on node $node"
		created EEXIST "$C/$node/board/memory" "memory made twice on node $node"
		created EEXIST "$C/$((node % 3 + 1))/board/memory" "memory made on another node as well"
		listed memory board "memory made on node $node"
		echo text >"$C/2/board/memory"
		says text board/memory "memory made on node $node"
		quiet rm -r "$C/1/board"
	done
	if ! plain; then
		memory_that_was_used
	fi
}

# It is there after mkdir, and who has used it counts on it.
memory_that_was_used() {
	for node in 1 2 3; do
		quiet mkdir "$C/1/board"
		listed memory board mkdir
		same 0 "$(stat -c %s "$C/$node/board/memory")" "the size after mkdir"
		created ok "$C/$node/board/memory" "memory that was only looked at"
		quiet rm -r "$C/1/board"
		quiet mkdir "$C/1/board"
		quiet truncate -s 4096 "$C/$node/board/memory"
		created EEXIST "$C/$node/board/memory" "memory with a size"
		created EEXIST "$C/1/board/memory" "memory with a size, at its home"
		same 4096 "$(stat -c %s "$C/2/board/memory")" "the size that was set"
		quiet rm -r "$C/1/board"
		quiet mkdir "$C/1/board"
		: <"$C/$node/board/memory"
		created EEXIST "$C/2/board/memory" "memory that was opened"
		quiet rm -r "$C/1/board"
	done
}

# segments CASE ROUNDS: in an object of each node, twice by the same names.
segments() {
	for node in 1 3; do
		echo "+ segments $1 $2, object of node $node"
		make_empty $node segments
		"$NETMEM_TESTS/segments" "$1" "$2" "$C/1" "$C/2" "$C/3"
		listed memory segments "segments $1"
		quiet rm -r "$C/2/segments"
	done
}

test_files_races() {
	start 3
	rounds=50
	[ -z "$NETMEM_LONG" ] || rounds=2000
	segments excl $rounds
	segments fresh $rounds
	segments replace $rounds
}

# --- attributes -------------------------------------------------------------------------------------------------------

# shows FORMAT EXPECTED PATH WHAT: stat on all nodes.
shows() {
	for at in 1 2 3; do
		same "$2" "$(stat -c "$1" "$C/$at/$3")" "$4, on node $at"
	done
}

test_files_attributes() {
	start 3
	make_empty 1 board
	cp "$tool" "$C/1/board/memory"
	echo text >"$C/2/board/app.db"
	quiet chmod 750 "$C/1/board"
	quiet chmod 755 "$C/2/board/memory"
	quiet chmod 640 "$C/3/board/app.db"
	shows %a 755 board/memory "the mode of memory"
	shows %a 640 board/app.db "the mode of app.db"
	shows %a 750 board "the mode of the object"
	for node in 1 2 3; do
		"$C/$node/board/memory" now >/dev/null || fail "a program in memory does not run on node $node"
	done
	quiet chmod 711 "$C/3/board"
	shows %a 755 board/memory "the mode of memory after chmod of the object"
	shows %a 711 board "the mode of the object after chmod"
	quiet chmod a-x "$C/3/board/memory"
	for node in 1 2 3; do
		refused denied "$C/$node/board/memory" now
	done
	for mode in 6751 1640 0 7777; do
		quiet chmod "$mode" "$C/1/board/app.db"
		shows %a "$mode" board/app.db "the mode after chmod $mode"
	done
	quiet chmod 1770 "$C/2/board"
	shows %a 1770 board "the mode of the object after chmod 1770"
	(umask 027; echo text >"$C/2/board/masked")
	shows %a 640 board/masked "the mode of a file made under umask 027"

	quiet touch -a -d '2021-01-02 03:04:05 UTC' "$C/1/board/app.db"
	quiet touch -m -d '2022-02-03 04:05:06 UTC' "$C/2/board/app.db"
	shows '%X %Y' '1609556645 1643861106' board/app.db "atime and mtime"
	quiet touch -a -d '2023-03-04 05:06:07.123456789 UTC' "$C/3/board/app.db"
	shows '%X %Y' '1677906367 1643861106' board/app.db "atime and mtime after touch -a"
	same .123456789 "$(stat -c %x "$C/2/board/app.db" | sed 's/.*\(\.[0-9]*\) .*/\1/')" "the nanoseconds of atime"
	quiet touch -m -d '1999-01-01 UTC' "$C/3/board/memory"
	shows '%X %Y' '1677906367 1643861106' board/app.db "atime and mtime after touch of another file"
	quiet touch -m -d '1969-12-31 23:59:58.5 UTC' "$C/2/board/memory"
	shows '%Y' -2 board/memory "a time before 1970"
	before=$(($(date +%s) - 1))
	echo more >>"$C/1/board/app.db"
	shows %X 1677906367 board/app.db "atime after a write"
	for node in 1 2 3; do
		[ "$(stat -c %Y "$C/$node/board/app.db")" -ge $before ] || fail "a write does not change mtime"
	done

	quiet chgrp 4567 "$C/1/board"
	quiet chmod 2775 "$C/1/board"
	echo text >"$C/3/board/grouped"
	shows %g 4567 board/grouped "the group of a file in a setgid object"
	quiet chgrp "$(id -g)" "$C/1/board"

	quiet chown 1234:2345 "$C/2/board/app.db"
	shows %u:%g 1234:2345 board/app.db "the owner after chown"
	shows %u:%g "$(id -u):$(id -g)" board "the owner of the object after chown of a file"
	shows %u:%g "$(id -u):$(id -g)" board/memory "the owner of memory after chown of another file"
	quiet chown 3456 "$C/3/board"
	shows %u:%g 1234:2345 board/app.db "the owner of a file after chown of the object"
	quiet rm -r "$C/1/board"
}

# --- many -------------------------------------------------------------------------------------------------------------

# What each node keeps as a home.
kept() {
	plain || sed -n -e '/^objects:/p' -e '/^pages:/p' -e '/^books:/p' "$C"/[123]/.netmem/status
}

# kept_again BEFORE: it is that again, once the last RELEASE has come through.
kept_again() {
	deadline=$(($(now_ms) + 10000))
	until after=$(kept) && [ "$1" = "$after" ]; do
		[ "$(now_ms)" -lt $deadline ] || fail "kept before: $1; after: $after"
		sleep 0.05
	done
}

test_files_many() {
	start 3
	count=1000
	[ -z "$NETMEM_LONG" ] || count=6000
	segments many 30
	sleep 1 # what was replaced stays for a moment
	before=$(kept)
	segments many $count
	kept_again "$before"
}

# --- what reads everything --------------------------------------------------------------------------------------------

test_files_tar() {
	start 3
	make_empty 1 board
	seq 1 3000 >"$C/1/board/memory"
	seq 1 9000 >"$C/2/board/app.db"
	: >"$C/3/board/empty"
	for node in 1 2 3; do
		quiet tar cf "$TEST_DIR/t" -C "$C/$node" board
		same 'board/ board/app.db board/empty board/memory' \
			"$(tar tf "$TEST_DIR/t" | in_a_row)" "tar t of an object"
		mkdir "$TEST_DIR/out"
		quiet tar xf "$TEST_DIR/t" -C "$TEST_DIR/out"
		holds "$TEST_DIR/out/board/memory" board/memory "memory in the archive"
		holds "$TEST_DIR/out/board/app.db" board/app.db "app.db in the archive"
		rm -r "$TEST_DIR/out"
		quiet grep -rq 2999 "$C/$node/board"
		quiet tar cf "$TEST_DIR/t" -C "$C/$node" .
		plain || read_information $node
	done
	quiet rm -r "$C/1/board"
}

# read_information NODE: the files that the daemon writes are as long as they say.
read_information() {
	info=$C/$1/.netmem
	for turn in 1 2 3 4 5; do
		quiet tar cf "$TEST_DIR/t" -C "$C/$1" .netmem
		echo "$turn" >"$C/$1/board/empty"
		"$NETMEM_TESTS/segments" whole "$C/$1/board/status" "$info/nodes" "$info/status" "$info/metrics" \
			"$info/version"
	done
}

test_files_sqlite() {
	python3 -c 'import sqlite3' 2>/dev/null || skip "there is no python3 with sqlite3"
	start 3
	for mode in DELETE TRUNCATE PERSIST; do
		make_empty 1 board
		for node in 1 2 3 1; do
			sqlite_rows $mode "$C/$node/board/app.db" || fail "sqlite, $mode, on node $node"
		done
		names='app.db memory'
		[ $mode = DELETE ] || names='app.db app.db-journal memory'
		listed "$names" board "journal_mode=$mode"
		sqlite_rolled_back "$C/2/board/app.db" "$C/3/board/app.db" || fail "sqlite, $mode, after a rollback"
		quiet rm -r "$C/3/board"
	done
}

# sqlite_rows MODE PATH: 100 rows more than were there; all of them are there and whole.
sqlite_rows() {
	python3 - "$1" "$2" <<'PYTHON'
import sqlite3, sys
mode, path = sys.argv[1:]
db = sqlite3.connect(path)
assert db.execute("pragma journal_mode=%s" % mode).fetchone()[0] == mode.lower()
db.execute("create table if not exists t (n integer primary key, text)")
before = db.execute("select count(*) from t").fetchone()[0]
assert before % 100 == 0
for start in range(before, before + 100, 10):
    with db:
        db.executemany("insert into t values (?, ?)", [(n, "row %d " % n * 20) for n in range(start, start + 10)])
with db:
    db.execute("update t set text = upper(text) where n % 3 = 0")
rows = db.execute("select n, text from t order by n").fetchall()
assert [n for n, _ in rows] == list(range(before + 100))
assert all(text.lower() == "row %d " % n * 20 for n, text in rows)
assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
db.close()
PYTHON
}

# sqlite_rolled_back PATH PATH: what one program takes back another never sees.
sqlite_rolled_back() {
	python3 - "$1" "$2" <<'PYTHON'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
rows = db.execute("select * from t").fetchall()
db.execute("pragma cache_size = 1")
db.execute("update t set text = 'spoilt'")
db.rollback()
db.close()
db = sqlite3.connect(sys.argv[2])
assert db.execute("select * from t").fetchall() == rows
assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
db.close()
PYTHON
}

# --- control ----------------------------------------------------------------------------------------------------------

# open_files: an object with further files, one of them open on each node as 6, 7 and 8, with its first line read.
open_files() {
	make_empty 1 board
	seq 1 3000 >"$C/1/board/memory"
	seq 1 3000 >"$C/2/board/app.db"
	echo text >"$C/3/board/other"
	exec 6<"$C/1/board/app.db" 7<"$C/2/board/app.db" 8<"$C/3/board/app.db"
	for descriptor in 6 7 8; do
		same 1 "$(dd bs=2 count=1 2>/dev/null <&$descriptor)" "the first line"
	done
}

close_files() {
	exec 6<&- 7<&- 8<&-
}

# new_of_name NODE: the next object of the same name has nothing of the old one.
new_of_name() {
	quiet mkdir "$C/$1/board"
	listed memory board mkdir
	same 0 "$(stat -c %s "$C/2/board/memory")" "the size of a new object of an old name"
	quiet rmdir "$C/3/board"
}

revoke_on() {
	open_files
	echo revoke >"$C/$1/board/control" || fail "revoke failed on node $1"
	gone board revoke
	refused 'nput/output error' cat <&6
	refused 'nput/output error' cat <&7
	refused 'nput/output error' cat <&8
	close_files
	new_of_name "$1"
}

destroy_on() {
	open_files
	refused 'not empty' rmdir "$C/$1/board"
	echo destroy >"$C/$1/board/control" || fail "destroy failed on node $1"
	gone board destroy
	gone board/app.db destroy
	for descriptor in 6 7 8; do
		same 2999 "$(cat <&$descriptor | wc -l)" "the lines of a destroyed file, descriptor $descriptor"
	done
	close_files
	new_of_name "$1"
}

# on_each_node FUNCTION: twice; the second time leaves nothing behind.
on_each_node() {
	"$1" 1
	"$1" 2
	"$1" 3
	sleep 1
	before=$(kept)
	"$1" 1
	"$1" 2
	"$1" 3
	kept_again "$before"
}

test_files_revoke() {
	start 3
	on_each_node revoke_on
}

test_files_destroy() {
	start 3
	on_each_node destroy_on
}
