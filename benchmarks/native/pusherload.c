// pusherload: single-threaded epoll client of the Pusher protocol, for what subscribers send. gcc -O2, no deps.
// Loopback use only: refuses any target that is not 127.0.0.0/8. Bounded: 4000 sockets, 600 seconds.
// Connects its sockets and says READY; a line on stdin starts the run; one JSON line tells how it went. The sockets stay
// open until stdin ends. Two kinds of run:
// subscribe: N sockets subscribe to the same K channels each, with Q requests in flight on each socket.
// events: N senders and one receiver on one channel; a sender may be Q events ahead of what the receiver has read, and
// sends all it may in one piece.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "load.h"
#include "sign.h"

#define MAX_SOCKETS 4000
#define MAX_CHANNELS 64
#define MAX_DEPTH 512
#define MAX_DATA 4000
#define MAX_SECONDS 600
#define BUF 65536
#define FIRST_SENDER 1000 // so that all have four digits
#define GIVE_UP_S 20 // without any progress

typedef struct {
  int fd;
  char id[32];              // its socket id
  char *frames;             // masked frames, one behind another: subscriptions, or Q times the same event
  size_t ends[MAX_CHANNELS]; // where each subscription ends
  int asked, answered;      // subscriptions
  uint64_t sent, seen;      // events, whole ones; and how many of them the receiver has read
  size_t partial;           // bytes sent of an event that is not whole yet
  size_t have;
  char *buf;
} Conn;

static const char *host = "127.0.0.1", *path = "/", *channel = "bench";
static int port, nconns = 100, nchannels = 10, depth = 1, data_size = 100, events_run, ep;
static double seconds = 3;
static char *sign_key;
static Hmac hmac;

static Conn *conns, *receiver; // the receiver of an events run is the last one, behind nconns senders
static int nsockets;
static size_t event_len, event_bare;
static uint64_t answered, refused, delivered, accepted, started, last_progress;
static char first_error[256];

static void note(const char *what, const char *detail, size_t n) {
  refused++;
  if (!first_error[0]) snprintf(first_error, sizeof first_error, "%s %.*s", what, (int)(n < 180 ? n : 180), detail);
}
static void fail_with(const char *message) {
  fprintf(stderr, "pusherload: %s\n", message);
  exit(2);
}

// ---- what is sent ----
static size_t put_frame(char *out, const char *text, size_t n) { // one masked text frame (RFC 6455 5.2)
  unsigned char *h = (unsigned char *)out;
  size_t head = 2;
  uint32_t mask = (uint32_t)random() | 0x01010101u;
  h[0] = 0x81;
  if (n < 126) h[1] = (unsigned char)(0x80 | n);
  else h[1] = 0x80 | 126, h[2] = (unsigned char)(n >> 8), h[3] = (unsigned char)n, head = 4;
  memcpy(h + head, &mask, 4);
  for (size_t i = 0; i < n; i++) out[head + 4 + i] = (char)(text[i] ^ h[head + (i & 3)]);
  return head + 4 + n;
}
static size_t put_subscription(char *out, const Conn *c, const char *name) {
  char text[512], auth[256] = "";
  if (sign_key) {
    char hex[65] = "", proof[256];
    int n = snprintf(proof, sizeof proof, "%s:%s", c->id, name);
    hmac_hex(&hmac, proof, (size_t)n, hex);
    snprintf(auth, sizeof auth, ",\"auth\":\"%s:%s\"", sign_key, hex);
  }
  int n = snprintf(text, sizeof text, "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"%s\"%s}}", name, auth);
  return put_frame(out, text, (size_t)n);
}
static void build_subscriptions(Conn *c, int count) {
  size_t at = 0;
  char name[128];
  c->frames = malloc((size_t)count * 540);
  if (!c->frames) fail_with("out of memory");
  for (int i = 0; i < count; i++) {
    if (events_run) snprintf(name, sizeof name, "%s", channel);
    else snprintf(name, sizeof name, "%s-%d", channel, i);
    c->ends[i] = at += put_subscription(c->frames + at, c, name);
  }
}
static void build_events(Conn *c, int sender) {
  char text[MAX_DATA + 512], data[MAX_DATA + 64];
  int bare = snprintf(data, sizeof data, "{\\\"s\\\":%04d,\\\"p\\\":\\\"", FIRST_SENDER + sender);
  int padding = data_size - (bare - 5) - 2; // five backslashes are not data; two bytes are still to come
  memset(data + bare, 'x', (size_t)padding);
  memcpy(data + bare + padding, "\\\"}", 4);
  int n = snprintf(text, sizeof text, "{\"event\":\"client-move\",\"channel\":\"%s\",\"data\":\"%s\"}", channel, data);
  free(c->frames);
  c->frames = malloc((size_t)depth * ((size_t)n + 8));
  if (!c->frames) fail_with("out of memory");
  event_bare = (size_t)n;
  event_len = put_frame(c->frames, text, (size_t)n);
  for (int i = 1; i < depth; i++) memcpy(c->frames + (size_t)i * event_len, c->frames, event_len);
}

