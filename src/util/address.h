/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Formats and parses addresses. An address is 16 bytes; IPv4 is mapped (::ffff:a.b.c.d) and formatted as IPv4.
 */
#ifndef PORTTRACE_UTIL_ADDRESS_H
#define PORTTRACE_UTIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Size of the text of an address, and of one with brackets and port, NUL included. */
#define ADDRESS_SIZE	  46
#define ADDRESS_PORT_SIZE (ADDRESS_SIZE + 8)

bool address_is_mapped(const uint8_t address[16]);
/* 0.0.0.0 or :: */
bool address_is_wildcard(const uint8_t address[16]);
/* The mapped form of an IPv4 address in network order. */
void address_from_ipv4(const uint8_t ipv4[4], uint8_t out[16]);
/* 127.0.0.0/8 or ::1 */
bool address_is_loopback(const uint8_t address[16]);

/* Both write NUL-terminated text and return its length. */

/* "10.0.0.5", "::1" (RFC 5952), "0.0.0.0" and "::" for the wildcards */
size_t address_format(const uint8_t address[16], char out[ADDRESS_SIZE]);
/* "10.0.0.5:80", "[::1]:80", "0.0.0.0:80"; "*:80" for ::, which takes IPv4 too */
size_t address_format_port(const uint8_t address[16], uint16_t port, char out[ADDRESS_PORT_SIZE]);
/* The same for the address that a socket is bound to, as in ss: with IPV6_V6ONLY, :: is "[::]:80". */
size_t address_format_bound(const uint8_t address[16], uint16_t port, bool v6only, char out[ADDRESS_PORT_SIZE]);

/*
 * Shortens the text of an address with port in its middle to at most `columns`: "[2001:db8…7334]:443", "…:443". The
 * port stays whole, even where the text is wider for it.
 */
void address_shorten(char text[ADDRESS_PORT_SIZE], size_t columns);

/*
 * Parses "10.0.0.5", "10.0.0.0/8", "fe80::/10". *prefix: bits of the 16 bytes, so 96 + n for IPv4; 128 if the
 * text has none. Clears address bits beyond the prefix. 0 or -EINVAL.
 */
int address_parse(const char *text, uint8_t address[16], unsigned int *prefix);

#endif
