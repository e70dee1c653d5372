/* Replays prepared HTTP requests over keep-alive connections and measures them: one thread, epoll, libc only.
 *
 * load --port P --plan FILE [--host 127.0.0.1] [--connections N] [--count N] [--seconds S] [--timeout S] [--pin CPU]
 *      [--capture FILE] [--latencies FILE]
 *
 * The plan is written by bench/plan.py, integers little-endian:
 *   8 bytes "DLMPLAN1", u64 number of requests, then for each request
 *   u32 head bytes, u32 explicit body bytes, u64 pattern body bytes, u64 expected response body bytes (all ones: any),
 *   the head, the explicit body.
 * Requests are taken in order by whichever connection is free, from the start again when they are used up. No pipelining.
 * --count ends after so many requests, --seconds starts none after that time; what is in flight is finished. With neither the
 * plan is run once. One line of JSON goes to stdout. Latency: from before the first byte is written to the last byte read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT_BYTES = 65536,              /* response head, and the body of a failure or capture after it */
    RECEIVE_BYTES = 256 * 1024,      /* stays in the second-level cache */
    PATTERN_BYTES = 1 << 20,         /* body content; repeated for longer bodies */
    PATTERN_PIECES = 8,              /* of one writev: more than a socket buffer takes */
    CONNECTIONS_MAX = 4096,
    EVENTS_MAX = 256,                /* of one epoll_wait */
    CONNECT_FAILURES_MAX = 500,      /* in a row, 10 ms apart: the server is gone */
    TEXT_MAX = 700,                  /* of the first failure that is shown */
    STATUS_MAX = 600,
};

#define ANY_BYTES UINT64_MAX

struct request {
    const char *head, *body;
    uint64_t head_bytes, body_bytes, expected_bytes;
    bool is_head;
};

enum body_kind { BODY_LENGTH, BODY_CHUNKED, BODY_TO_CLOSE };
enum chunk_state { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

struct connection {
    int fd;
    bool busy, wants_out, head_done, close_after, retried;
    uint64_t served, index, sent, body_got, body_left, start_ns, first_ns;
    enum body_kind body_kind;
    enum chunk_state chunk_state;
    uint64_t trailer_line_bytes;
    int status;
    size_t kept;
    char *keep;
};

enum failure { FAIL_CONNECT, FAIL_CLOSED, FAIL_TIMEOUT, FAIL_LENGTH, FAIL_EARLY, FAIL_PROTOCOL, FAILURES };
static const char *const failure_names[FAILURES] = {"connect", "closed", "timeout", "length", "early", "protocol"};

static struct request *requests;
static uint64_t request_count, issued, count_max, finished, bytes_in, bytes_out, reconnects;
static uint64_t status_errors[STATUS_MAX], failures[FAILURES];
static uint64_t *latencies, *first_bytes, latencies_held;
static uint64_t begin_ns, deadline_ns, end_ns, timeout_ns;
static char pattern[PATTERN_BYTES], receive_buffer[RECEIVE_BYTES], first_error[TEXT_MAX];
static struct sockaddr_in address;
static int epoll_fd, connect_failures;
static FILE *capture;

static void die(const char *what)
{
    fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count ? count : 1, bytes);
    if (!memory)
        die("out of memory");
    return memory;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static uint64_t little(const unsigned char *from, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | from[i];
    return value;
}

static void load_plan(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        die(path);
    size_t size = (size_t)info.st_size;
    const char *base = size < 16 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (base == MAP_FAILED || memcmp(base, "DLMPLAN1", 8) != 0)
        die("not a plan");
    request_count = little((const unsigned char *)base + 8, 8);
    if (request_count == 0 || request_count > size / 24)
        die("plan is empty or broken");
    requests = allocate(request_count, sizeof *requests);
    size_t at = 16;
    for (uint64_t i = 0; i < request_count; i++) {
        const unsigned char *p = (const unsigned char *)base + at;
        if (size - at < 24)
            die("plan is cut short");
        struct request *r = &requests[i];
        uint64_t explicit_bytes = little(p + 4, 4), pattern_bytes = little(p + 8, 8);
        r->head_bytes = little(p, 4);
        r->expected_bytes = little(p + 16, 8);
        at += 24;
        if (size - at < r->head_bytes + explicit_bytes || r->head_bytes < 5)
            die("plan is cut short");
        r->head = base + at;
        r->is_head = memcmp(r->head, "HEAD ", 5) == 0;
        r->body = explicit_bytes ? base + at + r->head_bytes : NULL;
        r->body_bytes = explicit_bytes ? explicit_bytes : pattern_bytes;
        at += r->head_bytes + explicit_bytes;
    }
    close(fd);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void watch(struct connection *c, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (c->wants_out ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event) < 0)
        die("epoll_ctl");
}

static bool open_connection(struct connection *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(c->fd);
        c->fd = -1;
        if (++connect_failures > CONNECT_FAILURES_MAX)
            die("the server does not accept connections");
        usleep(10000);
        return false;
    }
    connect_failures = 0;
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->wants_out = false;
    c->served = 0;
    watch(c, EPOLL_CTL_ADD);
    return true;
}

