/* SPDX-License-Identifier: MIT
 *
 * flows.c: glibc's ucontext and pthreads, as a peer: the very functions that corobench runs in
 * its own process, run by the dialogue. Their figures must agree with those (README.md).
 */
#include "../../experiments.h"
#include "../../tests/fake_trial.h"
#include "../dialogue.h"

static struct bench_trial trial;

static uint64_t run(uint64_t ops)
{
    return trial.spec->run(&trial, ops);
}

/* The word behind "key=" among the arguments, or "". */
static const char *word(int argc, char **argv, const char *key)
{
    size_t length = strlen(key);
    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], key, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    return "";
}

/* subject=protocol-ucontext site=same: the case of ucontext at that site, on one CPU. */
static const struct bench_case *find(const char *subject, const char *site)
{
    char params[64] = "";
    if (*site)
        snprintf(params, sizeof params, "site=%s", site);
    for (size_t i = 0; i < switch_case_count; i++)
        if (strcmp(switch_cases[i].subject, subject) == 0 &&
            strcmp(switch_cases[i].params, params) == 0)
            return &switch_cases[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const char *subject = word(argc, argv, "subject") + strlen("protocol-");
    trial.spec = find(subject, word(argc, argv, "site"));
    if (!trial.spec)
        return dialogue_skip("corobench has no such case");
    if (trial.spec->setup(&trial))
        return dialogue_skip(trial.skipped[0] ? trial.skipped : "it could not be set up");
    int code = dialogue_hold("glibc, by the same functions as in corobench", run);
    trial.spec->teardown(&trial);
    return code;
}
