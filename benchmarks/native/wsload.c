// wsload: single-threaded epoll WebSocket subscriber load generator. gcc -O2, no deps.
// Loopback use only: refuses any target that is not 127.0.0.0/8.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { S_IDLE, S_CONN, S_HS, S_OPEN, S_DEAD };
typedef struct {
  int fd;
  uint8_t state, step, done, frag;   // step: next message step; done: final wait satisfied
  uint32_t carry_len, carry_cap;
  char *carry;
  uint64_t skip;                     // payload bytes of a very large frame still to be dropped
  uint64_t big_t, big_len;           // its stamp and length, counted when the last byte is in
  uint32_t frames;                   // messages counted after READY
} Conn;

#define MAXSTEP 16
typedef struct { const char *gate; char *msg; size_t len; int bin; int has_d; } Step;
static Step steps[MAXSTEP]; static int nsteps;
static const char *final_gate;
static const char *host = "127.0.0.1", *path = "/", *sock_host_hdr = NULL;
static int port = 0, N = 100, nsrc = 0, inflight_max = 64, rate = 0, keep_open = 0, srcbase = 2;
static double dur = 10, conn_timeout = 60, idle_stop = 0;
static uint64_t max_total = 0; static uint32_t per_conn = 0;
static char hdrs[8192]; static size_t hdrlen;
static const char *count_sub = NULL; static size_t count_sub_len;
static size_t BUFSZ = 256 * 1024;
static int nolat = 0, verbose = 0, index_base = 0, rcvbuf = 0;

static Conn *conns; static char *buf; static int ep;
static int n_open, n_fail, n_ready, n_closed, inflight, next_conn;
static int ready; static uint64_t t_first, t_last, t_ready, t_start;
static uint64_t frames, msgs, bytes_wire, bytes_payload, pings, apps, recv_calls, other_frames, pre_frames, loops, events_n;
static char req[16384]; static int reqlen;
static int fail_connect, fail_hs, fail_timeout; static char first_err[256];

static void send_frame(Conn *c, int op, const char *p, size_t n) {
  unsigned char h[14]; size_t hl = 2; static char out[70000];
  if (n > 65535) return;
  h[0] = 0x80 | op;
  if (n < 126) h[1] = 0x80 | n; else { h[1] = 0x80 | 126; h[2] = n >> 8; h[3] = n & 255; hl = 4; }
  uint32_t mk = (uint32_t)random(); memcpy(h + hl, &mk, 4); unsigned char *m = h + hl;
  memcpy(out, h, hl + 4); for (size_t i = 0; i < n; i++) out[hl + 4 + i] = p[i] ^ m[i & 3];
  ssize_t r = send(c->fd, out, hl + 4 + n, MSG_NOSIGNAL); (void)r;
}
static void send_step(Conn *c, Step *s) {
  if (s->has_d) {
    char tmp[66000]; size_t o = 0; int idx = (int)(c - conns) + index_base;
    for (size_t i = 0; i < s->len && o < 65000; i++) {
      if (s->msg[i] == '%' && i + 1 < s->len && s->msg[i + 1] == 'd') { o += sprintf(tmp + o, "%d", idx); i++; } else tmp[o++] = s->msg[i];
    }
    send_frame(c, s->bin ? 2 : 1, tmp, o);
  } else send_frame(c, s->bin ? 2 : 1, s->msg, s->len);
}
static void conn_satisfied(Conn *c) { if (!c->done) { c->done = 1; n_ready++; inflight--; } }
static void advance(Conn *c) { while (c->step < nsteps && !steps[c->step].gate) send_step(c, &steps[c->step++]);
  if (c->step == nsteps && !final_gate) conn_satisfied(c); }