static void close_connection(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void reset_response(struct connection *c)
{
    c->sent = c->body_got = c->body_left = c->trailer_line_bytes = 0;
    c->head_done = c->close_after = false;
    c->chunk_state = CHUNK_SIZE;
    c->kept = 0;
    c->first_ns = 0;
}

static void remember_error(const struct connection *c, const char *text)
{
    if (first_error[0])
        return;
    if (text)
        snprintf(first_error, sizeof first_error, "%s", text);
    else
        snprintf(first_error, sizeof first_error, "%.*s", (int)c->kept, c->keep);
}

static void note_latency(uint64_t latency, uint64_t first)
{
    if (finished == latencies_held) {
        latencies_held = latencies_held ? latencies_held * 2 : 65536;
        latencies = realloc(latencies, latencies_held * sizeof *latencies);
        first_bytes = realloc(first_bytes, latencies_held * sizeof *first_bytes);
        if (!latencies || !first_bytes)
            die("out of memory");
    }
    latencies[finished] = latency;
    first_bytes[finished] = first;
    finished++;
}

static bool more_to_start(void)
{
    return issued < count_max && (deadline_ns == 0 || now_ns() < deadline_ns);
}

static void start_next(struct connection *c);

static void end_request(struct connection *c, bool close_it)
{
    end_ns = now_ns();
    c->busy = false;
    if (close_it)
        close_connection(c);
    start_next(c);
}

static void fail(struct connection *c, enum failure kind, const char *text)
{
    failures[kind]++;
    remember_error(c, text);
    end_request(c, true);
}

static uint64_t total_bytes(const struct connection *c)
{
    const struct request *r = &requests[c->index];
    return r->head_bytes + r->body_bytes;
}

/* The server may close an idle connection just as it is used again: such a request is sent once more. */
static void lost(struct connection *c)
{
    if (c->served > 0 && c->kept == 0 && !c->head_done && !c->retried) {
        c->retried = true;
        reconnects++;
        close_connection(c);
        reset_response(c);
        if (!open_connection(c)) {
            fail(c, FAIL_CONNECT, "cannot connect");
            return;
        }
        c->wants_out = true; /* sent by the loop */
        watch(c, EPOLL_CTL_MOD);
        return;
    }
    fail(c, FAIL_CLOSED, "connection closed before the response was complete");
}

static void send_some(struct connection *c)
{
    const struct request *r = &requests[c->index];
    struct iovec pieces[PATTERN_PIECES + 1];
    int used = 0;
    uint64_t done = 0;
    if (c->sent < r->head_bytes) {
        pieces[used++] = (struct iovec){(void *)(r->head + c->sent), r->head_bytes - c->sent};
    } else {
        done = c->sent - r->head_bytes;
    }
    if (r->body && done < r->body_bytes) {
        pieces[used++] = (struct iovec){(void *)(r->body + done), r->body_bytes - done};
    } else {
        while (!r->body && done < r->body_bytes && used <= PATTERN_PIECES) {
            uint64_t offset = done % PATTERN_BYTES, take = PATTERN_BYTES - offset;
            if (take > r->body_bytes - done)
                take = r->body_bytes - done;
            pieces[used++] = (struct iovec){pattern + offset, take};
            done += take;
        }
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)used};
    ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        if (errno == EPIPE || errno == ECONNRESET) /* an answer may wait to be read: the loop tells by recv */
            n = 0;
        else
            die("send");
        if (c->wants_out) {
            c->wants_out = false;
            watch(c, EPOLL_CTL_MOD);
        }
        return;
    }
    if (n > 0) {
        c->sent += (uint64_t)n;
        bytes_out += (uint64_t)n;
    }
    bool wants_out = c->sent < total_bytes(c);
    if (wants_out != c->wants_out) {
        c->wants_out = wants_out;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void start_next(struct connection *c)
{
    while (more_to_start()) {
        if (c->fd < 0) {
            if (!open_connection(c)) {
                failures[FAIL_CONNECT]++;
                issued++;
                end_ns = now_ns();
                remember_error(c, "cannot connect");
                continue;
            }
            reconnects++;
        }
        c->index = issued++ % request_count;
        c->busy = true;
        c->retried = false;
        reset_response(c);
        c->start_ns = now_ns();
        send_some(c);
        return;
    }
}

/* ---- responses --------------------------------------------------------------------------------------------------- */

static void finish_response(struct connection *c)
{
    const struct request *r = &requests[c->index];
    uint64_t end = now_ns();
    bool early = c->sent < total_bytes(c);
    if (capture) {
        uint32_t header[3] = {(uint32_t)c->index, (uint32_t)c->status, (uint32_t)c->kept};
        if (fwrite(header, sizeof header, 1, capture) != 1 || fwrite(c->keep, 1, c->kept, capture) != c->kept)
            die("capture");
    }
    c->served++;
    if (c->status / 100 != 2) {
        status_errors[c->status]++;
        remember_error(c, NULL);
    } else if (early) {
        failures[FAIL_EARLY]++;
        remember_error(c, "response before the whole body was sent");
    } else if (r->expected_bytes != ANY_BYTES && c->body_got != r->expected_bytes) {
        failures[FAIL_LENGTH]++;
        remember_error(c, "response body has another length than expected");
    } else {
        note_latency(end - c->start_ns, c->first_ns - c->start_ns);
    }
    end_request(c, early || c->close_after);
}

/* Reads status and headers out of c->keep[0..head_bytes). False: not HTTP. */
static bool parse_head(struct connection *c, size_t head_bytes)
{
    c->keep[head_bytes - 1] = '\0'; /* the last LF: a string now; restored below */
    char *line = c->keep;
    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12)
        return false;
    c->status = atoi(line + 9);
    if (c->status < 100 || c->status >= STATUS_MAX)
        return false;
    c->close_after = line[7] == '0';
    c->body_kind = BODY_TO_CLOSE;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, "content-length:", 15) == 0 && c->body_kind != BODY_CHUNKED) {
            c->body_kind = BODY_LENGTH;
            c->body_left = strtoull(line + 15, NULL, 10);
        } else if (strncasecmp(line, "transfer-encoding:", 18) == 0) {
            c->body_kind = BODY_CHUNKED;
            c->body_left = 0;
        } else if (strncasecmp(line, "connection:", 11) == 0) {
            const char *value = line + 11 + strspn(line + 11, " ");
            if (strncasecmp(value, "close", 5) == 0)
                c->close_after = true;
        }
    }
    c->keep[head_bytes - 1] = '\n';
    if (requests[c->index].is_head || c->status == 204 || c->status == 304) {
        c->body_kind = BODY_LENGTH;
        c->body_left = 0;
    }
    return true;
}

