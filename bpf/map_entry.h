/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds an entry of a BPF hash map, and adds a missing one. Include it after a declaration of
 * bpf_map_lookup_elem() and bpf_map_update_elem(): the BPF helpers, or the stubs of a unit test.
 */
#ifndef PORTTRACE_MAP_ENTRY_H
#define PORTTRACE_MAP_ENTRY_H

/*
 * Returns the value for `key`. A missing entry is added with the value at `initial`. NULL: the map is full.
 * *added: this call added the entry. If several CPUs miss the same key at the same time, BPF_NOEXIST succeeds
 * on exactly one.
 */
static inline __attribute__((always_inline)) void *map_entry(void *map, const void *key, const void *initial,
							      _Bool *added)
{
	void *value = bpf_map_lookup_elem(map, key);

	*added = 0;
	if (value)
		return value;
	*added = !bpf_map_update_elem(map, key, initial, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

#endif
