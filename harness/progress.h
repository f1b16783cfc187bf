/* SPDX-License-Identifier: MIT
 *
 * progress.h: how far a run is. On a terminal a bar with the time left, rewritten in place;
 * elsewhere one plain line per round. All on stderr.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stddef.h>

struct progress;

struct progress *progress_begin(const char *record_path);
/* A round begins: `cases` trials; budget_s 0 when there is none. */
void progress_round(struct progress *p, int round, size_t cases, double budget_s,
                    double elapsed_s);
void progress_case(struct progress *p, const char *name); /* its trial begins */
void progress_step(struct progress *p);                   /* ...and is done */
void progress_round_done(struct progress *p, int rounds, double took_s, long long rejected,
                         double widest, const char *widest_name);
/* A line that stays, above the bar. */
void progress_line(struct progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void progress_end(struct progress *p);

#endif