static void keep_body(struct connection *c, const char *data, size_t bytes)
{
    if (!capture && c->status / 100 == 2)
        return;
    size_t room = KEPT_BYTES - c->kept;
    size_t take = bytes < room ? bytes : room;
    memcpy(c->keep + c->kept, data, take);
    c->kept += take;
}

static int hex_digit(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Takes chunked data. 1: the body is complete, 0: more is needed, -1: not chunked encoding. */
static int feed_chunked(struct connection *c, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        char letter = data[i];
        if (c->chunk_state == CHUNK_DATA) {
            size_t take = bytes - i < c->body_left ? bytes - i : (size_t)c->body_left;
            keep_body(c, data + i, take);
            c->body_got += take;
            c->body_left -= take;
            i += take;
            if (c->body_left == 0)
                c->chunk_state = CHUNK_DATA_END;
            continue;
        }
        i++;
        if (c->chunk_state == CHUNK_SIZE && hex_digit(letter) >= 0) {
            c->body_left = c->body_left << 4 | (uint64_t)hex_digit(letter);
        } else if (letter == '\n') {
            if (c->chunk_state == CHUNK_TRAILER) {
                if (c->trailer_line_bytes == 0)
                    return i == bytes ? 1 : -1; /* nothing was asked for that could follow */
                c->trailer_line_bytes = 0;
            } else if (c->chunk_state == CHUNK_DATA_END) {
                c->chunk_state = CHUNK_SIZE;
            } else {
                c->chunk_state = c->body_left ? CHUNK_DATA : CHUNK_TRAILER;
            }
        } else if (c->chunk_state == CHUNK_TRAILER) {
            c->trailer_line_bytes += letter != '\r';
        } else if (c->chunk_state == CHUNK_SIZE && (letter == ';' || letter == '\r')) {
            c->chunk_state = CHUNK_EXTENSION;
        } else if (c->chunk_state != CHUNK_EXTENSION && letter != '\r') {
            return -1;
        }
    }
    return 0;
}

