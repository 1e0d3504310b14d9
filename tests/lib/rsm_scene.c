#define _GNU_SOURCE 1
#include "rsm_scene.h"

#include <poll.h>

struct peer *exporter;

void exporter_start(long flags)
{
	exporter = peer_start(1);
	OK(ASK(exporter, step_export, SEGMENT_PAGES, flags, 1, segment_id()));
}

void import_here(rsm_permission_t perm)
{
	nodes_use(2);
	OK(HERE(step_import, 1, segment_id(), perm));
}

void await_cut(void)
{
	struct pollfd end;

	OK(rsm_memseg_get_pollfd(program.imported, &end));
	while (poll(&end, 1, PATIENCE_MS) == 1 && !(end.revents & POLLHUP))
		ck_assert_int_eq(HERE(step_wait, IMPORTED, 0), RSM_SUCCESS);
	ck_assert_msg(end.revents & POLLHUP, "the importer is not told");
	OK(rsm_memseg_release_pollfd(program.imported));
}

int barrier_code(void)
{
	OK(rsm_memseg_import_open_barrier(&program.barrier));
	return rsm_memseg_import_close_barrier(&program.barrier);
}

int connect_code_after(int passing)
{
	rsm_memseg_import_handle_t import;
	int code = passing;

	for (int i = 0; code == passing && i < PATIENCE_MS; i++) {
		if (i)
			poll(NULL, 0, 1);
		code = rsm_memseg_import_connect(program_controller(), 1, segment_id(), RSM_PERM_READ, &import);
		if (code == RSM_SUCCESS)
			rsm_memseg_import_disconnect(import);
	}
	return code;
}

int scene_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
