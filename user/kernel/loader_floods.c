// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/loader_inside.h"
#include "tcpdwell.skel.h"

bool loader_take_flood(struct loader *loader, struct tcpdwell_flood *flood, uint16_t *port)
{
	struct bpf_map *floods = loader->skel->maps.floods;
	struct tcpdwell_flood one;
	uint32_t key;
	bool any = false;

	if (!loader->rodata->cfg_floods || !loader->skel->bss->shared.flooding)
		return false;
	loader->skel->bss->shared.flooding = 0;
	for (int i = 0; i < TCPDWELL_FLOODS; i++) {
		if (bpf_map__get_next_key(floods, NULL, &key, sizeof(key)) ||
		    bpf_map__lookup_elem(floods, &key, sizeof(key), &one, sizeof(one), 0))
			break;
		bpf_map__delete_elem(floods, &key, sizeof(key), 0);
		if (!any || one.folded > flood->folded) {
			*flood = one;
			*port = key;
		}
		any = true;
	}
	return any;
}

void loader_rest_listeners(struct loader *loader)
{
	__atomic_store_n(&loader->skel->bss->shared.listeners_rest, 1, __ATOMIC_SEQ_CST);
}

bool loader_listeners_rest(const struct loader *loader)
{
	return !loader->rodata->cfg_cookies ||
	       __atomic_load_n(&loader->skel->bss->shared.listeners_rest, __ATOMIC_SEQ_CST);
}

/* Asks the kernel side about a listener. Returns true if the socket still listens and is wanted. */
static bool look_at_listener(const struct loader *loader, uint64_t sk, uint64_t key, uint64_t look,
			     struct tcpdwell_cookies *cookies)
{
	uint64_t args[3] = { sk, key, look };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	const struct bpf_program *program = loader->skel->progs.look_at_listener;

	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts) || !opts.retval)
		return false;
	*cookies = loader->skel->bss->cookies_seen;
	return true;
}

void loader_each_cookies(const struct loader *loader, uint64_t look, loader_cookies *visit,
			 void *context)
{
	const struct bpf_map *map = loader->skel->maps.listeners;
	struct tcpdwell_cookies cookies;
	uint64_t sk, next, key;
	bool more = loader->rodata->cfg_cookies &&
		    !bpf_map__get_next_key(map, NULL, &sk, sizeof(sk));

	/*
	 * If an element goes meanwhile, the walk may begin again, so it is bounded by the size of
	 * the map.
	 */
	for (unsigned int i = 0; more && i < TCPDWELL_LISTENERS; i++, sk = next) {
		more = !bpf_map__get_next_key(map, &sk, &next, sizeof(next));
		if (!bpf_map__lookup_elem(map, &sk, sizeof(sk), &key, sizeof(key), 0) &&
		    look_at_listener(loader, sk, key, look, &cookies))
			visit(context, &cookies);
	}
}