static void feed_body(struct connection *c, const char *data, size_t bytes)
{
    if (c->body_kind == BODY_CHUNKED) {
        int state = feed_chunked(c, data, bytes);
        if (state < 0)
            fail(c, FAIL_PROTOCOL, "broken chunked encoding");
        else if (state > 0)
            finish_response(c);
        return;
    }
    keep_body(c, data, bytes);
    c->body_got += bytes;
    if (c->body_kind != BODY_LENGTH)
        return;
    if (bytes > c->body_left) {
        fail(c, FAIL_PROTOCOL, "more bytes than Content-Length");
        return;
    }
    c->body_left -= bytes;
    if (c->body_left == 0)
        finish_response(c);
}

static void feed_head(struct connection *c, const char *data, size_t bytes)
{
    if (c->first_ns == 0)
        c->first_ns = now_ns();
    for (;;) {
        size_t room = KEPT_BYTES - c->kept, take = bytes < room ? bytes : room;
        size_t searched = c->kept > 3 ? c->kept - 3 : 0;
        memcpy(c->keep + c->kept, data, take);
        char *end = memmem(c->keep + searched, c->kept + take - searched, "\r\n\r\n", 4);
        if (!end) {
            c->kept += take;
            if (take == room)
                fail(c, FAIL_PROTOCOL, "response head is too long");
            return;
        }
        size_t head_bytes = (size_t)(end - c->keep) + 4, used = head_bytes - c->kept;
        if (!parse_head(c, head_bytes)) {
            fail(c, FAIL_PROTOCOL, "no HTTP response");
            return;
        }
        data += used;
        bytes -= used;
        if (c->status / 100 == 1) { /* 100 Continue: the real one follows */
            c->kept = 0;
            if (bytes == 0)
                return;
            continue;
        }
        c->kept = head_bytes;
        c->head_done = true;
        feed_body(c, data, bytes);
        return;
    }
}

