/* SPDX-License-Identifier: Apache-2.0 */
/* What `hawser run` asks for: its code, from wherever it comes, and in which language. */
#include "broker/cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { CODE_MAX = 7 * 1024 * 1024, DATA_MAX = 4 * 1024 * 1024 };

/* All of a file, or of stdin (path "-"). what: "code". */
static int read_source(const char *path, const char *what, struct buf *out, struct error *err)
{
	_cleanup_close_ int opened = -1;
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = 0;
	ssize_t n;

	if (!is_stdin) {
		opened = open(path, O_RDONLY | O_CLOEXEC);
		fd = opened;
		if (fd < 0)
			return error_set_errno(err, -errno, "reading %s", path);
	}
	do {
		uint8_t *room = buf_reserve(out, 64 * 1024);

		if (!room)
			return error_set(err, -E2BIG, "the %s is over %zu bytes%s", what, out->max,
					 strcmp(what, "code") == 0 ? "; put data into files" : "");
		n = read(fd, room, 64 * 1024);
		if (n < 0 && errno != EINTR)
			return error_set_errno(err, -errno, "reading %s", is_stdin ? "stdin" : path);
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n != 0);
	return 0;
}

static int read_code(const struct cli_args *args, struct buf *out, struct error *err)
{
	const char *path = args->operand_count ? args->operands[0] : "-";
	bool from_stdin = !args->eval && strcmp(path, "-") == 0;
	int r;

	if (args->eval && args->operand_count)
		return error_set(err, -EINVAL, "the code is there twice, as %s and as -e", path);
	if (from_stdin &&
	    ((args->data && strcmp(args->data, "-") == 0) || (args->text && strcmp(args->text, "-") == 0)))
		return error_set(err, -EINVAL,
				 "code and data cannot both come from stdin; give the code by -e or as a file");
	if (args->eval)
		r = buf_append_str(out, args->eval) < 0 ? error_set(err, -E2BIG, "the code is over %d bytes", CODE_MAX)
							: 0;
	else
		r = read_source(path, "code", out, err);
	if (r == 0 && out->len == 0)
		r = error_set(err, -EINVAL, "there is no code in %s", args->eval ? "-e" : from_stdin ? "stdin" : path);
	return r;
}

/* The value of --data or --text: itself, @FILE, or - for stdin. */
static int read_value(const char *value, struct buf *out, struct error *err)
{
	if (strcmp(value, "-") == 0 || value[0] == '@')
		return read_source(value[0] == '@' ? value + 1 : value, "data", out, err);
	return buf_append_str(out, value) < 0 ? error_set(err, -E2BIG, "the data is over %d bytes", DATA_MAX) : 0;
}

static int put_data(const struct cli_args *args, struct buf *out, struct error *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT(DATA_MAX);
	struct span json = SPAN_NONE;
	int r;

	if (args->data && args->text)
		return error_set(err, -EINVAL, "--data and --text say the same thing; give one");
	if (!args->data && !args->text)
		return 0;
	r = read_value(args->data ? args->data : args->text, &value, err);
	if (r == 0 && args->data && span_check(span_of(buf_head(&value), value.len), true, &json, err) < 0) {
		error_wrap(err, "--data is not JSON");
		r = error_set(err, -EINVAL, "%s; --text takes it as a string", error_text(err));
	}
	if (r == 0)
		r = buf_append_str(out, ",\"data\":");
	if (r == 0)
		r = args->data ? buf_append(out, json.p, json.len)
			       : buf_append_json(out, (const char *)buf_head(&value), value.len);
	return r;
}

/* Code travels as JSON text, whose readers do not agree about NUL. */
static int check_code(struct span code, struct error *err)
{
	const char *nul = code.p ? memchr(code.p, 0, code.len) : NULL;
	int line = 1;

	for (const char *p = code.p; nul && p < nul; p++)
		line += *p == '\n';
	return nul ? error_set(err, -EINVAL, "line %d of the code holds a NUL character; write it as an escape", line)
		   : 0;
}

