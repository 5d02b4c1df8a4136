// httpload: single-threaded epoll HTTP publisher. gcc -O2, no deps.
// Loopback use only: refuses any target that is not 127.0.0.0/8. Bounded: 256 connections, 600 seconds.
// K keep-alive connections, each with up to Q requests in flight; flat out, or R requests/s in all (open loop: a
// request is due at its time whether or not earlier ones were answered, and its latency counts from then).
// Prints one JSON line.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "load.h"
#include "sign.h"

#define MAX_CONNS 256
#define MAX_DEPTH 64
#define MAX_SECONDS 600
#define BUF 16384
#define GIVE_UP 1000 // failed requests

typedef struct {
  int fd, inflight, head;    // head: the oldest request in flight, an index into since
  uint64_t since[MAX_DEPTH]; // when each was due
  size_t have, skip;         // bytes of a reply's head at hand; bytes of its body still to come
  char buf[BUF];
} Conn;

static const char *host = "127.0.0.1", *path = "/", *body = "";
static int port, nconns = 8, depth = 1, ep, timer;
static double seconds = 10, rate;
static uint64_t limit = ~0ull;
static char headers[8192];
static size_t headers_len;
static const char *sign_key;
static Hmac hmac;

static Conn conns[MAX_CONNS];
static char req[65536], *stamp, *sig_ts, *sig_md5, *sig; // the request template, and the places that change
static size_t req_len, body_len, canonical_len;
static char canonical[4096];
static uint64_t sent, answered, ok, failed, t0, first_sent, last_answer;
static char first_error[256];

static void note(const char *what, const char *detail) {
  if (!first_error[0]) snprintf(first_error, sizeof first_error, "%s: %.*s", what, (int)strcspn(detail, "\r\n"), detail);
}
static void fail_with(const char *message) {
  fprintf(stderr, "httpload: %s\n", message);
  exit(2);
}

// ---- the request ----
static void build_request(void) {
  char query[512] = "";
  char *expanded = malloc(strlen(body) + 32);
  const char *at = strstr(body, "%t");
  if (!expanded) fail_with("out of memory");
  body_len = (size_t)sprintf(expanded, "%.*s%s%s", at ? (int)(at - body) : (int)strlen(body), body,
                             at ? "0000000000000000000" : "", at ? at + 2 : "");
  if (sign_key)
    snprintf(query, sizeof query, "?auth_key=%.64s&auth_timestamp=0000000000&auth_version=1.0&body_md5=%032d&auth_signature=%064d",
             sign_key, 0, 0);
  int n = snprintf(req, sizeof req, "POST %s%s HTTP/1.1\r\nHost: %s:%d\r\n%sContent-Length: %zu\r\n\r\n", path, query, host,
                   port, headers, body_len);
  if (n < 0 || (size_t)n + body_len >= sizeof req) fail_with("the request is too long");
  memcpy(req + n, expanded, body_len);
  req_len = (size_t)n + body_len;
  if (at) stamp = req + n + (at - body);
  if (sign_key) {
    sig_ts = strstr(req, "auth_timestamp=") + 15;
    sig_md5 = strstr(req, "body_md5=") + 9;
    sig = strstr(req, "auth_signature=") + 15;
  }
  free(expanded);
}
// Pusher's signature: HMAC-SHA256 over method, path and the sorted query, which holds the body's MD5.
static void sign_request(void) {
  put_digits(sig_ts, now_rt() / 1000000000ull, 10);
  md5_hex(req + req_len - body_len, body_len, sig_md5);
  size_t query = (size_t)(sig - 16 - strchr(req, '?')); // up to and without "&auth_signature="
  if (!canonical_len) canonical_len = (size_t)snprintf(canonical, sizeof canonical / 2, "POST\n%s\n", path);
  memcpy(canonical + canonical_len, strchr(req, '?') + 1, query - 1);
  hmac_hex(&hmac, canonical, canonical_len + query - 1, sig);
}