// ---- connections ----
static void connect_one(Conn *c) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct timeval patience = {.tv_sec = GIVE_UP_S};
  char request[2048], *id = NULL;
  int one = 1;
  inet_pton(AF_INET, host, &a.sin_addr);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a)) fail_with("cannot connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  int n = snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                   path, host, port);
  if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n) fail_with("cannot send the handshake");
  if (!(c->buf = malloc(BUF))) fail_with("out of memory");
  while (!id || !strchr(id, '}')) { // the greeting is all that comes before we ask for anything
    ssize_t r = recv(c->fd, c->buf + c->have, 4096 - c->have, 0);
    if (r <= 0) fail_with("no greeting");
    c->have += (size_t)r, c->buf[c->have] = 0;
    id = memmem(c->buf, c->have, "socket_id", 9);
  }
  id += 9 + strcspn(id + 9, "0123456789");
  snprintf(c->id, sizeof c->id, "%.*s", (int)strspn(id, "0123456789."), id);
  c->have = 0;
  fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}
static void lost(Conn *c) {
  note("socket closed", strerror(errno), 60);
  close(c->fd);
  c->fd = -1;
}
static void ask(Conn *c, int count) { // frames are small and few: they always fit
  while (c->fd >= 0 && c->asked < count && c->asked - c->answered < depth) {
    size_t from = c->asked ? c->ends[c->asked - 1] : 0, n = c->ends[c->asked] - from;
    c->asked++;
    if (send(c->fd, c->frames + from, n, MSG_NOSIGNAL) != (ssize_t)n) lost(c);
  }
}
static void send_events(Conn *c) { // all that it may, in one piece
  size_t room = (size_t)depth - (size_t)(c->sent - c->seen);
  size_t n = room * event_len - c->partial;
  if (c->fd < 0 || (!c->partial && room < (size_t)(depth + 1) / 2)) return; // worth a call
  if (!room) return;
  ssize_t r = send(c->fd, c->frames + c->partial, n, MSG_NOSIGNAL);
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (r < 0) {
    lost(c);
    return;
  }
  c->sent += (c->partial + (size_t)r) / event_len;
  c->partial = (c->partial + (size_t)r) % event_len;
}

// ---- what comes back ----
static int starts(const char *p, size_t n, const char *with) {
  size_t k = strlen(with);
  return n >= k && !memcmp(p, with, k);
}
static void take(Conn *c, const char *p, size_t n) {
  if (starts(p, n, "{\"event\":\"pusher_internal:subscription_succeeded\"")) {
    c->answered++, answered++;
  } else if (starts(p, n, "{\"event\":\"client-move\"")) {
    const char *s = c == receiver ? memmem(p, n, "s\\\":", 4) : NULL;
    delivered++;
    if (s) conns[atoi(s + 4) - FIRST_SENDER].seen++, accepted++;
  } else if (starts(p, n, "{\"event\":\"pusher:error\"") || starts(p, n, "{\"event\":\"pusher:subscription_error\"")) {
    note("refused", p, n);
  }
  last_progress = now_mono();
}
static void on_readable(Conn *c) {
  ssize_t r = recv(c->fd, c->buf + c->have, BUF - c->have, 0);
  size_t i = 0;
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (r <= 0) {
    lost(c);
    return;
  }
  c->have += (size_t)r;
  while (c->have - i >= 2) {
    unsigned char *h = (unsigned char *)c->buf + i;
    size_t n = h[1], head = 2;
    if (n == 126) {
      if (c->have - i < 4) break;
      n = (size_t)h[2] << 8 | h[3], head = 4;
    } else if (n > 126) {
      lost(c);
      return;
    }
    if (c->have - i < head + n) break;
    if ((h[0] & 15) == 1) take(c, c->buf + i + head, n);
    else if ((h[0] & 15) == 8) note("close frame", (char *)h + head + 2, n > 2 ? n - 2 : 0);
    i += head + n;
  }
  memmove(c->buf, c->buf + i, c->have - i);
  c->have -= i;
}
static int stuck(void) { return (double)(now_mono() - last_progress) / 1e9 > GIVE_UP_S; }
static void poll_once(void) {
  static struct epoll_event events[MAX_SOCKETS + 1];
  int n = epoll_wait(ep, events, nsockets, 1);
  for (int i = 0; i < n; i++) {
    Conn *c = events[i].data.ptr;
    if (c->fd >= 0) on_readable(c);
  }
}

