/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "providers/keeper/cgroup.h"
#include "providers/keeper/spec.h"
#include "providers/keeper/uid.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char v1_mounts[] = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
				"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
				"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
				"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
static const char v1_self[] = "9:name=systemd:/user.slice\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/user.slice/x\n";

static void test_cgroup_paths(void **state)
{
	char mount[PATH_MAX] = "untouched", own[PATH_MAX] = "untouched";

	assert_false(cgroup_find(v1_mounts, v1_self, "pids", mount, own));
	assert_string_equal(mount, "untouched");
	assert_true(cgroup_find(v1_mounts, v1_self, "memory", mount, own));
	assert_string_equal(mount, "/sys/fs/cgroup/memory");
	assert_string_equal(own, "/a/b");
	assert_true(cgroup_find(v1_mounts, v1_self, "cpu", mount, own));
	assert_string_equal(mount, "/sys/fs/cgroup/cpu,cpuacct");
	assert_string_equal(own, "/");
	assert_true(cgroup_find(v1_mounts, v1_self, NULL, mount, own));
	assert_string_equal(mount, "/sys/fs/cgroup/unified");
	assert_string_equal(own, "/user.slice/x");
}

/* In a container the mount shows a part of the tree: our path begins behind its root. */
static void test_cgroup_paths_of_a_part(void **state)
{
	static const char mounts[] = "5 4 0:9 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
	char mount[PATH_MAX], own[PATH_MAX];

	assert_true(cgroup_find(mounts, "0::/docker/abc/inner\n", NULL, mount, own));
	assert_string_equal(own, "/inner");
	assert_true(cgroup_find(mounts, "0::/docker/abc\n", NULL, mount, own));
	assert_string_equal(own, "/");
	assert_false(cgroup_find(mounts, "0::/docker/abcd\n", NULL, mount, own));
	assert_false(cgroup_find(mounts, "0::/elsewhere\n", NULL, mount, own));
	assert_false(cgroup_find("rubbish\n", "0::/\n", NULL, mount, own));
}

static void test_words(void **state)
{
	assert_true(cgroup_has_word("cpuset cpu memory\n", "cpu"));
	assert_true(cgroup_has_word("rw,cpu", "cpu"));
	assert_false(cgroup_has_word("cpuset cpuacct", "cpu"));
	assert_false(cgroup_has_word("", "cpu"));
}

static void test_uid_ranges(void **state)
{
	uint64_t first, count;

	uid_range("         0          0 4294967295\n", &first, &count);
	assert_int_equal(first, UID_FIRST);
	assert_int_equal(count, UID_COUNT);
	uid_range("0 100000 65536\n", &first, &count); /* a container */
	assert_in_range(first, 10000, 65533);
	assert_true(first + count < 61184); /* systemd's and nobody's begin there */
	uid_range("0 1000 1\n", &first, &count);
	assert_int_equal(count, 0);
	uid_range("", &first, &count);
	assert_int_equal(count, 0);
}

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GOOD                                                                                                       \
	"{\"dir\":\"/run/x/sbx_1\",\"secret\":\"" SECRET "\",\"lease_ms\":60000,\"argv\":[\"/bin/true\",\"a b\"]," \
	"\"envp\":[\"A=b\"],\"grants\":[{\"grant\":1,\"fd\":3},{\"grant\":3,\"fd\":4,\"hex\":\"00ff\"},"           \
	"{\"grant\":4,\"fd\":5,\"path\":\"/x\"}],\"memory\":1048576,\"processes\":8,\"own_uid\":true}"

static int parse(const char *text, struct spec *spec)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	return spec_parse(span_of(text, strlen(text)), spec, &err);
}

static void test_spec(void **state)
{
	struct spec spec;

	assert_int_equal(parse(GOOD, &spec), 0);
	assert_string_equal(spec.dir, "/run/x/sbx_1");
	assert_string_equal(spec.argv[1], "a b");
	assert_null(spec.argv[2]);
	assert_string_equal(spec.envp[0], "A=b");
	assert_int_equal(spec.grant_count, 3);
	assert_int_equal(spec.grants[1].len, 2);
	assert_int_equal(spec.grants[1].data[1], 0xff);
	assert_string_equal(spec.grants[2].path, "/x");
	assert_int_equal(spec.memory, 1048576);
	assert_int_equal(spec.disk, 0);
	assert_true(spec.own_uid);
	assert_int_equal(spec.secret[1], 0x23);
	assert_null(spec.tmpfs[0]);
	spec_done(&spec);
}

/* Each differs from the good one by one fault. */
static void test_spec_faults(void **state)
{
	static const struct {
		const char *what, *with;
	} faults[] = {
		{"\"dir\":\"/run", "\"dir\":\"run"},
		{"\"lease_ms\":60000", "\"lease_ms\":1"},
		{"\"lease_ms\":60000", "\"lease_ms\":-60000"},
		{"\"argv\":[\"/bin/true\",", "\"argv\":[\"true\","},
		{"\"argv\":[\"/bin/true\",\"a b\"]", "\"argv\":[]"},
		{"\"argv\":[\"/bin/true\",\"a b\"]", "\"argv\":[\"/bin/true\",7]"},
		{"\"fd\":3", "\"fd\":2"},
		{"\"grant\":1", "\"grant\":9"},
		{"00ff", "00f"},
		{"\"path\":\"/x\"", "\"file\":\"/x\""},
		{"0123456789abcdef0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"},
		{"\"memory\":1048576", "\"memory\":\"much\""},
		{"{\"dir\"", "[\"dir\""},
	};
	struct spec spec;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		char text[2048];
		const char *at = strstr(GOOD, faults[i].what);

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, faults[i].with,
			 at + strlen(faults[i].what));
		assert_true(parse(text, &spec) < 0);
	}
	assert_true(parse("", &spec) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup_paths), cmocka_unit_test(test_cgroup_paths_of_a_part),
		cmocka_unit_test(test_words),        cmocka_unit_test(test_uid_ranges),
		cmocka_unit_test(test_spec),         cmocka_unit_test(test_spec_faults),
	};

	return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
