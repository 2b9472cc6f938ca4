/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char dir[] = "/tmp/hawser-file-XXXXXX";

static char *in(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

static size_t entries(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void has(const char *path, const char *text, mode_t mode)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char got[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
}

static void test_create(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(file_create(in("new"), "abc", 3, &err), 0);
	has(in("new"), "abc", 0600);
	assert_int_equal(file_create(in("new"), "x", 1, &err), -EEXIST);
	error_done(&err);
	assert_int_equal(symlink("nowhere", in("link")), 0);
	assert_int_equal(file_create(in("link"), "x", 1, &err), -EEXIST);
	has(in("new"), "abc", 0600);
	unlink(in("link"));
	unlink(in("new"));
	assert_int_equal(entries(), 0);
}

/* A reader that has the old file keeps it whole; mode and owner are those that were asked for; nothing is left beside.
 */
static void test_replace(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	struct file_owner owner = {0640, geteuid(), getegid()};
	_cleanup_close_ int old = -1;
	char got[8] = "";

	(void)state;
	assert_int_equal(file_create(in("f"), "before", 6, &err), 0);
	old = open(in("f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(buf_append_str(&text, "after"), 0);
	for (int named = 0; named < 2; named++) {
		if (named)
			assert_int_equal(file_create(in("t"), "left by a kill", 14, &err), 0);
		assert_int_equal(file_replace(in("f"), named ? in("t") : NULL, &text, &owner, &err), 0);
		has(in("f"), "after", 0640);
		assert_int_equal(entries(), 1);
	}
	assert_int_equal(read(old, got, 7), 6);
	assert_string_equal(got, "before");
	if (geteuid() == 0) {
		struct stat st;

		owner.uid = owner.gid = 12345;
		assert_int_equal(file_replace(in("f"), NULL, &text, &owner, &err), 0);
		assert_int_equal(stat(in("f"), &st), 0);
		assert_int_equal(st.st_uid, 12345);
	}
	unlink(in("f"));
}

/* Who cannot keep the group of a file gives its own nothing; nobody hands on who it runs as. */
static void test_replace_widens_nothing(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	int root = geteuid() == 0;
	struct file_owner owner = {06764, geteuid(), getegid()};

	(void)state;
	assert_int_equal(buf_append_str(&text, "text"), 0);
	assert_int_equal(file_replace(in("f"), NULL, &text, &owner, &err), 0);
	has(in("f"), "text", 0764);
	if (root) {
		assert_int_equal(chmod(dir, 0777), 0);
		assert_int_equal(unlink(in("f")), 0);
		assert_int_equal(setegid(65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	owner = (struct file_owner){0664, geteuid(), 12345};
	assert_int_equal(file_replace(in("f"), NULL, &text, &owner, &err), 0);
	has(in("f"), "text", 0604);
	unlink(in("f"));
	if (root) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setegid(0), 0);
	}
}

static void test_replace_fails(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	const struct file_owner owner = {0600, geteuid(), getegid()};

	(void)state;
	assert_int_equal(mkdir(in("folder"), 0700), 0);
	assert_int_equal(file_create(in("folder/x"), "", 0, &err), 0);
	assert_true(file_replace(in("folder"), NULL, &text, &owner, &err) < 0);
	assert_non_null(strstr(error_text(&err), "/folder"));
	error_done(&err);
	assert_int_equal(entries(), 1);
	assert_int_equal(file_replace(in("none/x"), NULL, &text, &owner, &err), -ENOENT);
	unlink(in("folder/x"));
	rmdir(in("folder"));
}

/* A folder that can be written but not opened cannot be synced either; the file is another all the same. */
static void test_replace_in_a_folder_that_is_not_synced(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	bool root = geteuid() == 0;
	struct file_owner owner = {0600, root ? 12345 : geteuid(), getegid()};

	(void)state;
	assert_int_equal(chmod(dir, 0711), 0);
	assert_int_equal(mkdir(in("closed"), 0700), 0);
	assert_int_equal(file_create(in("closed/x"), "before", 6, &err), 0);
	assert_int_equal(chmod(in("closed"), 0300), 0);
	assert_int_equal(buf_append_str(&text, "after"), 0);
	if (root) {
		assert_int_equal(chown(in("closed/x"), 12345, getegid()), 0);
		assert_int_equal(chown(in("closed"), 12345, getegid()), 0);
		assert_int_equal(seteuid(12345), 0);
	}
	assert_true(file_sync_folder(in("closed"), &err) < 0);
	error_done(&err);
	assert_int_equal(file_replace(in("closed/x"), NULL, &text, &owner, &err), 0);
	has(in("closed/x"), "after", 0600);
	if (root)
		assert_int_equal(seteuid(0), 0);
	unlink(in("closed/x"));
	rmdir(in("closed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_widens_nothing),
		cmocka_unit_test(test_replace_fails),
		cmocka_unit_test(test_replace_in_a_folder_that_is_not_synced),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests_name("file", tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
