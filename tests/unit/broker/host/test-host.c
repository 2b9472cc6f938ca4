/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of a provider that behaves badly. The registry here is this file's own. */
#include "tests/unit/unit.h"

#include "broker/host/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct hawser_host *lent;
static const struct hawser_settings *settings;
static struct hawser_op *held; /* of the last create: completed by hand */
static bool at_once;
static int destroyed, cancelled;

static void complete(struct hawser_op *op, enum hawser_status status, const char *id)
{
	const struct hawser_result result = {
		.status = status, .message = "said", .sandbox_id = id, .endpoint.unix_path = "/x"};

	lent->complete(op, &result);
}

static enum hawser_status bad_open(const struct hawser_host *host, const struct hawser_settings *s, void **ret,
				   const char **ret_message)
{
	lent = host;
	settings = s;
	*ret = &held;
	*ret_message = "never used";
	return HAWSER_OK;
}

static void bad_close(void *provider)
{
	(void)provider;
}

static void bad_create(void *provider, struct hawser_op *op, const struct hawser_create *request)
{
	(void)provider;
	assert_string_equal(request->tag, "tag");
	held = op;
	if (at_once)
		complete(op, HAWSER_OK, "one");
}

static void bad_destroy(void *provider, struct hawser_op *op, const char *sandbox_id)
{
	(void)provider;
	assert_string_equal(sandbox_id, "one");
	destroyed++;
	complete(op, HAWSER_OK, NULL);
}

static void bad_cancel(void *provider, struct hawser_op *op)
{
	(void)provider;
	assert_ptr_equal(op, held);
	cancelled++;
}

static const struct hawser_option options[] = {
	{"number", HAWSER_OPTION_INTEGER, 1, 9, "5", "a number"},
	{"text", HAWSER_OPTION_STRING, 0, 0, "preset", "a text"},
	{"flag", HAWSER_OPTION_BOOLEAN, 0, 0, "true", "a flag"},
	{"list", HAWSER_OPTION_STRINGS, 0, 0, NULL, "a list"},
	{.name = NULL},
};
static const struct hawser_provider bad = {
	.abi = HAWSER_PROVIDER_ABI,
	.size = offsetof(struct hawser_provider, isolation_of), /* built against an older header */
	.name = "bad",
	.isolation = HAWSER_ISOLATION_GVISOR,
	.options = options,
	.open = bad_open,
	.close = bad_close,
	.create = bad_create,
	.destroy = bad_destroy,
	.cancel = bad_cancel,
};
static const struct hawser_provider newer = {.abi = HAWSER_PROVIDER_ABI + 1, .size = sizeof(newer), .name = "newer"};

const struct hawser_provider *registry_find(const char *name)
{
	return strcmp(name, "bad") == 0 ? &bad : strcmp(name, "newer") == 0 ? &newer : NULL;
}
const char *registry_names(void)
{
	return "bad, newer";
}

struct rig {
	char dir[64];
	struct loop *loop;
	struct spawner *spawner;
	struct host *host;
	struct host_provider *provider;
	int done;
	enum hawser_status status;
	char id[64];
};

