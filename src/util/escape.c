/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/escape.h"

#include <stdint.h>
#include <string.h>

/* The longest escape: \U and eight digits. */
#define ESCAPE_MAX 10

/*
 * Characters that are invisible or move others: format characters (Unicode category Cf), line and paragraph separators,
 * fillers and variation selectors. Sorted.
 */
static const struct {
	uint32_t first, last;
} invisible[] = {
	{ 0x00ad, 0x00ad },   { 0x034f, 0x034f },   { 0x0600, 0x0605 },   { 0x061c, 0x061c },
	{ 0x06dd, 0x06dd },   { 0x070f, 0x070f },   { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },
	{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },
	{ 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },
	{ 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_invisible(uint32_t character)
{
	for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++) {
		if (character <= invisible[i].last)
			return character >= invisible[i].first;
	}
	return false;
}

/* Length of the UTF-8 sequence at `bytes`; 0: not valid (RFC 3629: shortest form only, no surrogates). */
static size_t decode(const unsigned char *bytes, size_t length, uint32_t *character)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = bytes[0];
	size_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 :
		      lead < 0xf5 ? 4 : 0;
	uint32_t value;

	if (size == 0 || size > length)
		return 0;
	value = size == 1 ? lead : lead & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3fU);
	}
	if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*character = value;
	return size;
}

/* Writes a backslash, `letter` and `digits` hex digits; returns the length. */
static size_t write_escape(char *out, char letter, uint32_t value, int digits)
{
	size_t length = 0;

	out[length++] = '\\';
	out[length++] = letter;
	for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
		out[length++] = "0123456789abcdef"[value >> shift & 0xf];
	return length;
}

/* Escapes the character at `bytes` into `out`. Returns the number of source bytes. */
static size_t terminal_character(const unsigned char *bytes, size_t length, char *out,
				 size_t *out_length)
{
	uint32_t character;
	size_t size = decode(bytes, length, &character);

	if (size == 0 || character < 0x20 || character == 0x7f) {
		*out_length = write_escape(out, 'x', bytes[0], 2);
		return 1;
	}
	if (character == '\\') {
		memcpy(out, "\\\\", 2);
		*out_length = 2;
	} else if (character >= 0x80 && (character < 0xa0 || is_invisible(character))) {
		*out_length = character > 0xffff ? write_escape(out, 'U', character, 8) :
						   write_escape(out, 'u', character, 4);
	} else {
		memcpy(out, bytes, size);
		*out_length = size;
	}
	return size;
}

size_t escape_terminal(char *out, size_t size, const char *bytes, size_t length)
{
	const unsigned char *at = (const unsigned char *)bytes;
	size_t used = 0;

	while (length > 0) {
		char piece[ESCAPE_MAX];
		size_t piece_length;
		size_t taken = terminal_character(at, length, piece, &piece_length);

		if (used + piece_length >= size)
			break;
		memcpy(out + used, piece, piece_length);
		used += piece_length;
		at += taken;
		length -= taken;
	}
	out[used] = '\0';
	return used;
}

size_t escape_json(char *out, size_t size, const char *bytes, size_t length)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *at = (const unsigned char *)bytes;
	size_t used = 0;

	while (length > 0) {
		uint32_t character;
		size_t taken = decode(at, length, &character);
		const void *piece = taken ? (const void *)at : replacement;
		size_t piece_length = taken ? taken : sizeof(replacement) - 1;

		if (used + piece_length >= size)
			break;
		memcpy(out + used, piece, piece_length);
		used += piece_length;
		at += taken ? taken : 1;
		length -= taken ? taken : 1;
	}
	out[used] = '\0';
	return used;
}

bool escape_is_utf8(const char *bytes, size_t length)
{
	const unsigned char *at = (const unsigned char *)bytes;

	while (length > 0) {
		uint32_t character;
		uint64_t eight;
		size_t size;

		/* Most text is ASCII: check eight bytes at a time. */
		if (length >= sizeof(eight)) {
			memcpy(&eight, at, sizeof(eight));
			if (!(eight & 0x8080808080808080ULL)) {
				at += sizeof(eight);
				length -= sizeof(eight);
				continue;
			}
		}
		size = decode(at, length, &character);
		if (size == 0)
			return false;
		at += size;
		length -= size;
	}
	return true;
}
