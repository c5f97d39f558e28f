/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two functions that libelf.a of elfutils 0.192 (Debian trixie) calls but does not contain, since
 * its libeu.a is not installed (https://sourceware.org/bugzilla/show_bug.cgi?id=32293).
 *
 * They begin and end the tree of raw chunks, which only elf_getdata_rawchunk() fills. libbpf does
 * not call that, so the tree stays empty and there is nothing to do. If something calls it one day,
 * the link fails because eu_tsearch() is missing, rather than the program. The functions are weak,
 * so that a complete libelf.a brings its own.
 */
void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *));

__attribute__((weak)) void eu_search_tree_init(void *tree)
{
	(void)tree;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree, void (*free_node)(void *))
{
	(void)tree;
	(void)free_node;
}