// ---- connections ----
static void open_conn(Conn *c) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  int one = 1;
  memset(c, 0, offsetof(Conn, buf));
  inet_pton(AF_INET, host, &a.sin_addr);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a)) fail_with("cannot connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}
static void lost(Conn *c, const char *why) {
  if (c->inflight) note(why, c->have ? c->buf : "");
  failed += (uint64_t)c->inflight, answered += (uint64_t)c->inflight;
  close(c->fd);
  if (failed < GIVE_UP) open_conn(c);
  else c->fd = -1;
}
static int send_all(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t r = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (r < 0 && errno != EAGAIN) return -1;
    if (r < 0) {
      struct pollfd room = {fd, POLLOUT, 0};
      if (poll(&room, 1, 5000) <= 0) return -1;
      continue;
    }
    p += r, n -= (size_t)r;
  }
  return 0;
}
static void request(Conn *c, uint64_t due) {
  if (stamp) put_digits(stamp, now_rt(), 19);
  if (sign_key) sign_request();
  c->since[(c->head + c->inflight++) % MAX_DEPTH] = due;
  sent++;
  if (send_all(c->fd, req, req_len)) lost(c, "connection lost");
}

// ---- replies ----
static long content_length(const char *head, const char *end) { // -1: none that we can follow
  const char *line = memchr(head, '\n', (size_t)(end - head));
  for (; line && line < end; line = memchr(line + 1, '\n', (size_t)(end - line - 1))) {
    if (!strncasecmp(line + 1, "content-length:", 15)) return atol(line + 16);
    if (!strncasecmp(line + 1, "transfer-encoding:", 18)) return -1;
  }
  return 0; // 204 and the like
}
static void answer(Conn *c, const char *head, uint64_t now) {
  int good = head[9] == '2';
  if (good) ok++;
  else failed++, note("answered", head + 9);
  lat_add(c->since[c->head], now);
  c->head = (c->head + 1) % MAX_DEPTH, c->inflight--;
  answered++, last_answer = now;
}
// Takes whole heads out of the buffer and skips bodies. Returns -1 when the stream makes no sense.
static int take_replies(Conn *c) {
  size_t i = 0;
  uint64_t now = now_mono();
  while (i < c->have) {
    if (c->skip) {
      size_t k = c->have - i < c->skip ? c->have - i : c->skip;
      c->skip -= k, i += k;
      continue;
    }
    char *head = c->buf + i, *end = memmem(head, c->have - i, "\r\n\r\n", 4);
    if (!end) break;
    long length = content_length(head, end + 2);
    if (end - head < 12 || memcmp(head, "HTTP/1.", 7) || length < 0 || !c->inflight) return -1;
    answer(c, head, now);
    c->skip = (size_t)length, i += (size_t)(end + 4 - head);
  }
  memmove(c->buf, c->buf + i, c->have - i);
  c->have -= i;
  return 0;
}
static void on_readable(Conn *c) {
  ssize_t r = recv(c->fd, c->buf + c->have, BUF - 1 - c->have, MSG_DONTWAIT);
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (r <= 0) {
    lost(c, "closed by the server");
    return;
  }
  c->have += (size_t)r, c->buf[c->have] = 0;
  if (take_replies(c) || c->have == BUF - 1) lost(c, "a reply that httpload cannot read");
}

