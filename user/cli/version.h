/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TCPDWELL_VERSION_H
#define TCPDWELL_VERSION_H

#define TCPDWELL_VERSION "0.1.0"

#endif /* TCPDWELL_VERSION_H */
