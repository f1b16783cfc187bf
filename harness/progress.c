/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"

enum { BAR_CELLS = 24 };

struct progress {
    bool terminal;
    int columns;
    int round;
    size_t cases, done;
    double budget_s, before_s; /* run time when the round began */
    uint64_t round_start_ns;
};

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return 80;
}

struct progress *progress_begin(const char *record_path)
{
    static struct progress one;
    const char *term = getenv("TERM");
    one = (struct progress){.terminal = isatty(2) && term && strcmp(term, "dumb") != 0,
                            .columns = terminal_columns()};
    fprintf(stderr, "records: %s\n", record_path);
    return &one;
}

void progress_round(struct progress *p, int round, size_t cases, double budget_s,
                    double elapsed_s)
{
    p->round = round;
    p->cases = cases;
    p->done = 0;
    p->budget_s = budget_s;
    p->before_s = elapsed_s;
    p->round_start_ns = bench_now_ns();
}

/* Of the budget where there is one, else of the round. */
static double share_done(const struct progress *p)
{
    double in_round_s = (double)(bench_now_ns() - p->round_start_ns) / 1e9;
    double share = p->budget_s > 0 ? (p->before_s + in_round_s) / p->budget_s
                                   : (double)p->done / (double)(p->cases ? p->cases : 1);
    return share > 1 ? 1 : share;
}

static void time_left(const struct progress *p, char *text, size_t bytes)
{
    double in_round_s = (double)(bench_now_ns() - p->round_start_ns) / 1e9;
    double left_s = p->budget_s - p->before_s - in_round_s;
    if (p->budget_s <= 0)
        left_s = p->done ? in_round_s / (double)p->done * (double)(p->cases - p->done) : 0;
    int seconds = left_s > 0 ? (int)left_s : 0;
    snprintf(text, bytes, "%d:%02d left%s", seconds / 60, seconds % 60,
             p->budget_s > 0 ? " at most" : " in this round");
}

void progress_case(struct progress *p, const char *name)
{
    if (!p->terminal)
        return;
    char bar[BAR_CELLS + 1], left[40], line[400];
    int full = (int)(share_done(p) * BAR_CELLS);
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)full);
    bar[BAR_CELLS] = '\0';
    time_left(p, left, sizeof left);
    snprintf(line, sizeof line, "[%s] %s, round %d, %zu/%zu %s", bar, left, p->round + 1,
             p->done + 1, p->cases, name);
    fprintf(stderr, "\r\033[K%.*s", p->columns - 1, line);
}

void progress_step(struct progress *p)
{
    p->done++;
}

void progress_line(struct progress *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (p->terminal)
        fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void progress_round_done(struct progress *p, int rounds, double took_s, long long rejected,
                         double widest, const char *widest_name)
{
    if (!p->terminal)
        fprintf(stderr, "round %d: %.1f s, %lld rejected so far, widest interval +-%.1f %%%s%s%s\n",
                rounds, took_s, rejected, 100 * widest, widest_name[0] ? " (" : "",
                widest_name, widest_name[0] ? ")" : "");
}

void progress_end(struct progress *p)
{
    if (p->terminal)
        fputs("\r\033[K", stderr);
}
