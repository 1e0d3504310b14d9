# coherence.sh: one memory on all nodes. Each of these must fail when coherence is switched off.

if [ -n "${NETMEM_LONG:-}" ]; then
	ROUNDS=100000 ADDITIONS=30000000 SECTIONS=200000 OPERATIONS=500000 GROWTHS=5000 WRITES=100000
else
	ROUNDS=3000 ADDITIONS=3000000 SECTIONS=20000 OPERATIONS=20000 GROWTHS=300 WRITES=2000
fi
# Without coherence anything shows at once.
[ "${NETMEM_MODE:-}" = broken ] && ROUNDS=2000 ADDITIONS=300000 SECTIONS=2000 OPERATIONS=10000

litmus_layouts() {
	shape=$1
	shift
	for layout in page pages objects; do
		must litmus "$shape" $layout mapped $ROUNDS "$@"
	done
}

test_litmus_sb() {
	start 2
	litmus_layouts sb "$C/1" "$C/2"
}

test_litmus_mp() {
	start 2
	litmus_layouts mp "$C/1" "$C/2"
}

test_litmus_lb() {
	start 2
	litmus_layouts lb "$C/1" "$C/2"
}

test_litmus_corr() {
	start 3
	litmus_layouts corr "$C/1" "$C/2" "$C/3"
}

test_litmus_iriw() {
	start 4
	litmus_layouts iriw "$C/1" "$C/2" "$C/3" "$C/4"
}

test_litmus_wrc() {
	start 3
	litmus_layouts wrc "$C/1" "$C/2" "$C/3"
}

# System calls alone, and mixed with mapped access; also when two of the programs share a node, whose kernel may show a
# write to its own programs first.
test_litmus_calls() {
	start 3
	must litmus mp pages calls $ROUNDS "$C/1" "$C/2"
	must litmus mp pages mixed $ROUNDS "$C/1" "$C/2"
	must litmus sb pages mixed $ROUNDS "$C/1" "$C/2"
	must litmus corr pages mixed $ROUNDS "$C/1" "$C/2" "$C/3"
	must litmus corr page mixed $ROUNDS "$C/1" "$C/1" "$C/2"
	must litmus wrc pages mixed $ROUNDS "$C/1" "$C/1" "$C/2"
	must litmus iriw pages mixed $ROUNDS "$C/1" "$C/2" "$C/1" "$C/2"
}

test_counter() {
	start 2
	must counter 1 1 $ADDITIONS "$C/1" "$C/2"
}

test_counter_words() {
	start 4
	must counter 8 4 $((ADDITIONS / 10)) "$C/1" "$C/2" "$C/3" "$C/4"
}

test_lock() {
	start 3
	must lock $SECTIONS "$C/1" "$C/2"
	must lock $((SECTIONS / 2)) "$C/1" "$C/2" "$C/3"
}

test_mixed_model() {
	start 4
	must mixed model $OPERATIONS "$C/1" "$C/2"
	must mixed model $OPERATIONS "$C/1" "$C/2" "$C/3" "$C/4"
}

test_mixed_blocks() {
	start 3
	must mixed blocks $OPERATIONS "$C/1" "$C/2"
	must mixed blocks $OPERATIONS "$C/1" "$C/2" "$C/3"
}

# What holds on one tmpfs too.
test_lifetime_plain() {
	start 3
	for case in unlink mapping mkdir-race rename-race churn; do
		echo "+ lifetime $case"
		"$NETMEM_TESTS/lifetime" $case 200 "$C/1" "$C/2" "$C/3"
	done
}

test_lifetime() {
	start 3
	for case in unlink rmdir destroy mapping unnamed revoke; do
		echo "+ lifetime $case"
		"$NETMEM_TESTS/lifetime" $case 1 "$C/1" "$C/2" "$C/3"
		"$NETMEM_TESTS/lifetime" $case 1 "$C/3" "$C/1"
	done
}

test_races() {
	start 3
	rounds=300
	[ -z "$NETMEM_LONG" ] || rounds=10000
	for case in mkdir-race rename-race; do
		"$NETMEM_TESTS/lifetime" $case $rounds "$C/1" "$C/2"
		"$NETMEM_TESTS/lifetime" $case $rounds "$C/1" "$C/2" "$C/3"
	done
}

# Whole pages written while others load them, from the home and to it.
test_writes() {
	start 3
	must writes "$WRITES" "$C/1" "$C/2" "$C/3"
	must writes "$WRITES" "$C/2" "$C/1" "$C/3"
}

# Files that grow while others open and read them, from the home, to it, between others, and on one node.
test_grow() {
	start 3
	for pair in '1 2' '2 1' '2 3' '2 2'; do
		must grow open "$GROWTHS" "$C/${pair% *}" "$C/${pair#* }"
		must grow tail "$GROWTHS" "$C/${pair% *}" "$C/${pair#* }"
	done
}