static void gate_check(Conn *c, const char *p, size_t n) {
  if (c->step < nsteps) { const char *g = steps[c->step].gate;
    if (g && memmem(p, n, g, strlen(g))) { send_step(c, &steps[c->step++]); advance(c); } }
  else if (final_gate && !c->done && memmem(p, n, final_gate, strlen(final_gate))) conn_satisfied(c);
}
static void kill_conn(Conn *c, const char *why) {
  if (c->state == S_DEAD) return;
  if (c->fd >= 0) close(c->fd);
  if (c->state == S_OPEN && c->done) n_closed++; else { n_fail++; inflight--; if (!first_err[0]) snprintf(first_err, sizeof first_err, "%s (errno %s)", why, strerror(errno)); }
  if (c->state == S_OPEN) n_open--;
  c->fd = -1; c->state = S_DEAD; free(c->carry); c->carry = NULL; c->carry_len = c->carry_cap = 0;
}
// find the stamp in p: cached offset first. Returns pointer behind the ':' or NULL
static size_t off_cache = ~0ull;
static inline const char *stamp_at(const char *p, const char *e) { // p at 't"' ; returns digits ptr
  if (e - p < 4) return NULL;
  if (p[0] != 't') return NULL;
  const char *q = p + 1; if (*q == '\\') { while (q < e && *q == '\\') q++; } if (q + 2 > e || q[0] != '"') return NULL; q++;
  while (q < e && *q == ' ') q++;
  if (q >= e || *q != ':') return NULL; q++; while (q < e && *q == ' ') q++;
  return (q < e && *q >= '0' && *q <= '9') ? q : NULL;
}
static inline const char *find_stamp(const char *p, size_t n) {
  const char *e = p + n, *d;
  if (off_cache < n && off_cache > 0 && p[off_cache - 1] == '"' && (d = stamp_at(p + off_cache, e))) return d;
  const char *s = p;
  while (s < e && (s = memchr(s, '"', e - s))) { if (s + 1 < e && s[1] == 't' && (d = stamp_at(s + 1, e))) { off_cache = (size_t)(s + 1 - p); return d; } s++; }
  return NULL;
}
static inline uint64_t num(const char *p, const char *e) { uint64_t v = 0; while (p < e && (unsigned)(*p - '0') < 10) v = v * 10 + (*p++ - '0'); return v; }
static uint64_t now_ns; // per recv

