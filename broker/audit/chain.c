/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/audit/chain.h"

#include "base/ids.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

struct audit_hasher {
	EVP_MD_CTX *ctx;
	EVP_MD *md;
};

struct audit_hasher *audit_hasher_new(void)
{
	struct audit_hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	return h->ctx && h->md ? h : audit_hasher_free(h);
}

struct audit_hasher *audit_hasher_free(struct audit_hasher *h)
{
	if (!h)
		return NULL;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
	return NULL;
}

int audit_hash(struct audit_hasher *h, const void *data, size_t n, char ret[AUDIT_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[AUDIT_HEX / 2];

	if (!EVP_DigestInit_ex2(h->ctx, h->md, NULL) || !EVP_DigestUpdate(h->ctx, data, n) ||
	    !EVP_DigestFinal_ex(h->ctx, sum, NULL))
		return -EIO;
	for (size_t i = 0; i < sizeof(sum); i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[AUDIT_HEX] = '\0';
	return 0;
}

const char *audit_line_fault(struct audit_hasher *h, struct span line, const char *prev, char ret[AUDIT_HEX + 1])
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span before;
	char sum[AUDIT_HEX + 1];
	const char *tail;

	if (line.len <= AUDIT_TAIL || span_check(line, true, NULL, &err) < 0)
		return "is not a whole line of the log";
	tail = line.p + line.len - AUDIT_TAIL;
	if (memcmp(tail, ",\"hash\":\"", 9) != 0)
		return "does not end in its hash";
	if (audit_hash(h, line.p, line.len - AUDIT_TAIL, sum) < 0)
		return "cannot be hashed";
	if (memcmp(tail + 9, sum, AUDIT_HEX) != 0)
		return "was changed: its hash does not fit";
	before = span_member(line, "prev");
	if (prev && !span_string_equals(before, prev))
		return "does not follow the line before it: lines were removed, put in or moved";
	memcpy(ret, sum, sizeof(sum));
	return NULL;
}
