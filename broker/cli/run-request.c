/* SPDX-License-Identifier: Apache-2.0 */
/* What `hawser run` asks for: its code, from wherever it comes, and in which language. */
#include "broker/cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { CODE_MAX = 7 * 1024 * 1024 };

static int read_code(const char *path, struct buf *out, struct error *err)
{
	_cleanup_close_ int opened = -1;
	int fd = 0;
	ssize_t n;

	if (path && strcmp(path, "-") != 0) {
		opened = open(path, O_RDONLY | O_CLOEXEC);
		fd = opened;
		if (fd < 0)
			return error_set_errno(err, -errno, "reading %s", path);
	}
	do {
		uint8_t *room = buf_reserve(out, 64 * 1024);

		if (!room)
			return error_set(err, -E2BIG, "the code is over %d bytes; put data into files", CODE_MAX);
		n = read(fd, room, 64 * 1024);
		if (n < 0 && errno != EINTR)
			return error_set_errno(err, -errno, "reading %s", path ? path : "stdin");
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n != 0);
	if (out->len == 0)
		return error_set(err, -EINVAL, "there is no code in %s", fd > 0 ? path : "stdin");
	return 0;
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
	const char *path = args->operand_count ? args->operands[0] : "-", *dot = strrchr(path, '.');
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

static int put_request(const struct cli_args *args, struct span code, struct buf *out, struct error *err)
{
	const char *language = guess_language(args, code);
	int64_t ms = 0;
	int r = check_code(code, err);

	if (r < 0)
		return r;
	if (args->timeout && (r = cli_parse_duration(args->timeout, &ms, err)) < 0)
		return r;
	r = buf_printf(out, "{\"live\":%s,\"request\":{\"code\":", args->json ? "false" : "true");
	if (r == 0)
		r = buf_append_json(out, code.p, code.len);
	if (r == 0)
		r = buf_append_str(out, ",\"language\":");
	if (r == 0)
		r = buf_append_json(out, language, strlen(language));
	if (r == 0 && ms > 0)
		r = buf_printf(out, ",\"timeout_ms\":%" PRId64, ms);
	for (size_t i = 0; r == 0 && i < args->allow_count; i++) {
		r = buf_append_str(out, i ? "," : ",\"allowed_tools\":[");
		if (r == 0)
			r = buf_append_json(out, args->allow[i], strlen(args->allow[i]));
	}
	if (r == 0)
		r = buf_append_str(out, args->allow_count ? "]}}" : "}}");
	return r < 0 ? error_set(err, r, "the code is over %d bytes; put data into files", CODE_MAX) : 0;
}

int cli_put_run_request(const struct cli_args *args, struct buf *out, struct error *err)
{
	_cleanup_buf_ struct buf code = BUF_INIT(CODE_MAX);
	int r = read_code(args->operand_count ? args->operands[0] : NULL, &code, err);

	return r < 0 ? r : put_request(args, span_of(buf_head(&code), code.len), out, err);
}
