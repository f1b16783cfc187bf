/* SPDX-License-Identifier: MIT */
#include "echo_load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SUB_BITS = 5, SUB = 1 << SUB_BITS, BUCKETS = 64 * SUB, EVENTS_MAX = 512, SPARE_FILES = 64 };

struct echo_times {
    uint64_t ops; /* of the runs that are in it: the largest there were */
    uint64_t count;
    uint64_t bucket[BUCKETS];
};

/* One request under way, at most, in each. */
struct connection {
    int fd;
    unsigned got; /* bytes of the answer */
    uint64_t number, sent_ns;
};

struct client {
    struct echo_load *load;
    int set;
    struct connection *connection;
    uint64_t ops, begun, done, number;
};

/* ---- histogram ----------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t ns)
{
    unsigned octave;

    if (ns < SUB)
        return (unsigned)ns;
    octave = 63 - (unsigned)__builtin_clzll(ns);
    return (octave - SUB_BITS + 1) * SUB + (unsigned)(ns >> (octave - SUB_BITS)) % SUB;
}

/* The middle of what falls into it. */
static double bucket_ns(unsigned bucket)
{
    unsigned octave = bucket / SUB;

    if (octave == 0)
        return bucket;
    return ((double)(SUB + bucket % SUB) + 0.5) * (double)(UINT64_C(1) << (octave - 1));
}

static double quantile_ns(const struct echo_times *times, double quantile)
{
    uint64_t rank = (uint64_t)((double)times->count * quantile), seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++)
        if ((seen += times->bucket[i]) > rank)
            return bucket_ns(i);
    return 0;
}

/* Short runs are calibration, or warm up: the histogram is of the longest. */
static void times_begin(struct echo_times *times, uint64_t ops)
{
    if (ops > times->ops)
        *times = (struct echo_times){.ops = ops};
}

/* ---- the client ---------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "echo client: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static void client_connect(struct client *client, const struct sockaddr *address,
                           socklen_t bytes)
{
    struct linger reset = {.l_onoff = 1};

    for (unsigned i = 0; i < client->load->connections; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, address, bytes))
            give_up("connecting");
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        echo_load_tune(fd);
        if (fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(client->set, EPOLL_CTL_ADD, fd, &event))
            give_up("watching a connection");
        client->connection[i].fd = fd;
    }
}

static void request(struct client *client, struct connection *connection)
{
    uint64_t text[ECHO_BYTES / sizeof(uint64_t)] = {++client->number};

    connection->number = client->number;
    connection->got = 0;
    connection->sent_ns = now_ns();
    client->begun++;
    if (write(connection->fd, text, sizeof text) != sizeof text)
        give_up("sending a request");
}

/* An edge came: takes what there is. */
static void take(struct client *client, struct connection *connection)
{
    uint64_t text[ECHO_BYTES / sizeof(uint64_t)];
    ssize_t got = read(connection->fd, (char *)text, ECHO_BYTES - connection->got);

    if (got <= 0 && !(got < 0 && errno == EAGAIN))
        give_up("reading an answer");
    if (got < 0)
        return;
    if (connection->got == 0 && got >= (ssize_t)sizeof text[0] && text[0] != connection->number) {
        errno = EBADMSG;
        give_up("an answer is another's");
    }
    connection->got += (unsigned)got;
    if (connection->got < ECHO_BYTES)
        return;
    client->load->times->bucket[bucket_of(now_ns() - connection->sent_ns)]++;
    client->load->times->count++;
    client->done++;
    if (client->begun < client->ops)
        request(client, connection);
}

static void client_run(struct client *client, uint64_t ops)
{
    struct epoll_event events[EVENTS_MAX];

    client->ops = ops;
    client->begun = client->done = 0;
    for (unsigned i = 0; i < client->load->connections && client->begun < ops; i++)
        request(client, &client->connection[i]);
    while (client->done < ops) {
        int count = epoll_wait(client->set, events, EVENTS_MAX, ECHO_PATIENCE_S * 1000);

        if (count == 0 || (count < 0 && errno != EINTR)) {
            errno = count ? errno : ETIMEDOUT;
            give_up("waiting for answers");
        }
        for (int i = 0; i < count; i++)
            take(client, &client->connection[events[i].data.u32]);
    }
}