static const struct {
	const char *name, *ends, *words; /* words: of a first line that begins with #! */
} languages[] = {
	{"javascript", ".js .mjs .cjs", "node deno bun"},
	{"python", ".py", "python python3"},
	{"bash", ".sh .bash", "bash sh"},
	{"typescript", ".ts .mts .cts", "tsx ts-node"},
};

static bool listed(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (len > 0 && strcspn(p, " ") == len && strncmp(p, word, len) == 0)
			return true;
	return false;
}

/* By --language, the file's ending, the #! line; JavaScript otherwise. */
static const char *guess_language(const struct cli_args *args, struct span code)
{
	const char *path = args->operand_count && !args->eval ? args->operands[0] : "-", *dot = strrchr(path, '.');
	const char *end = code.p ? memchr(code.p, '\n', code.len) : NULL, *word;

	if (args->language)
		return args->language;
	for (size_t i = 0; dot && i < ARRAY_SIZE(languages); i++)
		if (listed(languages[i].ends, dot, strlen(dot)))
			return languages[i].name;
	if (!end || code.len < 3 || memcmp(code.p, "#!", 2) != 0)
		return languages[0].name;
	for (word = code.p + 2; word < end; word++) {
		size_t n = 0;

		while (word + n < end && (isalnum((unsigned char)word[n]) || word[n] == '.' || word[n] == '-'))
			n++;
		for (size_t i = 0; i < ARRAY_SIZE(languages); i++)
			if (listed(languages[i].words, word, n))
				return languages[i].name;
		word += n;
	}
	return languages[0].name;
}

/* allowed_tools: --allow as it is, --tool-choice as the tools of such servers. */
static int put_allowed(const struct cli_args *args, struct buf *out)
{
	size_t count = 0;
	int r = 0;

	if (args->allow.count + args->servers_only.count == 0)
		return 0;
	r = buf_append_str(out, ",\"allowed_tools\":[");
	for (size_t i = 0; r == 0 && i < args->allow.count; i++) {
		r = buf_append_str(out, count++ ? "," : "");
		if (r == 0)
			r = buf_append_json(out, args->allow.items[i], strlen(args->allow.items[i]));
	}
	for (size_t i = 0; r == 0 && i < args->servers_only.count; i++) {
		_cleanup_free_ char *glob = NULL;

		if (asprintf(&glob, "%s.*", args->servers_only.items[i]) < 0)
			return -ENOMEM;
		r = buf_append_str(out, count++ ? "," : "");
		if (r == 0)
			r = buf_append_json(out, glob, strlen(glob));
	}
	return r < 0 ? r : buf_append_str(out, "]");
}

int cli_put_run_request(const struct cli_args *args, struct buf *out, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(CODE_MAX);
	const char *language;
	struct span code;
	int64_t ms = 0;
	int r = read_code(args, &text, err);

	code = span_of(buf_head(&text), text.len);
	if (r == 0)
		r = check_code(code, err);
	if (r == 0 && args->timeout)
		r = cli_parse_duration(args->timeout, &ms, err);
	if (r < 0)
		return r;
	language = guess_language(args, code);
	r = buf_printf(out, "{\"live\":%s,\"request\":{\"code\":", args->json ? "false" : "true");
	if (r == 0)
		r = buf_append_json(out, code.p, code.len);
	if (r == 0)
		r = buf_append_member(out, "language", language);
	if (r == 0 && ms > 0)
		r = buf_printf(out, ",\"timeout_ms\":%" PRId64, ms);
	if (r == 0 && args->environment)
		r = buf_append_member(out, "environment", args->environment);
	if (r == 0)
		r = put_allowed(args, out);
	if (r < 0)
		return error_set(err, r, "no memory for the request");
	r = put_data(args, out, err);
	if (r == 0 && buf_append_str(out, "}}") < 0)
		r = error_set(err, -ENOMEM, "no memory for the request");
	return r;
}
