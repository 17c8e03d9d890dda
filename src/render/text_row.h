/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A row of the stream. It fits the terminal: addresses are shortened in their middle, then the end of DETAIL is cut.
 * Time, event, process, ports and errno stay whole.
 */
#ifndef PORTTRACE_RENDER_TEXT_ROW_H
#define PORTTRACE_RENDER_TEXT_ROW_H

#include "render/text_out.h"
#include "util/address.h"

void text_row_header(struct render *render);
/* Adds the columns after the time. */
void text_row(struct render *render, const struct report *report, struct text_line *line);

/* Shortens two addresses ("" where there is none) to at most `columns` together; the longer one first. */
void text_fit_addresses(char first[ADDRESS_PORT_SIZE], char second[ADDRESS_PORT_SIZE], size_t columns);

#endif
