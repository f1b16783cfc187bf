/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "record.h"
#include "sysfile.h"

volatile sig_atomic_t bench_interrupted;

enum { OUTPUT_MAX_BYTES = 16 << 20, ARGUMENTS_MAX = 32, PADDING_MAX_BYTES = 4096 };
/* An op of thousands of instructions takes long to step, and tells little. */
enum { COUNT_TIMEOUT_S = 2 };

/* --------------------------------------------------------------- a child */

struct output {
    char *bytes;
    size_t length, capacity;
};

struct child {
    pid_t pid;
    int exited;           /* pidfd: readable once the child has ended */
    int pipe[2];          /* its standard output and error, our ends; -1 when closed */
    struct output out[2];
    int status;
};

/* Another size of environment moves the stack of any program, and with it every alignment that a
 * layout effect may hang on: each trial draws its own (DESIGN rule 8). Ours then begin their runs
 * where the runner says (trial.h). */
static void pad_environment(void)
{
    char padding[PADDING_MAX_BYTES];
    unsigned seed = 0;
    if (syscall(SYS_getrandom, &seed, sizeof seed, 0) < 0)
        seed = (unsigned)getpid();
    size_t length = seed % (sizeof padding - 1);
    memset(padding, 'x', length);
    padding[length] = '\0';
    setenv("COROBENCH_PADDING", padding, 1);
}

static _Noreturn void child_exec(char *const argv[], int out, int err, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(err, 2);
    pad_environment();
    execv(argv[0], argv);
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int child_start(struct child *child, char *const argv[])
{
    int out[2], err[2];
    memset(child, 0, sizeof *child);
    if (pipe2(out, O_CLOEXEC))
        return -errno;
    if (pipe2(err, O_CLOEXEC)) {
        int code = -errno;
        close(out[0]);
        close(out[1]);
        return code;
    }
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0)
        child_exec(argv, out[1], err[1], parent);
    int code = child->pid < 0 ? -errno : 0;
    close(out[1]);
    close(err[1]);
    child->pipe[0] = out[0];
    child->pipe[1] = err[0];
    child->exited = code ? -1 : (int)syscall(SYS_pidfd_open, child->pid, 0);
    for (int i = 0; i < 2; i++)
        fcntl(child->pipe[i], F_SETFL, O_NONBLOCK);
    return code;
}

/* Reads what there is. False when the child printed more than anyone wants. */
static bool drain(struct child *child, int i)
{
    struct output *out = &child->out[i];
    for (;;) {
        if (out->length + 4096 > out->capacity) {
            size_t capacity = out->capacity ? 2 * out->capacity : 16384;
            char *grown = capacity > OUTPUT_MAX_BYTES ? NULL : realloc(out->bytes, capacity);
            if (!grown)
                return false;
            out->bytes = grown;
            out->capacity = capacity;
        }
        ssize_t n = read(child->pipe[i], out->bytes + out->length,
                         out->capacity - out->length - 1);
        if (n < 0)
            return true; /* EAGAIN, EINTR */
        if (n == 0) {
            close(child->pipe[i]);
            child->pipe[i] = -1;
            return true;
        }
        out->length += (size_t)n;
    }
}

/* Waits for the child's end (not for its pipes' end: a daemon it left may hold them). */
static const char *child_wait(struct child *child, double timeout_s)
{
    uint64_t deadline = bench_now_ns() + (uint64_t)(timeout_s * 1e9);
    for (;;) {
        struct pollfd fds[3] = {{.fd = child->pipe[0], .events = POLLIN},
                                {.fd = child->pipe[1], .events = POLLIN},
                                {.fd = child->exited, .events = POLLIN}};
        uint64_t now = bench_now_ns();
        if (bench_interrupted)
            return "interrupted";
        if (now >= deadline)
            return "it ran out of time";
        /* At most 100 ms, so that a signal which comes just before poll() is not missed. */
        int left_ms = (int)((deadline - now) / 1000000u) + 1;
        poll(fds, 3, left_ms < 100 ? left_ms : 100);
        for (int i = 0; i < 2; i++)
            if (child->pipe[i] >= 0 && !drain(child, i))
                return "it printed too much";
        if (waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
            child->pid = 0;
            for (int i = 0; i < 2; i++)
                if (child->pipe[i] >= 0)
                    drain(child, i);
            return NULL;
        }
    }
}

/* True when this process has no child any more: those that ended are taken note of. Children that
 * lost their parent are given to this one (PR_SET_CHILD_SUBREAPER). */
static bool no_child_left(void)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    return pid < 0;
}

static bool is_my_child(const char *pid, char *name, size_t bytes)
{
    char path[300], line[256];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    if (bench_sysfile_line(path, line, sizeof line))
        return false;
    char *open = strchr(line, '('), *close = strrchr(line, ')'); /* PID (NAME) STATE PARENT */
    if (!open || !close || sscanf(close, ") %*c %d", &parent) != 1 || parent != getpid())
        return false;
    snprintf(name, bytes, "%.*s", (int)(close - open - 1), open + 1);
    return true;
}