static int set_up(void **state)
{
	static const struct host_events events;
	struct rig *rig = calloc(1, sizeof(*rig));
	struct host_provider_options open = {.name = "bad"};
	struct error err = ERROR_INIT;
	struct host_options o;

	strcpy(rig->dir, "/tmp/hawser-host-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	o = (struct host_options){.sandbox_dir = rig->dir};
	assert_int_equal(loop_new(&rig->loop, &err), 0);
	assert_int_equal(spawner_new(rig->loop, &rig->spawner, &err), 0);
	assert_int_equal(host_new(rig->loop, rig->spawner, &o, &events, rig, &rig->host, &err), 0);
	assert_int_equal(host_provider_open(rig->host, &open, &rig->provider, &err), 0);
	held = NULL;
	at_once = false;
	destroyed = cancelled = 0;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	host_free(rig->host);
	spawner_free(rig->spawner);
	loop_free(rig->loop);
	rmdir(rig->dir);
	free(rig);
	return 0;
}

static void on_created(void *user, const struct host_created *created)
{
	struct rig *rig = user;

	rig->done++;
	rig->status = created->status;
	snprintf(rig->id, sizeof(rig->id), "%s", created->sandbox_id ? created->sandbox_id : "");
	if (created->status == HAWSER_OK)
		assert_int_equal(created->secret[0], 7); /* the request's own */
}

static struct host_op *create(struct rig *rig)
{
	const struct hawser_create request = {.tag = "tag", .tunnel_id = "id", .secret = {7}};
	struct host_op *op;

	host_create(rig->provider, &request, on_created, rig, &op);
	return op;
}

static void test_never_inside_the_call(void **state)
{
	struct rig *rig = *state;

	at_once = true;
	create(rig);
	assert_int_equal(rig->done, 0);
	loop_turn(rig->loop, 100);
	assert_int_equal(rig->done, 1);
	assert_string_equal(rig->id, "one");
}

static void test_twice(void **state)
{
	struct rig *rig = *state;

	create(rig);
	complete(held, HAWSER_QUOTA, NULL);
	complete(held, HAWSER_OK, "one");
	loop_turn(rig->loop, 100);
	complete(held, HAWSER_OK, "one"); /* long after */
	loop_turn(rig->loop, 10);
	assert_int_equal(rig->done, 1);
	assert_int_equal(rig->status, HAWSER_QUOTA);
}

static void test_cancelled(void **state)
{
	struct rig *rig = *state;
	struct host_op *op = create(rig);

	host_cancel(op);
	assert_int_equal(cancelled, 1);
	complete(held, HAWSER_OK, "one"); /* too late: the sandbox is there */
	host_cancel(op);
	assert_int_equal(cancelled, 1);
	assert_int_equal(rig->done, 0);
	loop_turn(rig->loop, 100);
	assert_int_equal(rig->done, 1);
	assert_string_equal(rig->id, "one");
}

static void test_closed_meanwhile(void **state)
{
	struct rig *rig = *state;

	create(rig);
	rig->provider = host_provider_close(rig->provider);
	complete(held, HAWSER_OK, "one");
	loop_turn(rig->loop, 10);
	assert_int_equal(rig->done, 0);
}

static void test_nameless(void **state)
{
	struct rig *rig = *state;

	create(rig);
	complete(held, HAWSER_OK, NULL);
	loop_turn(rig->loop, 100);
	assert_int_equal(rig->status, HAWSER_INTERNAL);
}

static int open_with(struct rig *rig, const char *name, const char *text, char *message, size_t size)
{
	struct host_provider_options o = {.name = name, .where = "hawser.yaml:7"};
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *object = json_loads(text, 0, NULL);
	struct host_provider *p;
	int r;

	o.settings = object;
	r = host_provider_open(rig->host, &o, &p, &err);
	snprintf(message, size, "%s", r < 0 ? error_text(&err) : "");
	return r;
}

static void test_settings(void **state)
{
	struct rig *rig = *state;
	char message[1024];

	assert_int_equal(open_with(rig, "bad", "{\"number\":3,\"list\":[\"a\",\"b\"],\"flag\":false}", message, 1024),
			 0);
	assert_int_equal(lent->setting_integer(settings, "number"), 3);
	assert_int_equal(lent->setting_boolean(settings, "flag"), 0);
	assert_string_equal(lent->setting_string(settings, "text"), "preset");
	assert_string_equal(lent->setting_strings(settings, "list")[1], "b");
	assert_null(lent->setting_string(settings, "number")); /* of another kind */
	assert_int_equal(open_with(rig, "bad", "{}", message, 1024), 0);
	assert_int_equal(lent->setting_integer(settings, "number"), 5);
	assert_int_equal(lent->setting_boolean(settings, "flag"), 1);
	assert_int_equal(open_with(rig, "bad", "{\"number\":10,\"txt\":\"x\"}", message, 1024), -EINVAL);
	assert_non_null(strstr(message, "hawser.yaml:7"));
	assert_non_null(strstr(message, "number: 10 is over 9"));
	assert_non_null(strstr(message, "\"text\"")); /* did you mean */
	assert_int_equal(open_with(rig, "nope", "{}", message, 1024), -ENOENT);
	assert_non_null(strstr(message, "bad, newer"));
	assert_int_equal(open_with(rig, "newer", "{}", message, 1024), -ENOTSUP);
	assert_int_equal(host_provider_isolation(rig->provider), HAWSER_ISOLATION_GVISOR);
	assert_string_equal(host_isolation_name(HAWSER_ISOLATION_GVISOR), "gvisor");
	assert_int_equal(host_isolation_parse("vm"), HAWSER_ISOLATION_VM);
	assert_int_equal(host_isolation_parse("none"), 0);
}

static void test_sandbox_dir(void **state)
{
	static const struct host_events events;
	struct rig *rig = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct host_options o = {.sandbox_dir = rig->dir};
	struct host *host;

	assert_int_equal(chmod(rig->dir, 0777), 0); /* anybody could put a socket there */
	assert_int_equal(host_new(rig->loop, rig->spawner, &o, &events, NULL, &host, &err), -EPERM);
	o.sandbox_dir = "/tmp/a-name-that-is-much-too-long-for-a-unix-socket-to-have-room-behind-it";
	assert_int_equal(host_new(rig->loop, rig->spawner, &o, &events, NULL, &host, &err), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_never_inside_the_call), TEST(test_twice),    TEST(test_cancelled),
		TEST(test_closed_meanwhile),      TEST(test_nameless), TEST(test_settings),
		TEST(test_sandbox_dir),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
