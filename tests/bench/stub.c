/* The simplest HTTP server there can be, to measure what the load generator and loopback reach: one thread, epoll.
 *
 * stub: listens on a free port of 127.0.0.1 and prints it. Bodies (Content-Length only) are swallowed. GET /bytes/N answers
 * N bytes, everything else "hello". It is no HTTP server for any other use: heads must come whole and be well formed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20, HEAD_MAX = 8192, EVENTS_MAX = 256, HEADER_MAX = 256 };

struct peer {
    int fd;
    size_t held;              /* bytes of an unfinished head */
    uint64_t swallow;         /* body bytes still to come */
    uint64_t to_send;         /* bytes of the answer's body still to go */
    bool answer_due, wants_out;
    uint64_t answer_bytes;
    char head[HEAD_MAX + 1];
};

static char buffer[BUFFER_BYTES], zeros[BUFFER_BYTES];
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct peer *p, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (p->wants_out ? EPOLLOUT : 0u), .data.ptr = p};
    if (epoll_ctl(epoll_fd, operation, p->fd, &event) < 0)
        die("epoll_ctl");
}

static void want_out(struct peer *p, bool wanted)
{
    if (p->wants_out == wanted)
        return;
    p->wants_out = wanted;
    watch(p, EPOLL_CTL_MOD);
}

static bool push(struct peer *p)
{
    while (p->to_send > 0) {
        size_t take = p->to_send < sizeof zeros ? (size_t)p->to_send : sizeof zeros;
        ssize_t n = send(p->fd, zeros, take, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return false;
        p->to_send -= (uint64_t)n;
    }
    want_out(p, p->to_send > 0);
    return true;
}

static bool answer(struct peer *p)
{
    char head[HEADER_MAX];
    p->answer_due = false;
    bool hello = p->answer_bytes == UINT64_MAX;
    int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n%s",
                     (unsigned long long)(hello ? 5 : p->answer_bytes), hello ? "hello" : "");
    if (send(p->fd, head, (size_t)n, MSG_NOSIGNAL | (hello ? 0 : MSG_MORE)) != n)
        return false;
    p->to_send = hello ? 0 : p->answer_bytes;
    return push(p);
}

static bool take_head(struct peer *p)
{
    p->head[p->held] = '\0';
    char *end = strstr(p->head, "\r\n\r\n");
    if (!end)
        return p->held < HEAD_MAX;
    uint64_t after = p->held - (size_t)(end + 4 - p->head);
    const char *length = strcasestr(p->head, "\r\ncontent-length:");
    uint64_t body = length && length < end ? strtoull(length + 17, NULL, 10) : 0;
    if (after > body)
        return false; /* pipelining */
    p->answer_bytes = strncmp(p->head, "GET /bytes/", 11) == 0 ? strtoull(p->head + 11, NULL, 10) : UINT64_MAX;
    p->answer_due = true;
    p->swallow = body - after;
    p->held = 0;
    return p->swallow > 0 || answer(p);
}

static bool receive(struct peer *p)
{
    bool in_head = p->swallow == 0;
    char *into = in_head ? p->head + p->held : buffer;
    ssize_t n = recv(p->fd, into, in_head ? HEAD_MAX - p->held : sizeof buffer, 0);
    if (n < 0)
        return errno == EAGAIN;
    if (n == 0)
        return false;
    if (in_head) {
        p->held += (size_t)n;
        return take_head(p);
    }
    if ((uint64_t)n > p->swallow)
        return false;
    p->swallow -= (uint64_t)n;
    return p->swallow > 0 || answer(p);
}

static void accept_peer(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer *p = calloc(1, sizeof *p);
    if (!p)
        die("memory");
    p->fd = fd;
    watch(p, EPOLL_CTL_ADD);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, bytes) < 0 || listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) < 0)
        die("listen");
    fcntl(listener, F_SETFL, O_NONBLOCK);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS_MAX];
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            struct peer *p = events[i].data.ptr;
            if (!p) {
                accept_peer(listener);
                continue;
            }
            bool alive = !(events[i].events & EPOLLOUT) || push(p);
            if (alive && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                alive = receive(p);
            if (!alive) {
                close(p->fd);
                free(p);
            }
        }
    }
}
