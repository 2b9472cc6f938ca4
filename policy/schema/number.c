/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/number.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Significant digits first ... last (a '.' may stand among them); the first one counts 10^scale. */
struct decimal {
	bool negative, zero;
	const char *first, *last;
	int64_t scale;
	int64_t digits;
};

enum { SCALE_MOST = 1000000000 };

static int64_t read_exponent(const char *p, const char *end)
{
	bool negative = p < end && *p == '-';
	int64_t value = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end && value < SCALE_MOST; p++)
		value = value * 10 + (*p - '0');
	return negative ? -value : value;
}

static struct decimal read_decimal(struct span n)
{
	struct decimal d = {.negative = n.p[0] == '-', .zero = true};
	const char *p = n.p + d.negative, *end = n.p + n.len;
	const char *mantissa_end = p;
	int64_t whole = 0, before = 0; /* digits in front of the point; digits in front of the first that is not 0 */
	bool point = false;

	for (; mantissa_end < end && *mantissa_end != 'e' && *mantissa_end != 'E'; mantissa_end++) {
		if (*mantissa_end == '.') {
			point = true;
			continue;
		}
		if (!point)
			whole++;
		if (*mantissa_end != '0') {
			if (d.zero)
				d.first = mantissa_end;
			d.zero = false;
			d.last = mantissa_end;
		}
		if (d.zero)
			before++;
	}
	if (d.zero)
		return (struct decimal){.zero = true};
	for (p = d.first; p <= d.last; p++)
		d.digits += *p != '.';
	d.scale = whole - 1 - before;
	if (mantissa_end < end)
		d.scale += read_exponent(mantissa_end + 1, end);
	return d;
}

static int compare_digits(const struct decimal *a, const struct decimal *b)
{
	const char *p = a->first, *q = b->first;

	for (;;) {
		if (p <= a->last && *p == '.')
			p++;
		if (q <= b->last && *q == '.')
			q++;
		if (p > a->last || q > b->last)
			return (p <= a->last) - (q <= b->last);
		if (*p != *q)
			return *p - *q;
		p++;
		q++;
	}
}

int number_compare(struct span a, struct span b)
{
	struct decimal x = read_decimal(a), y = read_decimal(b);
	int size;

	if (x.zero || y.zero)
		return x.zero && y.zero ? 0 : x.zero ? (y.negative ? 1 : -1) : (x.negative ? -1 : 1);
	if (x.negative != y.negative)
		return x.negative ? -1 : 1;
	size = x.scale != y.scale ? (x.scale > y.scale ? 1 : -1) : compare_digits(&x, &y);
	return x.negative ? -size : size;
}

bool number_is_integer(struct span n)
{
	struct decimal d = read_decimal(n);

	return d.zero || d.scale - (d.digits - 1) >= 0;
}

/* The digits as an integer, with 10^scale for the last one raised to scale; false: over 18 digits. */
static bool scaled(const struct decimal *d, int64_t scale, int64_t *ret)
{
	int64_t zeros = d->scale - (d->digits - 1) - scale, value = 0;

	if (zeros < 0 || d->digits + zeros > 18)
		return false;
	for (const char *p = d->first; p <= d->last; p++)
		if (*p != '.')
			value = value * 10 + (*p - '0');
	while (zeros-- > 0)
		value *= 10;
	*ret = value;
	return true;
}

bool number_is_multiple(struct span n, struct span of)
{
	struct decimal a = read_decimal(n), b = read_decimal(of);
	int64_t low_a = a.scale - (a.digits - 1), low_b = b.scale - (b.digits - 1), x, y;
	double quotient;

	if (a.zero || b.zero)
		return true; /* a schema must not say 0 */
	if (scaled(&a, low_a < low_b ? low_a : low_b, &x) && scaled(&b, low_a < low_b ? low_a : low_b, &y)) {
		assert(y != 0); /* a digit of b is not 0 */
		return x % y == 0;
	}
	quotient = span_double(n) / span_double(of);
	if (!isfinite(quotient))
		return number_is_integer(n) && span_double(of) > 0 && fmod(1.0, span_double(of)) == 0;
	return quotient == floor(quotient);
}