static _Noreturn void client_main(struct echo_load *load, const struct bench_trial *t, int asked,
                                  int answer, const struct sockaddr *address, socklen_t bytes)
{
    struct client client = {.load = load, .set = epoll_create1(EPOLL_CLOEXEC)};
    uint64_t ops = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    client.connection = calloc(load->connections, sizeof *client.connection);
    if (bench_pin(t, 1) || client.set < 0 || !client.connection)
        give_up("starting");
    client_connect(&client, address, bytes);
    do {
        times_begin(load->times, ops);
        client_run(&client, ops);
        if (write(answer, &ops, sizeof ops) != sizeof ops)
            break;
    } while (read(asked, &ops, sizeof ops) == sizeof ops);
    _exit(0);
}

/* ---- the server's side --------------------------------------------------------------- */

void echo_load_tune(int connection)
{
    int on = 1;

    (void)setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* not of unix ones */
}

static int listen_on(int family, struct sockaddr_storage *address, socklen_t *bytes)
{
    const struct timeval patience = {.tv_sec = ECHO_PATIENCE_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)family;
    *bytes = sizeof(sa_family_t); /* AF_UNIX: the kernel names it */
    if (family == AF_INET) {
        ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *bytes = sizeof(struct sockaddr_in);
    }
    if (fd < 0)
        return -errno;
    err = bind(fd, (struct sockaddr *)address, *bytes) || listen(fd, SOMAXCONN);
    *bytes = sizeof *address;
    if (err || getsockname(fd, (struct sockaddr *)address, bytes) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience)) {
        err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* Each side needs a descriptor per connection. */
static bool files_suffice(unsigned connections, rlim_t *limit)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files))
        return false;
    *limit = files.rlim_max;
    files.rlim_cur = files.rlim_max;
    return !setrlimit(RLIMIT_NOFILE, &files) && files.rlim_max >= connections + SPARE_FILES;
}

int echo_load_open(struct echo_load *load, struct bench_trial *t, int family,
                   unsigned connections)
{
    int ask[2] = {-1, -1}, answer[2] = {-1, -1};
    struct sockaddr_storage address;
    rlim_t limit = 0;
    socklen_t bytes;

    *load = (struct echo_load){.connections = connections, .listener = -1, .ask = -1,
                               .answer = -1, .client = -1};
    if (!files_suffice(connections, &limit))
        return bench_skip(t, "%u connections: RLIMIT_NOFILE is %llu", connections,
                          (unsigned long long)limit);
    load->times = mmap(NULL, sizeof *load->times, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    load->listener = listen_on(family, &address, &bytes);
    if (load->times == MAP_FAILED || load->listener < 0 || pipe2(ask, O_CLOEXEC) ||
        pipe2(answer, O_CLOEXEC))
        return bench_fail(t, "no listener: %s", strerror(errno));
    load->client = fork();
    if (load->client == 0) {
        close(ask[1]);
        close(answer[0]);
        close(load->listener);
        client_main(load, t, ask[0], answer[1], (struct sockaddr *)&address, bytes);
    }
    close(ask[0]);
    close(answer[1]);
    load->ask = ask[1];
    load->answer = answer[0];
    return load->client < 0 ? bench_fail(t, "no client: %s", strerror(errno)) : 0;
}

uint64_t echo_load_ask(struct echo_load *load, uint64_t ops)
{
    uint64_t answered = 0;

    if (write(load->ask, &ops, sizeof ops) != sizeof ops ||
        read(load->answer, &answered, sizeof answered) != sizeof answered)
        return 0;
    return answered;
}

int echo_load_ready(struct echo_load *load)
{
    uint64_t nothing;

    return read(load->answer, &nothing, sizeof nothing) == sizeof nothing ? 0 : -ETIMEDOUT;
}

void echo_load_close(struct echo_load *load, struct bench_trial *t)
{
    if (load->ask >= 0)
        close(load->ask);
    if (load->client > 0)
        waitpid(load->client, NULL, 0);
    if (load->answer >= 0)
        close(load->answer);
    if (load->listener >= 0)
        close(load->listener);
    if (load->times && load->times != MAP_FAILED) {
        if (load->times->count) {
            bench_metric(t, "latency_p50", "ns", "histogram", quantile_ns(load->times, 0.5));
            bench_metric(t, "latency_p99", "ns", "histogram", quantile_ns(load->times, 0.99));
        }
        munmap(load->times, sizeof *load->times);
    }
    load->ask = load->answer = load->listener = -1;
    load->times = NULL;
}