/* Kills every child that there is, and writes the name of one. */
static void kill_children(char *name, size_t bytes)
{
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));)
        if (atoi(entry->d_name) > 0 && is_my_child(entry->d_name, name, bytes))
            kill(atoi(entry->d_name), SIGKILL);
    if (processes)
        closedir(processes);
}

/* The program has ended: so must, within moments, all that it started. What does not is killed,
 * and named: it would run beside the trials to come. */
static bool left_processes(char *name, size_t bytes)
{
    enum { GRACE_MS = 200, DEATH_MS = 1000 };
    bool left = false;
    for (int ms = 0; !no_child_left() && ms < GRACE_MS + DEATH_MS; ms++) {
        if (ms >= GRACE_MS) {
            left = true;
            kill_children(name, bytes);
        }
        poll(NULL, 0, 1);
    }
    return left;
}

/* Ends the child and all that it started, and takes what it printed. */
static void child_end(struct child *child, pid_t group)
{
    kill(-group, SIGKILL);
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, &child->status, 0);
    }
    for (int i = 0; i < 2; i++) {
        if (child->pipe[i] >= 0)
            close(child->pipe[i]);
        if (child->out[i].bytes)
            child->out[i].bytes[child->out[i].length] = '\0';
    }
    if (child->exited >= 0)
        close(child->exited);
}

static void free_outputs(struct child *child)
{
    free(child->out[0].bytes);
    free(child->out[1].bytes);
}

