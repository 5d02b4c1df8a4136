// What both load generators need: clocks, a stamp writer, and a latency histogram. Header only, one instance each.
#ifndef LOAD_H
#define LOAD_H
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
static inline uint64_t now_rt(void) { return clock_ns(CLOCK_REALTIME); }
static inline uint64_t now_mono(void) { return clock_ns(CLOCK_MONOTONIC); }

// Decimal digits of v, right-aligned in width characters: constant length, so that Content-Length is constant too.
static inline void put_digits(char *p, uint64_t v, int width) {
  for (int i = width - 1; i >= 0; i--) {
    p[i] = (char)('0' + v % 10);
    v /= 10;
  }
}

// ---- latency histogram: 128 linear sub-buckets per power of two (<0.8 % error), nanoseconds in, microseconds out ----
#define SUB 7
static uint64_t hist[64 << SUB];
static uint64_t lat_n, lat_max, lat_min = ~0ull, lat_neg;
static double lat_sum;

static inline int bidx(uint64_t v) {
  if (v < (1u << SUB)) return (int)v;
  int e = 63 - __builtin_clzll(v);
  return ((e - SUB + 1) << SUB) + (int)((v >> (e - SUB)) & ((1u << SUB) - 1));
}
static inline uint64_t bval(int i) {
  if (i < (1 << SUB)) return (uint64_t)i;
  int e = (i >> SUB) + SUB - 1;
  uint64_t m = ((uint64_t)i & ((1u << SUB) - 1)) | (1u << SUB);
  return (m << (e - SUB)) + ((1ull << (e - SUB)) >> 1);
}
static inline void lat_add(uint64_t t, uint64_t now) {
  if (t > now) {
    lat_neg++;
    return;
  }
  uint64_t d = now - t;
  hist[bidx(d)]++;
  lat_n++;
  lat_sum += (double)d;
  if (d > lat_max) lat_max = d;
  if (d < lat_min) lat_min = d;
}
static inline double pct(double p) {
  uint64_t want = (uint64_t)(p * (double)lat_n), c = 0;
  if (!lat_n) return 0;
  for (int i = 0; i < (64 << SUB); i++) {
    c += hist[i];
    if (c > want) {
      uint64_t v = bval(i);
      return (double)(v > lat_max ? lat_max : v) / 1e3;
    }
  }
  return (double)lat_max / 1e3;
}
#endif
