/* SPDX-License-Identifier: GPL-2.0-only */
/* Columns of a text on a terminal: display_width.h. */
#include "util/display_width.h"

#include <stdint.h>

/* clang-format off */
/* Characters that take two columns: East_Asian_Width W and F of Unicode 14. */
static const struct { uint32_t first, last; } wide[] = {
	{0x01100, 0x0115f}, {0x0231a, 0x0231b}, {0x02329, 0x0232a}, {0x023e9, 0x023ec},
	{0x023f0, 0x023f0}, {0x023f3, 0x023f3}, {0x025fd, 0x025fe}, {0x02614, 0x02615},
	{0x02648, 0x02653}, {0x0267f, 0x0267f}, {0x02693, 0x02693}, {0x026a1, 0x026a1},
	{0x026aa, 0x026ab}, {0x026bd, 0x026be}, {0x026c4, 0x026c5}, {0x026ce, 0x026ce},
	{0x026d4, 0x026d4}, {0x026ea, 0x026ea}, {0x026f2, 0x026f3}, {0x026f5, 0x026f5},
	{0x026fa, 0x026fa}, {0x026fd, 0x026fd}, {0x02705, 0x02705}, {0x0270a, 0x0270b},
	{0x02728, 0x02728}, {0x0274c, 0x0274c}, {0x0274e, 0x0274e}, {0x02753, 0x02755},
	{0x02757, 0x02757}, {0x02795, 0x02797}, {0x027b0, 0x027b0}, {0x027bf, 0x027bf},
	{0x02b1b, 0x02b1c}, {0x02b50, 0x02b50}, {0x02b55, 0x02b55}, {0x02e80, 0x0303e},
	{0x03041, 0x03247}, {0x03250, 0x04dbf}, {0x04e00, 0x0a4c6}, {0x0a960, 0x0a97c},
	{0x0ac00, 0x0d7a3}, {0x0f900, 0x0fad9}, {0x0fe10, 0x0fe19}, {0x0fe30, 0x0fe6b},
	{0x0ff01, 0x0ff60}, {0x0ffe0, 0x0ffe6}, {0x16fe0, 0x1b2fb}, {0x1f004, 0x1f004},
	{0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320},
	{0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca},
	{0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4}, {0x1f3f8, 0x1f43e},
	{0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e},
	{0x1f550, 0x1f567}, {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4},
	{0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2},
	{0x1f6d5, 0x1f6df}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7f0},
	{0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faf6},
	{0x20000, 0x3fffd},
};
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_wide(uint32_t character)
{
	size_t low = 0, high = COUNT_OF(wide);

	if (character < wide[0].first)
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (character > wide[middle].last)
			low = middle + 1;
		else if (character < wide[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t display_next(const char *text, size_t length, size_t *columns)
{
	unsigned char first = (unsigned char)text[0];
	uint32_t character = first < 0xe0 ? first & 0x1f : first < 0xf0 ? first & 0x0f : first & 0x07;
	size_t bytes = 1;

	*columns = 1;
	if (first < 0x80)
		return 1;
	for (; bytes < length && is_continuation(text[bytes]); bytes++)
		character = character << 6 | ((unsigned char)text[bytes] & 0x3f);
	if (is_wide(character))
		*columns = 2;
	return bytes;
}

size_t display_width(const char *text, size_t length)
{
	size_t width = 0, columns;

	for (size_t at = 0; at < length; width += columns)
		at += display_next(text + at, length - at, &columns);
	return width;
}

size_t display_fit(const char *text, size_t length, size_t columns)
{
	size_t at = 0, used = 0, next, width;

	for (; at < length; at += next, used += width) {
		next = display_next(text + at, length - at, &width);
		if (used + width > columns)
			break;
	}
	return at;
}

size_t display_wrap(const char *text, size_t length, size_t columns)
{
	size_t fits = display_fit(text, length, columns), end = fits;

	if (fits == length)
		return length;
	while (end > 0 && text[end] != ' ')
		end--;
	return end > 0 ? end : fits;
}