/* The last line that the child wrote to its standard error, for the user. */
static const char *last_words(struct child *child)
{
    char *text = child->out[1].bytes;
    if (!text)
        return "";
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    char *line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

/* Runs argv; on success (exit 0 or 77) its standard output, to free(). */
static char *run_child(char *const argv[], double timeout_s, char *error, size_t error_bytes)
{
    struct child child;
    char stray[64] = "";
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int err = child_start(&child, argv);
    if (err) {
        snprintf(error, error_bytes, "cannot start %s: %s", argv[0], strerror(-err));
        if (child.pid < 0)
            for (int i = 0; i < 2; i++)
                close(child.pipe[i]);
        return NULL;
    }
    pid_t group = child.pid;
    setpgid(group, group); /* whoever is first: the child does the same */
    const char *why = child_wait(&child, timeout_s);
    bool left = !why && left_processes(stray, sizeof stray);
    child_end(&child, group);
    if (why)
        left_processes(stray, sizeof stray);
    bool fine = !why && WIFEXITED(child.status) &&
                (WEXITSTATUS(child.status) == 0 || WEXITSTATUS(child.status) == 77);
    char *output = NULL;
    if (why)
        snprintf(error, error_bytes, "%s (killed after %.0f s at most)", why, timeout_s);
    else if (WIFSIGNALED(child.status))
        snprintf(error, error_bytes, "it died of signal %d (%s): %s",
                 WTERMSIG(child.status), strsignal(WTERMSIG(child.status)),
                 last_words(&child));
    else if (left)
        snprintf(error, error_bytes, "it left a process behind: %s (killed)", stray);
    else if (!fine && !child.out[0].length)
        snprintf(error, error_bytes, "it ended with exit code %d: %s",
                 WEXITSTATUS(child.status), last_words(&child));
    else
        output = child.out[0].bytes ? strdup(child.out[0].bytes) : strdup("");
    free_outputs(&child);
    return output;
}

/* ------------------------------------------------------------ the programs */

static bool is_executable_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool own_path(char *path, size_t bytes)
{
    ssize_t n = readlink("/proc/self/exe", path, bytes - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    return true;
}

static int peers_folder(char *folder, size_t bytes)
{
    char own[2048];
    if (!own_path(own, sizeof own))
        return -ENOENT;
    *strrchr(own, '/') = '\0';
    return snprintf(folder, bytes, "%s/peers", own) < (int)bytes ? 0 : -ENAMETOOLONG;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The peer of which `entry` of the folder tells; false where it tells of none. */
static bool program_init(struct bench_program *program, const char *folder, const char *entry)
{
    bool is_file = strncmp(entry, "peer-", 5) == 0;
    const char *name = is_file ? entry + 5 : entry;
    if (strlen(name) >= sizeof program->name)
        return false;
    snprintf(program->name, sizeof program->name, "%s", name);
    snprintf(program->path, sizeof program->path, is_file ? "%s/peer-%s" : "%s/%s/peer-%s",
             folder, name, name);
    return is_executable_file(program->path);
}

size_t bench_programs_find(struct bench_program *programs, size_t capacity)
{
    char folder[2100];
    struct dirent **names = NULL;
    if (capacity == 0 || !own_path(programs[0].path, sizeof programs[0].path))
        return 0;
    snprintf(programs[0].name, sizeof programs[0].name, "corobench");
    size_t count = 1;
    int found = peers_folder(folder, sizeof folder) ? 0
                                                    : scandir(folder, &names, not_hidden,
                                                              alphasort);
    for (int i = 0; i < found; i++) {
        count += count < capacity &&
                 program_init(&programs[count], folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return count;
}

json_t *bench_peers_json(const struct bench_program *programs, size_t count)
{
    json_t *peers = json_array();
    for (size_t i = 1; i < count; i++)
        json_array_append_new(peers, json_pack("{s:s, s:s, s:s}", "name",
                                               programs[i].name, "status", "present",
                                               "reason", ""));
    char folder[2100], path[2200], line[512];
    if (peers_folder(folder, sizeof folder))
        return peers;
    snprintf(path, sizeof path, "%s/absent", folder);
    FILE *file = fopen(path, "re"); /* lines "NAME: REASON", written by the build */
    while (file && fgets(line, sizeof line, file)) {
        char *reason = strstr(line, ": ");
        if (!reason)
            continue;
        *reason = '\0';
        reason[strcspn(reason + 2, "\n") + 2] = '\0';
        json_array_append_new(peers,
                              json_pack("{s:s, s:s, s:o}", "name", line, "status", "absent",
                                        "reason", bench_json_text(reason + 2)));
    }
    if (file)
        fclose(file);
    return peers;
}

static bool case_has_shape(const json_t *c)
{
    return json_is_string(json_object_get(c, "case")) &&
           json_is_string(json_object_get(c, "experiment")) &&
           json_is_string(json_object_get(c, "profile"));
}

json_t *bench_program_list(const struct bench_program *program, char *error,
                           size_t error_bytes)
{
    char *argv[] = {(char *)program->path, "list", "--format", "json", NULL};
    char why[400];
    char *output = run_child(argv, 30, why, sizeof why);
    if (!output) {
        snprintf(error, error_bytes, "%s: cannot list its cases: %s", program->name, why);
        return NULL;
    }
    json_t *cases = json_array();
    char *rest = output, *line;
    while (cases && (line = strsep(&rest, "\n"))) {
        if (!*line)
            continue;
        json_t *c = json_loads(line, 0, NULL);
        if (!c || !case_has_shape(c)) {
            snprintf(error, error_bytes, "%s: its list has a line that is no case: %.60s",
                     program->name, line);
            json_decref(c);
            json_decref(cases);
            cases = NULL;
            break;
        }
        json_array_append_new(cases, c);
    }
    free(output);
    return cases;
}

static bool null_or_string(const json_t *value)
{
    return json_is_null(value) || json_is_string(value);
}

static const char *record_fault(const json_t *record, const char *case_name)
{
    const char *kind = json_string_value(json_object_get(record, "kind"));
    const char *name = json_string_value(json_object_get(record, "case"));
    const char *key;
    json_t *metric;
    if (!kind || strcmp(kind, "trial") != 0)
        return "it is not a trial record";
    if (!name || strcmp(name, case_name) != 0)
        return "it is the record of another case";
    if (!json_is_object(json_object_get(record, "metrics")) ||
        !json_is_object(json_object_get(record, "checks")) ||
        !json_is_array(json_object_get(record, "flags")) ||
        !null_or_string(json_object_get(record, "skipped")) ||
        !null_or_string(json_object_get(record, "error")))
        return "metrics, checks, flags, skipped or error is missing";
    json_object_foreach (json_object_get(record, "metrics"), key, metric) {
        const json_t *value = json_object_get(metric, "value");
        if (!json_is_number(value) &&
            !(json_is_null(value) && json_is_string(json_object_get(metric, "reason"))))
            return "a metric is neither a number nor null with a reason";
    }
    return NULL;
}

json_t *bench_program_trial(const struct bench_program *program, const char *case_name,
                            const char *const *arguments, double timeout_s, char *error,
                            size_t error_bytes)
{
    char *argv[ARGUMENTS_MAX] = {(char *)program->path, "trial", (char *)case_name};
    size_t n = 3;
    for (; arguments && *arguments && n < ARGUMENTS_MAX - 1; arguments++)
        argv[n++] = (char *)*arguments;
    char *output = run_child(argv, timeout_s, error, error_bytes);
    if (!output)
        return NULL;
    json_error_t why;
    json_t *record = json_loads(output, JSON_REJECT_DUPLICATES, &why);
    const char *fault = record ? record_fault(record, case_name) : why.text;
    if (fault) {
        snprintf(error, error_bytes, "what it printed is no record: %s", fault);
        json_decref(record);
        record = NULL;
    }
    free(output);
    return record;
}

json_t *bench_program_count(const struct bench_program *program, const char *case_name,
                            char *error, size_t error_bytes)
{
    char *argv[] = {(char *)program->path, "count", (char *)case_name, "--format", "json",
                    "--no-disassembly", "--ops", "16", NULL};
    char *output = run_child(argv, COUNT_TIMEOUT_S, error, error_bytes);
    if (!output)
        return NULL;
    json_t *count = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
    json_t *per_op = json_incref(json_object_get(count, "per_op"));
    json_decref(count);
    free(output);
    if (json_is_object(per_op))
        return per_op;
    json_decref(per_op);
    snprintf(error, error_bytes, "it could not be stepped here: `corobench count` says why");
    return NULL;
}
