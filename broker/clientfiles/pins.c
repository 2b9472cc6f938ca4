/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/pins.h"

#include "base/ids.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { HASH_SIZE = 32, CHUNK = 64 * 1024 };

char *pins_path(const char *state_dir, const char *file)
{
	unsigned char hash[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1], *path;

	if (EVP_Digest(file, strlen(file), hash, NULL, EVP_sha256(), NULL) != 1)
		return NULL;
	return asprintf(&path, "%s/pins/%s", state_dir, hex_encode(hex, hash, sizeof(hash))) < 0 ? NULL : path;
}

bool pins_match(const char *pin, const struct buf *text, bool *ret_there)
{
	_cleanup_close_ int fd = open(pin, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char chunk[CHUNK];
	size_t at = 0;
	ssize_t n;

	*ret_there = fd >= 0;
	if (fd < 0)
		return false;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		if ((size_t)n > text->len - at || memcmp(buf_head(text) + at, chunk, (size_t)n) != 0)
			return false;
		at += (size_t)n;
	}
	return n == 0 && at == text->len;
}