static inline int app_ctl(Conn *c, const char *p, size_t n) { // application-level keepalives; returns 1 if swallowed
  if (n == 1 && p[0] == '2') { send_frame(c, 1, "3", 1); apps++; return 1; }                       // Engine.IO
  if (n >= 6 && p[0] == 'P' && !memcmp(p, "PING\r\n", 6)) { send_frame(c, 2, "PONG\r\n", 6); apps++; return 1; } // NATS
  if (n < 64 && n >= 22 && p[0] == '{' && !memcmp(p, "{\"event\":\"pusher:ping\"", 22)) { send_frame(c, 1, "{\"event\":\"pusher:pong\",\"data\":{}}", 33); apps++; return 1; }
  return 0;
}
static inline void on_data(Conn *c, int fin, const char *p, size_t have, uint64_t plen) {
  // p/have: payload bytes at hand (all of it unless the frame is very large)
  if (have < 64 && app_ctl(c, p, have)) return;
  if (!c->done) gate_check(c, p, have);
  if (!ready) { pre_frames++; return; }
  if (!fin) { c->frag = 1; bytes_payload += plen; return; }
  if (count_sub && !memmem(p, have, count_sub, count_sub_len)) { other_frames++; return; }
  if (!t_first) t_first = now_ns; t_last = now_ns;
  frames++; bytes_payload += plen;
  msgs++; c->frames++;
  if (!nolat) { const char *d; if ((d = find_stamp(p, have))) lat_add(num(d, p + have), now_ns); }
}
static void big_done(Conn *c) {
  if (!ready || !c->big_len) { if (!ready) pre_frames++; return; }
  if (!t_first) t_first = now_ns; t_last = now_ns; frames++; msgs++; c->frames++; bytes_payload += c->big_len; if (c->big_t) lat_add(c->big_t, now_ns);
}
// parse as many frames as possible; returns bytes consumed
static size_t parse(Conn *c, char *b, size_t n) {
  size_t i = 0;
  while (i < n) {
    if (c->skip) { size_t k = n - i < c->skip ? n - i : c->skip; c->skip -= k; i += k; if (!c->skip) big_done(c); continue; }
    size_t left = n - i; if (left < 2) break;
    unsigned char *h = (unsigned char *)b + i; int fin = h[0] & 0x80, op = h[0] & 15; uint64_t len = h[1] & 127; size_t hl = 2;
    if (h[1] & 0x80) { errno = EPROTO; kill_conn(c, "masked server frame"); return n; }
    if (len == 126) { if (left < 4) break; len = (h[2] << 8) | h[3]; hl = 4; }
    else if (len == 127) { if (left < 10) break; len = 0; for (int k = 2; k < 10; k++) len = (len << 8) | h[k]; hl = 10; }
    uint64_t tot = hl + len;
    if (left < tot) {
      if (tot > BUFSZ / 2 && left >= hl + 4096) { // very large frame: use its head, drop the rest
        const char *d; if (!c->done) gate_check(c, b + i + hl, left - hl);
        c->big_t = !nolat && (d = find_stamp(b + i + hl, left - hl)) ? num(d, b + n) : 0; c->big_len = fin ? len : 0; c->skip = tot - left; return n; }
      break;
    }
    char *p = b + i + hl; i += tot;
    if (op == 1 || op == 2 || op == 0) { on_data(c, fin, p, len, len); if (c->state == S_DEAD) return n; }
    else if (op == 9) { send_frame(c, 10, p, len < 126 ? len : 125); pings++; }
    else if (op == 8) { errno = 0; if (!first_err[0] && len >= 2) snprintf(first_err, sizeof first_err, "close %d %.*s", ((unsigned char)p[0] << 8) | (unsigned char)p[1], (int)(len - 2 < 100 ? len - 2 : 100), p + 2); kill_conn(c, "server sent close"); return n; }
  }
  return i;
}
static void keep(Conn *c, char *b, size_t n) {
  if (n > c->carry_cap) { free(c->carry); c->carry_cap = (n + 255) & ~255u; c->carry = malloc(c->carry_cap); }
  memcpy(c->carry, b, n); c->carry_len = n;
}
static void on_readable(Conn *c) {
  recv_calls++;
  size_t have = c->carry_len; if (have) memcpy(buf, c->carry, have);
  ssize_t r = recv(c->fd, buf + have, BUFSZ - have, 0);
  if (r <= 0) { if (r < 0 && (errno == EAGAIN || errno == EINTR)) return; kill_conn(c, c->state == S_OPEN ? "closed by server" : "closed during handshake"); return; }
  now_ns = now_rt();
  size_t n = have + r; char *b = buf; c->carry_len = 0;
  if (c->state == S_HS) {
    char *e = memmem(b, n, "\r\n\r\n", 4);
    if (!e) { if (n > 16000) { kill_conn(c, "handshake too long"); return; } keep(c, b, n); return; }
    if (n < 12 || memcmp(b + 8, " 101", 4)) { fail_hs++; if (!first_err[0]) snprintf(first_err, sizeof first_err, "handshake: %.*s", (int)(strcspn(b, "\r\n")), b); kill_conn(c, "no 101"); return; }
    c->state = S_OPEN; n_open++; n -= (e + 4 - b); b = e + 4; advance(c);
    if (!n) return;
  } else if (ready) bytes_wire += r;
  size_t used = parse(c, b, n);
  if (c->state != S_DEAD && used < n) keep(c, b + used, n - used);
}
static void start_conn(int i) {
  Conn *c = &conns[i]; c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  c->state = S_CONN; inflight++;
  if (c->fd < 0) { fail_connect++; kill_conn(c, "socket"); return; }
  int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (rcvbuf) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
  if (nsrc > 0) {
    struct sockaddr_in s = { .sin_family = AF_INET }; s.sin_addr.s_addr = htonl(0x7f000000u + srcbase + (i % nsrc));
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&s, sizeof s)) { fail_connect++; kill_conn(c, "bind"); return; }
  }
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) }; inet_pton(AF_INET, host, &a.sin_addr);
  if (connect(c->fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS) { fail_connect++; kill_conn(c, "connect"); return; }
  struct epoll_event ev = { .events = EPOLLOUT, .data.u32 = i }; epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}