static void receive(struct connection *c)
{
    ssize_t n = recv(c->fd, receive_buffer, sizeof receive_buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (!c->busy) { /* closed while idle, or bytes nobody asked for */
        close_connection(c);
        return;
    }
    if (n <= 0) {
        if (n == 0 && c->head_done && c->body_kind == BODY_TO_CLOSE) {
            c->close_after = true;
            finish_response(c);
        } else {
            lost(c);
        }
        return;
    }
    bytes_in += (uint64_t)n;
    if (c->head_done)
        feed_body(c, receive_buffer, (size_t)n);
    else
        feed_head(c, receive_buffer, (size_t)n);
}

/* ---- the loop and the result ------------------------------------------------------------------------------------- */

static void run(struct connection *connections, int count)
{
    struct epoll_event events[EVENTS_MAX];
    for (int i = 0; i < count; i++)
        if (!open_connection(&connections[i]))
            die("cannot connect");
    begin_ns = end_ns = now_ns();
    if (deadline_ns)
        deadline_ns += begin_ns;
    for (int i = 0; i < count; i++)
        start_next(&connections[i]);
    uint64_t looked_ns = begin_ns;
    for (;;) {
        int busy = 0;
        for (int i = 0; i < count && !busy; i++)
            busy = connections[i].busy;
        if (!busy)
            return;
        int ready = epoll_wait(epoll_fd, events, EVENTS_MAX, 1000);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            int fd = c->fd;
            if (fd >= 0 && events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
                receive(c);
            if (c->fd == fd && fd >= 0 && c->busy && events[i].events & EPOLLOUT && c->wants_out)
                send_some(c);
        }
        uint64_t now = now_ns();
        if (now - looked_ns < 500000000u)
            continue;
        looked_ns = now;
        for (int i = 0; i < count; i++)
            if (connections[i].busy && now - connections[i].start_ns > timeout_ns)
                fail(&connections[i], FAIL_TIMEOUT, "no response in time");
    }
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Nearest rank: the smallest value that at least `share` of the values do not exceed. */
static uint64_t percentile(const uint64_t *sorted, uint64_t count, uint64_t percent)
{
    if (count == 0)
        return 0;
    uint64_t rank = (count * percent + 99) / 100;
    return sorted[rank ? rank - 1 : 0];
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\')
            printf("\\%c", letter);
        else if (letter < 0x20 || letter > 0x7e)
            printf("\\u%04x", letter);
        else
            putchar(letter);
    }
    putchar('"');
}

static void print_errors(void)
{
    const char *separator = "";
    printf("\"errors\":{");
    for (int i = 0; i < STATUS_MAX; i++)
        if (status_errors[i]) {
            printf("%s\"%d\":%llu", separator, i, (unsigned long long)status_errors[i]);
            separator = ",";
        }
    for (int i = 0; i < FAILURES; i++)
        if (failures[i]) {
            printf("%s\"%s\":%llu", separator, failure_names[i], (unsigned long long)failures[i]);
            separator = ",";
        }
    printf("},");
}

static void print_result(const char *latencies_path)
{
    if (latencies_path) {
        FILE *file = fopen(latencies_path, "wb");
        if (!file || fwrite(latencies, sizeof *latencies, finished, file) != finished || fclose(file) != 0)
            die(latencies_path);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    double sum = 0;
    for (uint64_t i = 0; i < finished; i++)
        sum += (double)latencies[i];
    if (finished) {
        qsort(latencies, finished, sizeof *latencies, compare);
        qsort(first_bytes, finished, sizeof *first_bytes, compare);
    }
    printf("{\"requests\":%llu,", (unsigned long long)finished);
    print_errors();
    printf("\"seconds\":%.6f,\"bytes_out\":%llu,\"bytes_in\":%llu,", (double)(end_ns - begin_ns) / 1e9,
           (unsigned long long)bytes_out, (unsigned long long)bytes_in);
    printf("\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,\"max_ns\":%llu,\"mean_ns\":%.0f,\"first_byte_p50_ns\":%llu,",
           (unsigned long long)percentile(latencies, finished, 50), (unsigned long long)percentile(latencies, finished, 90),
           (unsigned long long)percentile(latencies, finished, 99), (unsigned long long)percentile(latencies, finished, 100),
           finished ? sum / (double)finished : 0.0, (unsigned long long)percentile(first_bytes, finished, 50));
    printf("\"cpu_seconds\":%.6f,\"reconnects\":%llu,\"rounds\":%.3f,\"first_error\":", cpu, (unsigned long long)reconnects,
           (double)issued / (double)request_count);
    print_text(first_error);
    printf("}\n");
}

static void fill_pattern(void)
{
    uint64_t state = 0x9e3779b97f4a7c15u; /* xorshift64: bench/plan.py makes the same bytes */
    for (size_t i = 0; i < PATTERN_BYTES; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(pattern + i, &state, 8);
    }
}

static void pin(const char *cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("--pin");
}

int main(int argc, char **argv)
{
    enum { HOST, PORT, PLAN, CONNECTIONS, COUNT, SECONDS, TIMEOUT, PIN, CAPTURE, LATENCIES, PATTERN, OPTIONS };
    static const struct option options[] = {
        {"host", 1, NULL, HOST}, {"port", 1, NULL, PORT}, {"plan", 1, NULL, PLAN}, {"connections", 1, NULL, CONNECTIONS},
        {"count", 1, NULL, COUNT}, {"seconds", 1, NULL, SECONDS}, {"timeout", 1, NULL, TIMEOUT}, {"pin", 1, NULL, PIN},
        {"capture", 1, NULL, CAPTURE}, {"latencies", 1, NULL, LATENCIES}, {"pattern", 0, NULL, PATTERN}, {NULL, 0, NULL, 0},
    };
    const char *value[OPTIONS] = {[HOST] = "127.0.0.1", [CONNECTIONS] = "1", [TIMEOUT] = "300"};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return 2;
        value[option] = optarg ? optarg : "";
    }
    fill_pattern();
    if (value[PATTERN]) /* for the tests: the pattern itself */
        return fwrite(pattern, 1, PATTERN_BYTES, stdout) != PATTERN_BYTES;
    if (!value[PORT] || !value[PLAN]) {
        fprintf(stderr, "load: --port and --plan are needed\n");
        return 2;
    }
    int connection_count = atoi(value[CONNECTIONS]);
    if (connection_count < 1 || connection_count > CONNECTIONS_MAX) {
        fprintf(stderr, "load: --connections must be between 1 and %d\n", CONNECTIONS_MAX);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(value[PORT]))};
    if (inet_pton(AF_INET, value[HOST], &address.sin_addr) != 1)
        die("--host is no IPv4 address");
    load_plan(value[PLAN]);
    if (value[PIN])
        pin(value[PIN]);
    deadline_ns = value[SECONDS] ? (uint64_t)(strtod(value[SECONDS], NULL) * 1e9) : 0;
    timeout_ns = (uint64_t)(strtod(value[TIMEOUT], NULL) * 1e9);
    count_max = value[COUNT] ? strtoull(value[COUNT], NULL, 10) : value[SECONDS] ? UINT64_MAX : request_count;
    if (value[CAPTURE] && !(capture = fopen(value[CAPTURE], "wb")))
        die(value[CAPTURE]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections = allocate((size_t)connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++)
        connections[i].keep = allocate(KEPT_BYTES, 1);
    errno = 0;
    run(connections, connection_count);
    if (capture && fclose(capture) != 0)
        die("capture");
    print_result(value[LATENCIES]);
    return 0;
}
