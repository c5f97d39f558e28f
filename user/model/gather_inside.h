/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of gather.h share: gather.c, which begins and ends a look, gather_sockets.c, which
 * makes facts of sockets, and gather_ends.c and gather_sums.c, which sum what happens between two
 * looks.
 */
#ifndef TCPDWELL_GATHER_INSIDE_H
#define TCPDWELL_GATHER_INSIDE_H

#include "model/digest.h"
#include "model/gather.h"
#include "model/keys.h"

/* A list that grows. */
struct list {
	void *items;
	size_t count, room, size;
};

/* A hash table: each item is the index of a list's item, plus one; 0: free. */
struct slots {
	uint32_t *items;
	size_t count; /* 0, or a power of two and at least twice the number of items */
};

/* A client that does no more than look whether a port answers resets the connection that soon. */
#define GATHER_BRIEF_NS 500000000ULL

/* A power of two, and twice the greatest number of ends. */
#define END_SLOTS (2 * GATHER_ENDS)

struct gather {
	struct list sockets; /* facts of the last look, unless there is a digest of them */
	struct digest *digest;
	uint64_t digest_leak_ns;   /* 0: no digest is made */
	struct fact_socket *taken; /* what gather_take() returned; NULL once it is settled */
	size_t taken_count;
	struct list requests;  /* of its listeners; sorted by gather_take() */
	struct keys listeners; /* ports of this look, and of the one before */
	struct list ends;
	struct list failures;
	struct list sums; /* by group */
	struct list processes;
	struct slots process_slots;
	struct list holders; /* sorted by gather_take() */
	struct list cookies;
	struct list first; /* gather_netns of the first look */
	struct list drops;
	struct list last; /* gather_netns of the last look */
	struct list namespaces;
	uint32_t end_index[END_SLOTS]; /* hash table of ends: index + 1; 0: free */
	struct fact_memory memory;
	uint64_t now_ns;	       /* when the sockets are looked at */
	bool narrowed;		       /* the last look left sockets out */
	const struct filters *filters; /* NULL: all sockets are wanted */
	unsigned int looks;
	uint64_t lost;
};

/* What a listener had dropped when it was first seen. */
struct first_drops {
	uint64_t cookie;
	uint64_t drops;
};

/* One handshake of a server; if a digest is made, all handshakes of a port. */
struct request {
	uint32_t netns;
	uint16_t lport;
	uint8_t raddr[16]; /* of one */
	uint32_t count;
	uint32_t old; /* whose SYN-ACK was sent again */
};

/*
 * Returns the state that a connection was closed in, simplified. Of connections that were open, it
 * tells only for resets and timeouts whether this side had sent its FIN.
 */
uint8_t gather_end_from(uint8_t from, uint8_t reason);

/* Adds a copy of @item. Returns 0 or -ENOMEM. */
int gather_list_add(struct list *list, const void *item);

/* Notes the port of a listener, whose other connections are a server's. Returns 0 or -ENOMEM. */
int gather_note_listener(struct gather *g, const struct tcpdwell_socket *socket);

/*
 * Keeps only the ports that listeners among the sockets that were taken have; the next look begins
 * with them. Returns 0 or -ENOMEM.
 */
int gather_forget_listeners(struct gather *g);

/* Adds to each listener among the sockets that were taken its requests. */
void gather_count_requests(struct gather *g);

#endif /* TCPDWELL_GATHER_INSIDE_H */