static void on_event(int i, uint32_t e) {
  Conn *c = &conns[i];
  if (c->state == S_OPEN || c->state == S_HS) { on_readable(c); return; }
  if (c->state == S_CONN) {
    int err = 0; socklen_t l = sizeof err; getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
    if (err || (e & (EPOLLERR | EPOLLHUP))) { errno = err; fail_connect++; kill_conn(c, "connect"); return; }
    const char *rq = req; int rl = reqlen; char tmp[17000]; char *pd;
    if ((pd = strstr(req, "%d")) != NULL) { rl = snprintf(tmp, sizeof tmp, "%.*s%d%s", (int)(pd - req), req, i + index_base, pd + 2); rq = tmp; }
    if (send(c->fd, rq, rl, MSG_NOSIGNAL) != rl) { fail_connect++; kill_conn(c, "send request"); return; }
    c->state = S_HS; struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i }; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
  }
}
static char *unesc(const char *s, size_t *len) {
  char *o = malloc(strlen(s) + 1), *q = o;
  while (*s) {
    if (*s == '\\' && s[1]) { s++; switch (*s) { case 'n': *q++ = '\n'; s++; break; case 'r': *q++ = '\r'; s++; break; case 't': *q++ = '\t'; s++; break; case '0': *q++ = 0; s++; break; case '\\': *q++ = '\\'; s++; break;
      case 'x': { char h[3] = { s[1], s[1] ? s[2] : 0, 0 }; *q++ = (char)strtol(h, NULL, 16); s += 3; break; } default: *q++ = '\\'; *q++ = *s++; } }
    else *q++ = *s++;
  }
  *q = 0; *len = q - o; return o;
}
static volatile sig_atomic_t stop; static void on_sig(int s) { (void)s; stop = 1; }
static void usage(void) {
  fprintf(stderr,
    "wsload [options]   (loopback only)\n"
    " -h HOST(127.0.0.1) -p PORT -u PATH(/; a %%d in it or in -H is the index) -n N\n"
    " -H 'Name: v'   extra handshake header (repeat)\n"
    " -m TEXT        text frame to send after connect; %%d = index; \\r \\n \\t \\0 \\xNN escapes (repeat, in order)\n"
    " -b TEXT        the same as a binary frame\n"
    " -g SUBSTR      the next -m/-b is sent only after a frame with SUBSTR arrived\n"
    " -w SUBSTR      READY only when every connection got a frame with SUBSTR (after its -m's)\n"
    " -d SEC(10)     run so long after READY   -M TOTAL stop after TOTAL messages   -e K  stop at K messages per connection (N*K)\n"
    " -i SEC         stop when no data for SEC (after the first)\n"
    " -s NSRC        bind source addresses 127.0.0.2 .. (NSRC of them; use ceil(N/25000))   -S FIRST(2) first host number\n"
    " -c N(64)       handshakes in flight   -r RATE connections/s   -T SEC(60) connect timeout\n"
    " -C SUBSTR      count only frames that contain SUBSTR\n"
    " -B BYTES       recv buffer (262144)   -R BYTES SO_RCVBUF   -L no latency   -I BASE index base\n"
    " -k             after the JSON line keep the sockets open until stdin ends   -v verbose\n");
  exit(2);
}
int main(int argc, char **argv) {
  int o; const char *gate = NULL;
  while ((o = getopt(argc, argv, "h:p:u:n:H:m:b:g:w:d:M:e:i:s:S:c:r:T:C:B:R:LI:kv")) != -1) switch (o) {
    case 'h': host = optarg; break; case 'p': port = atoi(optarg); break; case 'u': path = optarg; break; case 'n': N = atoi(optarg); break;
    case 'H': hdrlen += snprintf(hdrs + hdrlen, sizeof hdrs - hdrlen, "%s\r\n", optarg); break;
    case 'm': case 'b': { if (nsteps >= MAXSTEP) usage(); Step *s = &steps[nsteps++]; s->gate = gate; gate = NULL; s->msg = unesc(optarg, &s->len); s->bin = o == 'b'; s->has_d = strstr(optarg, "%d") != NULL; break; }
    case 'g': { size_t l; gate = unesc(optarg, &l); break; } case 'w': { size_t l; final_gate = unesc(optarg, &l); break; }
    case 'd': dur = atof(optarg); break; case 'M': max_total = strtoull(optarg, 0, 10); break; case 'e': per_conn = atoi(optarg); break; case 'i': idle_stop = atof(optarg); break;
    case 's': nsrc = atoi(optarg); break; case 'S': srcbase = atoi(optarg); break; case 'c': inflight_max = atoi(optarg); break; case 'r': rate = atoi(optarg); break; case 'T': conn_timeout = atof(optarg); break;
    case 'C': count_sub = optarg; count_sub_len = strlen(optarg); break;
    case 'B': BUFSZ = strtoull(optarg, 0, 10); break; case 'R': rcvbuf = atoi(optarg); break; case 'L': nolat = 1; break; case 'I': index_base = atoi(optarg); break;
    case 'k': keep_open = 1; break; case 'v': verbose = 1; break; default: usage();
  }
  if (!port || N < 1 || BUFSZ < 65536) usage();
  struct in_addr ia; if (!inet_pton(AF_INET, host, &ia) || (ntohl(ia.s_addr) >> 24) != 127) { fprintf(stderr, "loopback only\n"); return 2; }
  if (!max_total && per_conn) max_total = (uint64_t)N * per_conn;
  struct rlimit rl; getrlimit(RLIMIT_NOFILE, &rl); rlim_t need = N + 64;
  if (rl.rlim_cur < need) { rl.rlim_cur = need; if (rl.rlim_max < need) rl.rlim_max = need; if (setrlimit(RLIMIT_NOFILE, &rl)) { fprintf(stderr, "cannot raise the open-file limit to %lu (hard limit %lu): use -n at most %lu per wsload process\n", (unsigned long)need, (unsigned long)rl.rlim_max, (unsigned long)(getrlimit(RLIMIT_NOFILE, &rl), rl.rlim_max - 64)); return 2; } }
  signal(SIGPIPE, SIG_IGN); signal(SIGINT, on_sig); signal(SIGTERM, on_sig);
  conns = calloc(N, sizeof *conns); for (int i = 0; i < N; i++) conns[i].fd = -1;
  buf = malloc(BUFSZ + 64); memset(buf, 0, BUFSZ); ep = epoll_create1(EPOLL_CLOEXEC); srandom(getpid() ^ time(NULL));
  unsigned char k[16]; for (int i = 0; i < 16; i++) k[i] = random(); char key[25]; const char *b64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  { int q = 0; for (int i = 0; i < 15; i += 3) { uint32_t v = k[i] << 16 | k[i + 1] << 8 | k[i + 2]; key[q++] = b64[v >> 18]; key[q++] = b64[v >> 12 & 63]; key[q++] = b64[v >> 6 & 63]; key[q++] = b64[v & 63]; }
    key[q++] = b64[k[15] >> 2]; key[q++] = b64[(k[15] & 3) << 4]; key[q++] = '='; key[q++] = '='; key[q] = 0; }
  char hh[128]; snprintf(hh, sizeof hh, "%s:%d", host, port); sock_host_hdr = hh;
  reqlen = snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, sock_host_hdr, key, hdrs);
  t_start = now_mono(); struct epoll_event evs[1024]; struct rusage ru0 = {0}, ru1; uint64_t last_progress = t_start; int last_seen = -1; uint64_t spin_last = 0, last_data_mono = 0, last_msgs = 0; double rate_acc;
  while (!stop) {
    uint64_t m = now_mono();
    if (!ready) {
      while (next_conn < N && inflight < inflight_max) {
        if (rate) { rate_acc = (m - t_start) / 1e9 * rate; if (next_conn >= rate_acc + 1) break; }
        start_conn(next_conn++);
      }
      int seen = n_ready + n_fail + n_open; if (seen != last_seen) { last_seen = seen; last_progress = m; }
      if (next_conn == N && n_ready + n_fail >= N) {
        ready = 1; t_ready = m; getrusage(RUSAGE_SELF, &ru0); recv_calls = 0;
        printf("READY %d connected, %d failed, %.3f s%s%s\n", n_open, n_fail, (m - t_start) / 1e9, first_err[0] ? " first_error: " : "", first_err); fflush(stdout);
        if (!n_open) break;
        t_ready = now_mono();
      } else if ((m - last_progress) / 1e9 > conn_timeout) {
        fail_timeout = N - n_ready - n_fail; fprintf(stderr, "timeout: %d ready, %d open, %d failed of %d; %s\n", n_ready, n_open, n_fail, N, first_err); printf("TIMEOUT\n"); return 1;
      }
    } else {
      if ((m - t_ready) / 1e9 >= dur) break;
      if (max_total && msgs >= max_total) break;
      if (n_open == 0) break;
      if (msgs != last_msgs) { last_msgs = msgs; last_data_mono = m; }
      if (idle_stop > 0 && last_data_mono && (m - last_data_mono) / 1e9 > idle_stop) break;
      if (verbose && m - spin_last > 1000000000ull) { spin_last = m; fprintf(stderr, "%.1f s: %lu msgs, closed %d\n", (m - t_ready) / 1e9, (unsigned long)msgs, n_closed); }
    }
    int n = epoll_wait(ep, evs, 1024, ready ? 20 : 5); loops++; events_n += n > 0 ? n : 0;
    for (int i = 0; i < n; i++) on_event(evs[i].data.u32, evs[i].events);
  }
  uint64_t t_end = now_mono(); getrusage(RUSAGE_SELF, &ru1);
  double us = (ru1.ru_utime.tv_sec - ru0.ru_utime.tv_sec) + (ru1.ru_utime.tv_usec - ru0.ru_utime.tv_usec) / 1e6, sy = (ru1.ru_stime.tv_sec - ru0.ru_stime.tv_sec) + (ru1.ru_stime.tv_usec - ru0.ru_stime.tv_usec) / 1e6;
  double span = t_last > t_first ? (t_last - t_first) / 1e9 : 0; uint32_t mn = ~0u, mx = 0; int complete = 0, alive = 0;
  for (int i = 0; i < N; i++) { if (conns[i].frames < mn) mn = conns[i].frames; if (conns[i].frames > mx) mx = conns[i].frames; if (per_conn && conns[i].frames == per_conn) complete++; }
  for (int i = 0; i < N; i++) if (conns[i].state == S_OPEN) alive++;
  printf("{\"n\":%d,\"open\":%d,\"failed\":%d,\"closed\":%d,\"connect_s\":%.3f,\"frames\":%lu,\"msgs\":%lu,\"payload_bytes\":%lu,\"wire_bytes\":%lu,\"span_s\":%.6f,\"msgs_per_s\":%.0f,\"mbytes_per_s\":%.2f,\"wall_s\":%.3f,"
         "\"per_conn_min\":%u,\"per_conn_max\":%u,\"complete\":%d,\"other_frames\":%lu,\"pings\":%lu,\"app_pings\":%lu,\"recv_calls\":%lu,\"gen_user_s\":%.3f,\"gen_sys_s\":%.3f,"
         "\"lat_us\":{\"n\":%lu,\"min\":%.1f,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f,\"neg\":%lu},\"error\":\"",
         N, alive, n_fail, n_closed, (t_ready - t_start) / 1e9, frames, msgs, bytes_payload, bytes_wire, span, span > 0 ? msgs / span : 0, span > 0 ? bytes_wire / span / 1e6 : 0, (t_end - t_ready) / 1e9,
         mn == ~0u ? 0 : mn, mx, complete, other_frames, pings, apps, recv_calls, us, sy, lat_n, lat_n ? lat_min / 1e3 : 0, lat_n ? lat_sum / lat_n / 1e3 : 0, pct(.5), pct(.9), pct(.99), pct(.999), lat_max / 1e3, lat_neg);
  for (char *p = first_err; *p; p++) if ((unsigned char)*p >= 32 && *p != '"' && *p != '\\') putchar(*p);
  printf("\"}\n"); fflush(stdout);
  while (keep_open && read(0, buf, BUFSZ) > 0) {}
  return n_fail || (per_conn && complete < N) ? 1 : 0;
}
