/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "guest_trial.h"
#include "trial_state.h"

enum { ARGUMENTS_MAX = 64, FAREWELL_MS = 2000 };

struct guest {
    int to, from; /* its standard input and output, our ends; -1 when closed */
    size_t have;  /* bytes of its output that were read and not used */
    char output[4096];
};

/* -------------------------------------------------------------- starting it */

/* The command, the experiment, the subject, and each parameter as a word of its own. `params` is
 * cut up. */
static void arguments(const struct bench_case *spec, char *subject, char *params,
                      char *argv[ARGUMENTS_MAX])
{
    char *const *command = spec->arg, *rest = params, *word;
    size_t n = 0;
    while (*command && n < ARGUMENTS_MAX - 3)
        argv[n++] = *command++;
    argv[n++] = (char *)spec->experiment;
    argv[n++] = subject;
    while (n < ARGUMENTS_MAX - 1 && (word = strsep(&rest, ",")))
        if (*word)
            argv[n++] = word;
    argv[n] = NULL;
}

static _Noreturn void guest_exec(const struct bench_trial *t, int in, int out, pid_t parent)
{
    char *argv[ARGUMENTS_MAX], subject[256], params[256];
    cpu_set_t home;
    CPU_ZERO(&home);
    for (unsigned flow = 0; flow < BENCH_PLACEMENT_CPUS; flow++)
        if (bench_cpu(t, flow) < CPU_SETSIZE)
            CPU_SET(bench_cpu(t, flow), &home);
    sched_setaffinity(0, sizeof home, &home);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    dup2(in, 0);
    dup2(out, 1);
    snprintf(params, sizeof params, "%s", bench_case_of(t)->params);
    snprintf(subject, sizeof subject, "subject=%s", bench_case_of(t)->subject);
    arguments(bench_case_of(t), subject, params, argv);
    execvp(argv[0], argv);
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int guest_start(struct bench_trial *t, struct guest *guest)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC))
        return -errno;
    if (pipe2(out, O_CLOEXEC)) {
        int err = -errno;
        close(in[0]);
        close(in[1]);
        return err;
    }
    signal(SIGPIPE, SIG_IGN); /* a guest that is gone is an error to report */
    pid_t parent = getpid();
    t->process = fork();
    if (t->process == 0) {
        signal(SIGPIPE, SIG_DFL);
        guest_exec(t, in[0], out[1], parent);
    }
    int err = t->process < 0 ? -errno : 0;
    close(in[0]);
    close(out[1]);
    guest->to = in[1];
    guest->from = out[0];
    t->process = err ? 0 : t->process;
    sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    return err;
}

/* ------------------------------------------------------------- the dialogue */

/* The guest is silent for good: says why, as far as its end tells. */
static int guest_gone(struct bench_trial *t)
{
    int status;
    pid_t pid = t->process;
    t->process = 0;
    kill(pid, SIGKILL); /* it may have closed its output and live */
    if (waitpid(pid, &status, 0) != pid)
        return bench_fail(t, "the peer is gone: %s", strerror(errno));
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        return bench_fail(t, "the peer died of signal %d (%s)", WTERMSIG(status),
                          strsignal(WTERMSIG(status)));
    return bench_fail(t, "the peer stopped answering and ended with exit code %d",
                      WIFEXITED(status) ? WEXITSTATUS(status) : 137);
}

