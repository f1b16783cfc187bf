/* SPDX-License-Identifier: MIT
 *
 * oslevel.h: counts the kernel's switches of this process around some flow switches. For the
 * experiment `oslevel` here and in the peers; they have the metrics' names from here alone.
 *
 * getrusage() counts all threads, ended ones too. A child process's are not in it.
 */
#ifndef OSLEVEL_H
#define OSLEVEL_H

#include <sys/resource.h>
#include "bench.h"

struct oslevel {
    struct rusage before;
};

static inline void oslevel_begin(struct oslevel *o)
{
    getrusage(RUSAGE_SELF, &o->before);
}

/* Reports the kernel's switches since, per 10^6 of `flow_switches`, which `source` counted. */
static inline void oslevel_end(const struct oslevel *o, struct bench_trial *t,
                               double flow_switches, const char *source)
{
    static const char unit[] = "kernel switches per 10^6 flow switches";
    double millions = flow_switches / 1e6;
    struct rusage now;

    getrusage(RUSAGE_SELF, &now);
    bench_metric(t, "voluntary", unit, "rusage",
                 (double)(now.ru_nvcsw - o->before.ru_nvcsw) / millions);
    bench_metric(t, "involuntary", unit, "rusage",
                 (double)(now.ru_nivcsw - o->before.ru_nivcsw) / millions);
    bench_metric(t, "flow_switches", "switches", source, flow_switches);
}

#endif
