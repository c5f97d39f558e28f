// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The same server without frame pointers, unwind tables and debugging information (Makefile). */
#include "forgetful.c"