/* The next line of its output, parsed; NULL with the trial failed. */
static json_t *guest_answer(struct bench_trial *t, struct guest *guest)
{
    char *end;
    while (!(end = memchr(guest->output, '\n', guest->have))) {
        if (guest->have == sizeof guest->output)
            return bench_fail(t, "the peer printed no line, but very much"), NULL;
        ssize_t n = read(guest->from, guest->output + guest->have,
                         sizeof guest->output - guest->have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return guest_gone(t), NULL;
        guest->have += (size_t)n;
    }
    size_t length = (size_t)(end - guest->output);
    json_t *answer = json_loadb(guest->output, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(answer)) {
        bench_fail(t, "the peer's answer is no JSON object: %.*s",
                   (int)(length < 60 ? length : 60), guest->output);
        json_decref(answer);
        return NULL;
    }
    guest->have -= length + 1;
    memmove(guest->output, end + 1, guest->have);
    return answer;
}

/* What it says in place of an answer: that it cannot, or that it failed. */
static int guest_refusal(struct bench_trial *t, const json_t *answer)
{
    const char *skipped = json_string_value(json_object_get(answer, "skipped"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (error)
        return bench_fail(t, "the peer says: %s", error);
    if (skipped)
        return bench_skip(t, "%s", skipped);
    char *text = json_dumps(answer, JSON_COMPACT);
    int err = bench_fail(t, "the peer's answer is none: %.60s", text ? text : "");
    free(text);
    return err;
}

int guest_setup(struct bench_trial *t)
{
    struct guest *guest = calloc(1, sizeof *guest);
    if (!guest)
        return -ENOMEM;
    guest->to = guest->from = -1;
    bench_set_state(t, guest);
    int err = guest_start(t, guest);
    if (err)
        return err;
    json_t *answer = guest_answer(t, guest);
    if (!answer)
        return -ECANCELED;
    const char *version = json_string_value(json_object_get(answer, "ready"));
    if (version)
        bench_note(t, "system", "%s", version);
    else
        err = guest_refusal(t, answer);
    json_decref(answer);
    return err;
}

uint64_t guest_run(struct bench_trial *t, uint64_t ops)
{
    struct guest *guest = bench_state(t);
    char order[32];
    int length = snprintf(order, sizeof order, "%llu\n", (unsigned long long)ops);
    if (write(guest->to, order, (size_t)length) != length)
        return guest_gone(t), 0;
    json_t *answer = guest_answer(t, guest);
    if (!answer)
        return 0;
    const json_t *counted = json_object_get(answer, "counted");
    uint64_t count = (uint64_t)json_integer_value(counted);
    if (!json_is_integer(counted))
        guest_refusal(t, answer);
    json_decref(answer);
    return count;
}

/* ------------------------------------------------------------- its farewell */

/* Waits for its end; false when it does not come. */
static bool guest_ends(struct bench_trial *t, int *status)
{
    uint64_t deadline = bench_now_ns() + UINT64_C(1000000) * FAREWELL_MS;
    do {
        if (waitpid(t->process, status, WNOHANG) == t->process)
            return true;
        poll(NULL, 0, 1);
    } while (bench_now_ns() < deadline);
    return false;
}

static void guest_farewell(struct bench_trial *t)
{
    int status, strays = kernel_strays(t->process, t->entry->cpu);
    if (strays > 0)
        bench_fail(t, "%d threads of the peer could leave the placement's CPUs", strays);
    struct guest *guest = bench_state(t);
    close(guest->to);
    guest->to = -1;
    bool over = t->error[0] || t->skipped[0]; /* of such a guest nothing is expected */
    if (over || !guest_ends(t, &status)) {
        kill(t->process, SIGKILL);
        waitpid(t->process, &status, 0);
        if (!over)
            bench_fail(t, "the peer did not end within %d s of its input's end",
                       FAREWELL_MS / 1000);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        bench_fail(t, WIFEXITED(status) ? "the peer ended with exit code %d"
                                        : "the peer died of signal %d as it ended",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
}

void guest_teardown(struct bench_trial *t)
{
    struct guest *guest = bench_state(t);
    if (!guest)
        return;
    if (t->process)
        guest_farewell(t);
    if (guest->to >= 0)
        close(guest->to);
    if (guest->from >= 0)
        close(guest->from);
    free(guest);
}

int bench_guest_main(int argc, char **argv, const char *cases_path, char *const command[])
{
    char error[400];
    const struct bench_experiment *experiment =
        guest_cases_read(cases_path, command, error, sizeof error);
    if (!experiment) {
        fprintf(stderr, "corobench: %s\n", error);
        return 1;
    }
    return bench_main(argc, argv, experiment, 1);
}
