/* SPDX-License-Identifier: GPL-2.0-only */
/* Formats without inet_ntop(), which calls printf(): this runs for every event. */
#include "util/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define GROUPS 8

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool address_is_mapped(const uint8_t address[16])
{
	return memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

void address_from_ipv4(const uint8_t ipv4[4], uint8_t out[16])
{
	memcpy(out, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out + sizeof(mapped_prefix), ipv4, 4);
}

bool address_is_wildcard(const uint8_t address[16])
{
	static const uint8_t zero[16];

	return memcmp(address + 12, zero, 4) == 0 &&
	       (address_is_mapped(address) || memcmp(address, zero, 12) == 0);
}

bool address_is_loopback(const uint8_t address[16])
{
	static const uint8_t ipv6[16] = {[15] = 1};

	return address_is_mapped(address) ? address[12] == 127 : !memcmp(address, ipv6, sizeof(ipv6));
}

static char *write_decimal(char *at, unsigned int value)
{
	char digits[10];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

static char *write_hex(char *at, unsigned int value)
{
	int shift = 12;

	while (shift > 0 && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[value >> shift & 0xf];
	return at;
}

/* RFC 5952: "::" stands for the longest run of at least two zero groups, and for the first of equally long ones. */
static void find_zero_run(const unsigned int groups[GROUPS], size_t *first, size_t *end)
{
	*first = *end = GROUPS;
	for (size_t i = 0, next; i < GROUPS; i = next + 1) {
		for (next = i; next < GROUPS && groups[next] == 0;)
			next++;
		if (next - i >= 2 && next - i > *end - *first) {
			*first = i;
			*end = next;
		}
	}
}

static char *write_v6(char *at, const uint8_t address[16])
{
	unsigned int groups[GROUPS];
	size_t first, end;

	for (size_t i = 0; i < GROUPS; i++)
		groups[i] = (unsigned int)address[2 * i] << 8 | address[2 * i + 1];
	find_zero_run(groups, &first, &end);
	for (size_t i = 0; i < GROUPS; i++) {
		if (i == first) {
			*at++ = ':';
			*at++ = ':';
			i = end - 1;
			continue;
		}
		if (i > 0 && i != end)
			*at++ = ':';
		at = write_hex(at, groups[i]);
	}
	return at;
}

static char *write_v4(char *at, const uint8_t bytes[4])
{
	for (size_t i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = write_decimal(at, bytes[i]);
	}
	return at;
}

static char *write_address(char *at, const uint8_t address[16])
{
	return address_is_mapped(address) ? write_v4(at, address + 12) : write_v6(at, address);
}

size_t address_format(const uint8_t address[16], char out[ADDRESS_SIZE])
{
	char *end = write_address(out, address);

	*end = '\0';
	return (size_t)(end - out);
}

static size_t write_port(char *out, char *at, uint16_t port)
{
	*at++ = ':';
	at = write_decimal(at, port);
	*at = '\0';
	return (size_t)(at - out);
}

size_t address_format_bound(const uint8_t address[16], uint16_t port, bool v6only, char out[ADDRESS_PORT_SIZE])
{
	char *at = out;

	if (address_is_mapped(address))
		return write_port(out, write_v4(at, address + 12), port);
	if (address_is_wildcard(address) && !v6only) {
		*at++ = '*';
		return write_port(out, at, port);
	}
	*at++ = '[';
	at = write_v6(at, address);
	*at++ = ']';
	return write_port(out, at, port);
}

size_t address_format_port(const uint8_t address[16], uint16_t port, char out[ADDRESS_PORT_SIZE])
{
	return address_format_bound(address, port, false, out);
}

void address_shorten(char text[ADDRESS_PORT_SIZE], size_t columns)
{
	static const char ellipsis[] = "…";
	char port[sizeof(":65535")], *colon = strrchr(text, ':');
	size_t length = strlen(text), kept, head, tail;
	char *end = colon;

	if (!colon || colon - text <= 1 || length <= columns || strlen(colon) >= sizeof(port))
		return;
	strcpy(port, colon);
	kept = columns > strlen(port) + 1 ? columns - strlen(port) - 1 : 0;
	if (kept < 4) {
		end = text; /* brackets and a digit or two would show nothing */
		kept = 0;
	}
	head = (kept + 1) / 2;
	tail = kept - head;
	memmove(text + head + sizeof(ellipsis) - 1, end - tail, tail);
	memcpy(text + head, ellipsis, sizeof(ellipsis) - 1);
	strcpy(text + head + sizeof(ellipsis) - 1 + tail, port);
}

static int parse_prefix(const char *text, unsigned int bits, unsigned int *prefix)
{
	unsigned int value = 0;

	if (*text == '\0' || strlen(text) > 3)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = 10 * value + (unsigned int)(*text - '0');
	}
	if (value > bits)
		return -EINVAL;
	*prefix = 128 - bits + value;
	return 0;
}

static void clear_beyond(uint8_t address[16], unsigned int prefix)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int kept = prefix > 8 * i ? prefix - 8 * i : 0;

		if (kept < 8)
			address[i] &= (uint8_t)(0xff00U >> kept);
	}
}

int address_parse(const char *text, uint8_t address[16], unsigned int *prefix)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char host[ADDRESS_SIZE];
	unsigned int bits;

	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, address + 12) == 1) {
		memcpy(address, mapped_prefix, sizeof(mapped_prefix));
		bits = 32;
	} else if (inet_pton(AF_INET6, host, address) == 1) {
		bits = 128;
	} else {
		return -EINVAL;
	}
	*prefix = 128;
	if (slash && parse_prefix(slash + 1, bits, prefix))
		return -EINVAL;
	clear_beyond(address, *prefix);
	return 0;
}
