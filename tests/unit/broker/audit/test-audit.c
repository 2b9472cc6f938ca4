/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/hawser-audit-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static int remove_file(void **state)
{
	unlink(path);
	return 0;
}

static struct audit *open_log(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit *a = NULL;

	if (audit_open(path, NULL, NULL, &a, &err) < 0)
		fail_msg("%s", error_text(&err));
	return a;
}

static void record(struct audit *a, const char *tool, const char *verdict)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit_record r = {.subject = "local:1",
				 .run = "run_1",
				 .call = 7,
				 .server = "fs",
				 .tool = tool,
				 .verdict = verdict,
				 .rule = "rules[0]",
				 .outcome = "ok",
				 .ms = 3,
				 .bytes_in = 2,
				 .wall_ms = 1000};

	assert_int_equal(audit_record(a, &r, &err), 0);
}

static int verify(uint64_t *lines, uint64_t *bad)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit_summary summary;
	int r = audit_verify(path, &summary, &err);

	*lines = r == 0 ? summary.lines : 0;
	*bad = r == -EBADMSG ? summary.lines : 0;
	return r;
}

static char *slurp(void)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

static void spill(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_chain(void **state)
{
	static const char first[] =
		"{\"time\":\"1970-01-01T00:00:01.000Z\",\"subject\":\"local:1\",\"run\":\"run_1\","
		"\"server\":\"fs\",\"tool\":\"re\\\"ad\",\"verdict\":\"allow\",\"rule\":\"rules[0]\","
		"\"outcome\":\"ok\",\"call\":7,\"ms\":3,\"bytes_in\":2,\"bytes_out\":0,\"prev\":\"000";
	struct audit *a = open_log();
	uint64_t lines, bad;
	struct stat st;

	record(a, "re\"ad", "allow");
	record(a, "write", "deny");
	audit_close(a);
	a = open_log(); /* goes on */
	record(a, "list", "ask");
	audit_close(a);
	assert_memory_equal(slurp(), first, sizeof(first) - 1);
	assert_int_equal(verify(&lines, &bad), 0);
	assert_int_equal(lines, 3);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void make_four(void)
{
	struct audit *a = open_log();

	for (int i = 0; i < 4; i++)
		record(a, i == 2 ? "two" : "tool", "allow");
	audit_close(a);
}

static void test_changes_show(void **state)
{
	_cleanup_free_ char *whole = NULL;
	uint64_t lines, bad;
	char *text, *second, *third;

	make_four();
	whole = strdup(slurp());
	text = slurp();
	memcpy(strstr(text, "two"), "one", 3);
	spill(text);
	assert_int_equal(verify(&lines, &bad), -EBADMSG);
	assert_int_equal(bad, 3);
	spill(whole);
	text = slurp();
	second = strchr(text, '\n') + 1;
	third = strchr(second, '\n') + 1;
	memmove(second, third, strlen(third) + 1);
	spill(text);
	assert_int_equal(verify(&lines, &bad), -EBADMSG);
	assert_int_equal(bad, 2);
	spill(whole);
	assert_int_equal(verify(&lines, &bad), 0);
}

static void test_torn_line_is_repaired(void **state)
{
	uint64_t lines, bad;
	struct audit *a;

	make_four();
	assert_int_equal(truncate(path, (off_t)strlen(slurp()) - 10), 0);
	assert_int_equal(verify(&lines, &bad), -EBADMSG);
	a = open_log();
	record(a, "after", "allow");
	audit_close(a);
	assert_int_equal(verify(&lines, &bad), 0);
	assert_int_equal(lines, 5); /* three, the repair, the new one */
	assert_non_null(strstr(slurp(), "\"event\":\"repaired\",\"removed_bytes\":"));
}

static void test_foreign_file_is_refused(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit *a = NULL;

	spill("{\"a\":1}\n");
	assert_int_equal(audit_open(path, NULL, NULL, &a, &err), -EBADMSG);
	assert_non_null(strstr(error_text(&err), "move the file away"));
	assert_null(a);
}

static void blank(void *user, struct buf *text)
{
	char *p = (char *)buf_head(text), *at = memmem(p, text->len, "hunter2", 7);

	(*(int *)user)++;
	if (at)
		memcpy(at, "*******", 7);
}

static void test_redacts(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit_record r = {.server = "fs", .tool = "x hunter2 y", .verdict = "deny"};
	struct audit *a = NULL;
	uint64_t lines, bad;
	int asked = 0;

	assert_int_equal(audit_open(path, blank, &asked, &a, &err), 0);
	assert_int_equal(audit_record(a, &r, &err), 0);
	audit_close(a);
	assert_int_equal(asked, 1);
	assert_null(strstr(slurp(), "hunter2"));
	assert_non_null(strstr(slurp(), "\"tool\":\"x ******* y\",\"verdict\":\"deny\""));
	assert_int_equal(verify(&lines, &bad), 0);
}

/* A disk that takes half a line: the call is refused, the file keeps whole lines, and it works again when there is
 * room. */
static void test_full_disk(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit_record r = {.server = "fs", .tool = "x"};
	struct rlimit old, small;
	struct audit *a = open_log();
	uint64_t lines, bad;
	struct stat st;

	record(a, "one", "allow");
	assert_int_equal(stat(path, &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = (rlim_t)st.st_size + 20, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(audit_record(a, &r, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(verify(&lines, &bad), 0);
	assert_int_equal(lines, 1);
	record(a, "two", "allow");
	audit_close(a);
	assert_int_equal(verify(&lines, &bad), 0);
	assert_int_equal(lines, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_chain, remove_file),
		cmocka_unit_test_teardown(test_changes_show, remove_file),
		cmocka_unit_test_teardown(test_torn_line_is_repaired, remove_file),
		cmocka_unit_test_teardown(test_foreign_file_is_refused, remove_file),
		cmocka_unit_test_teardown(test_redacts, remove_file),
		cmocka_unit_test_teardown(test_full_disk, remove_file),
	};

	return cmocka_run_group_tests_name("audit", tests, make_dir, remove_dir);
}