// ---- the runs ----
static void subscribe_all(int count) {
  uint64_t wanted = answered + (uint64_t)nsockets * (uint64_t)count;
  last_progress = now_mono();
  while (answered + refused < wanted && !stuck()) {
    for (int i = 0; i < nsockets; i++) ask(&conns[i], count);
    poll_once();
  }
}
static void exchange_events(void) {
  last_progress = now_mono();
  while ((double)(now_mono() - started) / 1e9 < seconds && !stuck()) {
    for (int i = 0; i < nconns; i++) send_events(&conns[i]);
    poll_once();
  }
  for (uint64_t wanted = 0, quiet = now_mono(); (double)(now_mono() - quiet) / 1e9 < 2; poll_once()) {
    int whole = 1;
    wanted = 0;
    for (int i = 0; i < nconns; i++) {
      Conn *c = &conns[i];
      wanted += c->sent * (uint64_t)nconns; // to the other senders, and to the receiver
      if (!c->partial || c->fd < 0) continue;
      ssize_t r = send(c->fd, c->frames + c->partial, event_len - c->partial, MSG_NOSIGNAL);
      whole = 0;
      if (r > 0 && (c->partial += (size_t)r) == event_len) c->partial = 0, c->sent++;
    }
    if (whole && delivered >= wanted) break;
    if (last_progress > quiet) quiet = last_progress;
  }
}
static void report(void) {
  struct rusage u;
  double span = (double)(last_progress > started ? last_progress - started : 1) / 1e9;
  uint64_t sent = 0;
  int open = 0;
  for (int i = 0; i < nsockets; i++) sent += events_run ? conns[i].sent : (uint64_t)conns[i].asked, open += conns[i].fd >= 0;
  getrusage(RUSAGE_SELF, &u);
  for (char *p = first_error; *p; p++)
    if ((unsigned char)*p < 32 || *p == '"' || *p == '\\') *p = ' ';
  printf("{\"n\":%d,\"open\":%d,\"sent\":%lu,\"accepted\":%lu,\"delivered\":%lu,\"refused\":%lu,\"span_s\":%.6f,"
         "\"frame_bytes\":%zu,\"text_bytes\":%zu,\"user_s\":%ld.%06ld,\"sys_s\":%ld.%06ld,\"error\":\"%s\"}\n",
         nsockets, open, sent, events_run ? accepted : answered, delivered, refused, span, event_len, event_bare,
         (long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec, (long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec, first_error);
  fflush(stdout);
}
static void usage(void) {
  fprintf(stderr, "pusherload [options]   (loopback only)\n"
                  " -h HOST(127.0.0.1) -p PORT -u PATH(/)   -n SOCKETS(100); of an events run: senders\n"
                  " -c CHANNEL(bench)  -s KEY:SECRET  sign subscriptions\n"
                  " -k CHANNELS(10)    subscribe to CHANNEL-0 .. on every socket; -q requests in flight on each (1)\n"
                  " -e                 send client events on CHANNEL instead, for -d SECONDS(3)\n"
                  " -B BYTES(100)      of data in an event; -q events that a sender may be ahead\n");
  exit(2);
}
static void options(int argc, char **argv) {
  int o;
  char *colon;
  while ((o = getopt(argc, argv, "h:p:u:n:c:s:k:q:eB:d:")) != -1) switch (o) {
      case 'h': host = optarg; break;
      case 'p': port = atoi(optarg); break;
      case 'u': path = optarg; break;
      case 'n': nconns = atoi(optarg); break;
      case 'c': channel = optarg; break;
      case 'k': nchannels = atoi(optarg); break;
      case 'q': depth = atoi(optarg); break;
      case 'e': events_run = 1; break;
      case 'B': data_size = atoi(optarg); break;
      case 'd': seconds = atof(optarg); break;
      case 's':
        if (!(colon = strchr(optarg, ':')) || strlen(colon + 1) > 64 || strlen(optarg) > 130) usage();
        *colon = 0, sign_key = optarg;
        hmac_key(&hmac, colon + 1);
        break;
      default: usage();
    }
  struct in_addr ia;
  if (!inet_pton(AF_INET, host, &ia) || ntohl(ia.s_addr) >> 24 != 127) fail_with("loopback only");
  if (port < 1 || nconns < 1 || nconns > MAX_SOCKETS - 1 || depth < 1 || depth > MAX_DEPTH || strlen(channel) > 60) usage();
  if (seconds <= 0 || seconds > MAX_SECONDS || nchannels < 1 || nchannels > MAX_CHANNELS || strlen(path) > 1000) usage();
  if (data_size < 40 || data_size > MAX_DATA) usage();
}
int main(int argc, char **argv) {
  char line[16];
  struct rlimit files;
  options(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  nsockets = nconns + events_run;
  conns = calloc((size_t)nsockets, sizeof *conns);
  ep = epoll_create1(EPOLL_CLOEXEC);
  if (!conns || ep < 0) fail_with("out of memory");
  receiver = &conns[nsockets - 1];
  for (int i = 0; i < nsockets; i++) connect_one(&conns[i]), build_subscriptions(&conns[i], events_run ? 1 : nchannels);
  if (events_run) {
    subscribe_all(1);
    for (int i = 0; i < nconns; i++) build_events(&conns[i], i);
  }
  printf("READY %d connected, %lu failed %s\n", nsockets, refused, first_error);
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) return 1;
  started = now_mono();
  if (events_run) exchange_events();
  else subscribe_all(nchannels);
  report();
  while (read(0, line, sizeof line) > 0) {}
  return refused ? 1 : 0;
}
