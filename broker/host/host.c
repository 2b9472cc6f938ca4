/* SPDX-License-Identifier: Apache-2.0 */
/* The host itself: its making, providers that are opened, and what they are lent. */
#include "broker/host/internal.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <utlist.h>

enum { SANDBOX_DIR_MAX = 60 };

/* ---- what a provider is lent ---- */

static void lent_log(const struct hawser_settings *s, int level, const char *message)
{
	static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};

	log_event(levels[level < 0   ? 0
			 : level > 3 ? 3
				     : level],
		  "provider", LOG_FIELDS_(LOG_S("name", s->provider->ops->name), LOG_S("message", message)));
}

static const char *lent_guest_path(const struct hawser_settings *s, const char *arch)
{
	const char *path = s->provider->host->guest_path;
	struct utsname self;

	if (arch && (uname(&self) < 0 || strcmp(self.machine, arch) != 0))
		return NULL;
	return path && access(path, X_OK) == 0 ? path : NULL;
}

static const char *lent_runtime_path(const struct hawser_settings *s, const char *language)
{
	static const char *const names[] = {"javascript", "python", "bash"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], language) == 0)
			return s->provider->runtimes[i];
	return NULL;
}

static const char *lent_search_path(const struct hawser_settings *s)
{
	(void)s;
	return getenv("PATH");
}

static const struct hawser_host lent = {
	.abi = HAWSER_PROVIDER_ABI,
	.size = sizeof(struct hawser_host),
	.complete = op_complete,
	.log = lent_log,
	.setting_string = settings_string,
	.setting_integer = settings_integer,
	.setting_boolean = settings_boolean,
	.setting_strings = settings_strings,
	.guest_path = lent_guest_path,
	.runtime_path = lent_runtime_path,
	.search_path = lent_search_path,
	.keeper_start = keepers_start,
	.keeper_stop = keepers_stop,
};

/* ---- the host ---- */

static int make_dir(const char *dir, struct error *err)
{
	struct stat st;

	if (dir[0] != '/' || strlen(dir) > SANDBOX_DIR_MAX)
		return error_set(
			err, -ENAMETOOLONG,
			"the folder of sandboxes, %s, must be absolute and at most %d bytes long, as socket paths "
			"have 108; set XDG_RUNTIME_DIR to a shorter one",
			dir, SANDBOX_DIR_MAX);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "making %s", dir);
	/* Whoever could write here could put a socket of theirs in a sandbox's place. */
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return error_set(err, -EPERM, "%s must be a folder of this user that nobody else can write", dir);
	return 0;
}

int host_new(struct loop *loop, struct spawner *spawner, const struct host_options *options,
	     const struct host_events *events, void *user, struct host **ret, struct error *err)
{
	struct host *host;
	int r = make_dir(options->sandbox_dir, err);

	if (r < 0)
		return r;
	host = calloc(1, sizeof(*host));
	if (host) {
		host->sandbox_dir = strdup(options->sandbox_dir);
		host->guest_path = options->guest_path ? strdup(options->guest_path) : NULL;
		host->keeper_path = options->keeper_path ? strdup(options->keeper_path) : NULL;
	}
	if (!host || !host->sandbox_dir) {
		free(host);
		return error_set(err, -ENOMEM, "no memory for the host");
	}
	host->loop = loop;
	host->spawner = spawner;
	host->events = *events;
	host->user = user;
	keepers_sweep(host);
	*ret = host;
	return 0;
}

static void free_ops(struct hawser_op **list)
{
	struct hawser_op *op, *next;

	DL_FOREACH_SAFE (*list, op, next) {
		DL_DELETE(*list, op);
		op_free(op);
	}
}

struct host *host_free(struct host *host)
{
	if (!host)
		return NULL;
	keepers_done(host);
	reapings_done(host);
	while (host->providers)
		host_provider_close(host->providers);
	free_ops(&host->open);
	free_ops(&host->ready);
	free_ops(&host->over);
	free(host->sandbox_dir);
	free(host->guest_path);
	free(host->keeper_path);
	if (host->deferred)
		host->closing = true; /* deliver() gives the rest back */
	else
		free(host);
	return NULL;
}

/* ---- providers ---- */

