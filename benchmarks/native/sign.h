// MD5 (RFC 1321), SHA-256 (FIPS 180-4) and HMAC (RFC 2104): what a Pusher-style publish is signed with. For the load
// generator only: straightforward, not constant-time, messages up to a few kilobytes.
#ifndef SIGN_H
#define SIGN_H
#include <stdint.h>
#include <string.h>

typedef void Block(uint32_t *h, const unsigned char *p);

static void md5_block(uint32_t *h, const unsigned char *p) {
  static const uint32_t k[64] = {
      0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af,
      0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
      0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
      0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
      0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97,
      0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
      0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
  static const int r[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3];
  memcpy(w, p, 64); // little-endian machines only, as are all that we measure on
  for (int i = 0; i < 64; i++) {
    uint32_t f;
    int g;
    if (i < 16) f = (b & c) | (~b & d), g = i;
    else if (i < 32) f = (d & b) | (~d & c), g = (5 * i + 1) & 15;
    else if (i < 48) f = b ^ c ^ d, g = (3 * i + 5) & 15;
    else f = c ^ (b | ~d), g = (7 * i) & 15;
    uint32_t x = a + f + k[i] + w[g];
    int s = r[i / 16][i & 3];
    a = d, d = c, c = b, b += x << s | x >> (32 - s);
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

#define ROR(v, n) ((v) >> (n) | (v) << (32 - (n)))
static void sha256_block(uint32_t *h, const unsigned char *p) {
  static const uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
      0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
      0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
      0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
      0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
      0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + (ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
           (ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy(v, h, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = v[7] + (ROR(v[4], 6) ^ ROR(v[4], 11) ^ ROR(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
    uint32_t t2 = (ROR(v[0], 2) ^ ROR(v[0], 13) ^ ROR(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += t1, v[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) h[i] += v[i];
}

// Runs over n bytes that follow `before` bytes already taken (a multiple of 64), with the padding both hashes share.
static void digest(Block *block, uint32_t *h, const void *data, size_t n, size_t before, int big_endian) {
  const unsigned char *p = data;
  unsigned char tail[128] = {0};
  size_t i = 0;
  for (; i + 64 <= n; i += 64) block(h, p + i);
  size_t rest = n - i, total = rest + 9 <= 64 ? 64 : 128;
  uint64_t bits = (uint64_t)(before + n) * 8;
  memcpy(tail, p + i, rest);
  tail[rest] = 0x80;
  for (size_t b = 0; b < 8; b++) tail[big_endian ? total - 1 - b : total - 8 + b] = (unsigned char)(bits >> (8 * b));
  for (i = 0; i < total; i += 64) block(h, tail + i);
}
static void put_hex(char *out, const unsigned char *p, size_t n) {
  for (size_t i = 0; i < n; i++) out[2 * i] = "0123456789abcdef"[p[i] >> 4], out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
}
static inline void md5_hex(const void *data, size_t n, char out[32]) {
  uint32_t h[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  digest(md5_block, h, data, n, 0, 0);
  put_hex(out, (unsigned char *)h, 16);
}

typedef struct { uint32_t inner[8], outer[8]; } Hmac;
static void big_endian_bytes(const uint32_t *h, unsigned char out[32]) {
  for (int i = 0; i < 32; i++) out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i & 3)));
}
static void hmac_key(Hmac *m, const char *key) { // keys of at most 64 bytes
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  unsigned char pad[64];
  for (int outer = 0; outer < 2; outer++) {
    uint32_t *h = outer ? m->outer : m->inner;
    size_t n = strlen(key);
    for (size_t i = 0; i < 64; i++) pad[i] = (unsigned char)((i < n ? key[i] : 0) ^ (outer ? 0x5c : 0x36));
    memcpy(h, start, sizeof start);
    sha256_block(h, pad);
  }
}
static void hmac_hex(const Hmac *m, const void *data, size_t n, char out[64]) {
  uint32_t h[8];
  unsigned char bytes[32];
  memcpy(h, m->inner, sizeof h);
  digest(sha256_block, h, data, n, 64, 1);
  big_endian_bytes(h, bytes);
  memcpy(h, m->outer, sizeof h);
  digest(sha256_block, h, bytes, 32, 64, 1);
  big_endian_bytes(h, bytes);
  put_hex(out, bytes, 32);
}
#endif
