/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages between the tracer and the process that reads files for it (symbol_worker.h). Each
 * message is one record, over a socket that keeps messages apart, with descriptors beside them.
 * Both ends are the same program, so the layout is what the compiler makes of it.
 *
 * A file may have turned the worker against the tracer. So each answer is checked before anything
 * in it is used.
 */
#ifndef TCPDWELL_SYMBOL_WIRE_H
#define TCPDWELL_SYMBOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/elf_image.h"
#include "host/unwind.h"

/* Files that the worker has open at a time. The tracer says which is which. */
#define SYMBOL_SLOTS 256

/* Bytes of a name or a path with its NUL. A longer one is cut. */
#define SYMBOL_TEXT_BYTES 512

enum symbol_op {
	SYMBOL_OPEN,  /* sets a slot's file from now on; answered with its image */
	SYMBOL_DEBUG, /* what was stripped from it, before the first of the following */
	SYMBOL_RULE,  /* asks how to go on from the address @value of the file */
	SYMBOL_FIND,  /* asks for the name and the line of that address */
	SYMBOL_CALL,  /* asks whether the code before the byte @value of the file is a call */
	SYMBOL_PERF,  /* asks for the name of @value in a map of names that comes along */
	SYMBOL_OPS,
};

struct symbol_request {
	uint64_t serial;
	uint64_t value;
	uint32_t op;
	uint32_t slot;
};

/* An answer. What was not asked for is 0. */
struct symbol_answer {
	uint64_t serial; /* the request's */
	int32_t status;	 /* 0, or -errno: there is nothing; -E2BIG: too large, see large */
	uint32_t known;	 /* 1: there is a rule, a call, a name */
	uint32_t retire; /* 1: this worker has used much, and another one should go on */
	uint32_t large;	 /* enum elf_sections: what of the file is too large and left out */
	struct elf_image image;
	struct unwind_rule rule;
	uint64_t into;
	uint32_t line;
	char function[SYMBOL_TEXT_BYTES]; /* empty: not known */
	char file[SYMBOL_TEXT_BYTES];
};

/* Returns true if these bytes are an answer to the request, with nothing impossible in it. */
bool symbol_answer_is_good(const struct symbol_answer *answer, size_t len,
			   const struct symbol_request *request);

/* Does the same for a request. @fds is the number of descriptors that came along. */
bool symbol_request_is_good(const struct symbol_request *request, size_t len, size_t fds);

#endif /* TCPDWELL_SYMBOL_WIRE_H */
