/* SPDX-License-Identifier: MIT
 *
 * scale.h: the programs of the experiment `scale`: flows of the runtime call them.
 *
 * Each does `ops` ops in units of its `size`, and returns how many were proved.
 */
#ifndef SCALE_H
#define SCALE_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t scale_program(uint64_t ops, size_t size);
scale_program scale_skynet, scale_sieve, scale_ring, scale_sum, scale_serial;

/* Makes what a program reads, before the first run; 0 or -ENOMEM. scale_discard() takes it. */
int scale_prepare(scale_program *program, size_t size);
void scale_discard(void);

#endif