// ---- the schedule ----
static int may_send(void) { return sent < limit && (double)(now_mono() - t0) / 1e9 < seconds && failed < GIVE_UP; }
static void send_flat_out(Conn *c) {
  while (c->fd >= 0 && c->inflight < depth && may_send()) request(c, now_mono());
}
static void send_due(void) {
  static int turn;
  uint64_t due_count = (uint64_t)((double)(now_mono() - t0) / 1e9 * rate) + 1;
  for (int tried = 0; sent < due_count && tried < nconns && may_send(); turn++) {
    Conn *c = &conns[turn % nconns];
    if (c->fd < 0 || c->inflight >= depth) {
      tried++;
      continue;
    }
    tried = 0;
    request(c, t0 + (uint64_t)((double)sent / rate * 1e9));
  }
  uint64_t at = t0 + (uint64_t)((double)sent / rate * 1e9);
  struct itimerspec next = {.it_value = {(time_t)(at / 1000000000ull), (long)(at % 1000000000ull)}};
  if (at > now_mono()) timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
}
static void drive(void) {
  struct epoll_event events[MAX_CONNS + 1];
  first_sent = t0 = now_mono();
  if (!rate)
    for (int i = 0; i < nconns; i++) send_flat_out(&conns[i]);
  while (may_send() || answered < sent) {
    if (rate) send_due();
    if ((double)(now_mono() - t0) / 1e9 > seconds + 10) {
      note("timeout", "no answer within 10 s of the end");
      failed += sent - answered;
      return;
    }
    int n = epoll_wait(ep, events, MAX_CONNS + 1, 10);
    for (int i = 0; i < n; i++) {
      uint64_t ticks;
      Conn *c = events[i].data.ptr;
      if (!c && read(timer, &ticks, sizeof ticks) < 0) continue;
      if (!c) continue;
      on_readable(c);
      if (!rate) send_flat_out(c);
    }
  }
}
static void report(void) {
  struct rusage u;
  double span = (double)(last_answer > first_sent ? last_answer - first_sent : 1) / 1e9;
  getrusage(RUSAGE_SELF, &u);
  for (char *p = first_error; *p; p++)
    if ((unsigned char)*p < 32 || *p == '"' || *p == '\\') *p = ' ';
  printf("{\"requests\":%lu,\"ok\":%lu,\"failed\":%lu,\"span_s\":%.6f,\"requests_per_s\":%.1f,\"user_s\":%ld.%06ld,"
         "\"sys_s\":%ld.%06ld,\"lat_us\":{\"n\":%lu,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
         "\"max\":%.1f},\"error\":\"%s\"}\n",
         sent, ok, failed, span, (double)ok / span, (long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec, (long)u.ru_stime.tv_sec,
         (long)u.ru_stime.tv_usec, lat_n, lat_n ? lat_sum / (double)lat_n / 1e3 : 0, pct(.5), pct(.9), pct(.99), pct(.999),
         (double)lat_max / 1e3, first_error);
}
static void usage(void) {
  fprintf(stderr, "httpload [options]   (loopback only; every request is a POST)\n"
                  " -h HOST(127.0.0.1) -p PORT -u PATH(/)   -H 'Name: v' header (repeat)\n"
                  " -B BODY        a %%t in it becomes the time of sending: 19 digits, CLOCK_REALTIME nanoseconds\n"
                  " -c CONNS(8)    -q requests in flight on each (1)\n"
                  " -d SECONDS(10) -n REQUESTS   stop at whichever comes first   -r RATE requests/s in all (flat out)\n"
                  " -s KEY:SECRET  sign as Pusher's REST API wants it\n");
  exit(2);
}
static void options(int argc, char **argv) {
  int o;
  char *colon;
  while ((o = getopt(argc, argv, "h:p:u:H:B:c:q:d:n:r:s:")) != -1) switch (o) {
      case 'h': host = optarg; break;
      case 'p': port = atoi(optarg); break;
      case 'u': path = optarg; break;
      case 'H': headers_len += (size_t)snprintf(headers + headers_len, sizeof headers - headers_len, "%s\r\n", optarg); break;
      case 'B': body = optarg; break;
      case 'c': nconns = atoi(optarg); break;
      case 'q': depth = atoi(optarg); break;
      case 'd': seconds = atof(optarg); break;
      case 'n': limit = strtoull(optarg, NULL, 10); break;
      case 'r': rate = atof(optarg); break;
      case 's':
        if (!(colon = strchr(optarg, ':')) || strlen(colon + 1) > 64) usage();
        *colon = 0, sign_key = optarg;
        hmac_key(&hmac, colon + 1);
        break;
      default: usage();
    }
  struct in_addr ia;
  if (!inet_pton(AF_INET, host, &ia) || ntohl(ia.s_addr) >> 24 != 127) fail_with("loopback only");
  if (port < 1 || nconns < 1 || nconns > MAX_CONNS || depth < 1 || depth > MAX_DEPTH || rate < 0) usage();
  if (seconds <= 0 || seconds > MAX_SECONDS || headers_len >= sizeof headers || strlen(path) > 1000) usage();
}
int main(int argc, char **argv) {
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
  options(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  build_request();
  ep = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  epoll_ctl(ep, EPOLL_CTL_ADD, timer, &ev);
  for (int i = 0; i < nconns; i++) open_conn(&conns[i]);
  drive();
  report();
  return failed ? 1 : 0;
}