static int check_abi(const struct hawser_provider *ops, struct error *err)
{
	/* Members up to report were there from the first version on. */
	if (ops->abi != HAWSER_PROVIDER_ABI || ops->size < offsetof(struct hawser_provider, isolation_of))
		return error_set(err, -ENOTSUP, "provider %s was built for another version (%u) of Hawser", ops->name,
				 ops->abi);
	return 0;
}

static int code_of(enum hawser_status status)
{
	return status == HAWSER_UNSUPPORTED ? -ENOTSUP : status == HAWSER_INVALID ? -EINVAL : -EIO;
}

static int open_provider(struct host_provider *p, const struct host_provider_options *o, struct error *err)
{
	const char *const runtimes[] = {o->javascript, o->python, o->bash};
	const char *message = NULL;
	enum hawser_status status;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
		p->runtimes[i] = runtimes[i] ? strdup(runtimes[i]) : NULL;
	r = settings_read(&p->settings, p->ops->options, o->settings, err);
	if (r < 0)
		return r;
	status = p->ops->open(&lent, &p->settings, &p->self, &message);
	if (status == HAWSER_OK)
		return 0;
	p->self = NULL;
	return error_set(err, code_of(status), "%s", message ? message : "it could not be opened");
}

int host_provider_open(struct host *host, const struct host_provider_options *options, struct host_provider **ret,
		       struct error *err)
{
	const struct hawser_provider *ops = registry_find(options->name);
	struct host_provider *p;
	int r;

	if (!ops)
		return error_set(err, -ENOENT, "%s%sthere is no provider \"%s\"; there are: %s",
				 options->where ? options->where : "", options->where ? ": " : "", options->name,
				 registry_names());
	r = check_abi(ops, err);
	p = r == 0 ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return r < 0 ? r : error_set(err, -ENOMEM, "no memory for a provider");
	p->host = host;
	p->ops = ops;
	p->settings.provider = p;
	DL_APPEND(host->providers, p);
	r = open_provider(p, options, err);
	if (r < 0) {
		host_provider_close(p);
		error_wrap(err, "provider %s", options->name);
		return options->where ? error_wrap(err, "%s", options->where) : r;
	}
	*ret = p;
	return 0;
}

struct host_provider *host_provider_close(struct host_provider *p)
{
	if (!p)
		return NULL;
	DL_DELETE(p->host->providers, p);
	ops_abandon(p);
	if (p->self)
		p->ops->close(p->self);
	settings_done(&p->settings);
	for (size_t i = 0; i < ARRAY_SIZE(p->runtimes); i++)
		free(p->runtimes[i]);
	free(p);
	return NULL;
}

bool host_provider_has_environments(const struct host_provider *p)
{
	return p->ops->size > offsetof(struct hawser_provider, environments) && p->ops->environments;
}

const char *host_provider_name(const struct host_provider *p)
{
	return p->ops->name;
}

#define HAS(p, member) \
	((p)->ops->size >= offsetof(struct hawser_provider, member) + sizeof((p)->ops->member) && (p)->ops->member)

enum hawser_isolation host_provider_isolation(const struct host_provider *p)
{
	return HAS(p, isolation_of) ? p->ops->isolation_of(p->self) : p->ops->isolation;
}

void host_provider_report(struct host_provider *p,
			  void (*tell)(void *user, const char *key, const char *text, int good), void *user)
{
	if (p->ops->report)
		p->ops->report(p->self, tell, user);
	if (HAS(p, kept))
		keepers_report(p->host, tell, user);
}

static const char *const isolation_names[] = {
	[HAWSER_ISOLATION_PROCESS] = "process",
	[HAWSER_ISOLATION_CONTAINER] = "container",
	[HAWSER_ISOLATION_GVISOR] = "gvisor",
	[HAWSER_ISOLATION_VM] = "vm",
};

const char *host_isolation_name(enum hawser_isolation isolation)
{
	return (size_t)isolation < ARRAY_SIZE(isolation_names) && isolation_names[isolation]
		       ? isolation_names[isolation]
		       : "unknown";
}

enum hawser_isolation host_isolation_parse(const char *name)
{
	for (size_t i = HAWSER_ISOLATION_PROCESS; i < ARRAY_SIZE(isolation_names); i++)
		if (strcmp(isolation_names[i], name) == 0)
			return (enum hawser_isolation)i;
	return (enum hawser_isolation)0;
}
