/* base/ip.c — internet addresses as bytes, and the networks they are in. Knows no port and no name. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

enum { IP4_SIZE = 4, IP6_SIZE = 16, MAPPED_BITS = 96 };

bool ip_parse(const char *text, size_t size, struct ip *out) {
  char copy[IP_TEXT_MAX];
  *out = (struct ip){0};
  if (size >= sizeof copy || memchr(text, '\0', size)) return false;
  memcpy(copy, text, size);
  copy[size] = '\0';
  out->size = strchr(copy, ':') ? IP6_SIZE : IP4_SIZE;
  return inet_pton(out->size == IP6_SIZE ? AF_INET6 : AF_INET, copy, out->bytes) == 1;
}

void ip_format(const struct ip *ip, char out[IP_TEXT_MAX]) {
  inet_ntop(ip->size == IP6_SIZE ? AF_INET6 : AF_INET, ip->bytes, out, IP_TEXT_MAX);
}

/* "8" or "128": the digits of a whole number, without zeros before it. -1: it is none. */
static int parse_bits(const char *text, size_t size) {
  int bits = 0;
  if (size == 0 || size > 3 || (size > 1 && text[0] == '0')) return -1;
  for (size_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    bits = bits * 10 + (text[i] - '0');
  }
  return bits;
}

/* IPv4 inside of IPv6 becomes IPv4; how many bits that takes off the front. */
static unsigned unmap(struct ip *ip) {
  static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};
  if (ip->size != IP6_SIZE || memcmp(ip->bytes, mapped, sizeof mapped) != 0) return 0;
  memmove(ip->bytes, ip->bytes + sizeof mapped, IP4_SIZE);
  ip->size = IP4_SIZE;
  return MAPPED_BITS;
}

bool ip_network_parse(const char *text, size_t size, struct ip_network *out) {
  const char *slash = memchr(text, '/', size);
  const size_t ip_size = slash ? (size_t)(slash - text) : size;
  if (!ip_parse(text, ip_size, &out->ip)) return false;
  int bits = slash ? parse_bits(slash + 1, size - ip_size - 1) : (int)out->ip.size * 8;
  if (bits < 0 || bits > (int)out->ip.size * 8) return false;
  out->bits = (unsigned)bits;
  if (out->bits >= MAPPED_BITS) out->bits -= unmap(&out->ip);
  return true;
}

bool ip_network_trim(struct ip_network *network) {
  const struct ip before = network->ip;
  for (size_t i = 0; i < network->ip.size; i++) {
    const size_t first = i * 8;
    const size_t kept = network->bits > first ? network->bits - first : 0;
    if (kept < 8) network->ip.bytes[i] &= (uint8_t)(0xff00 >> kept);
  }
  return memcmp(before.bytes, network->ip.bytes, network->ip.size) != 0;
}

static bool shares_bits(const struct ip *ip, const struct ip_network *network) {
  const size_t whole = network->bits / 8;
  const unsigned rest = network->bits % 8;
  if (ip->size != network->ip.size) return false;
  if (whole > 0 && ip->bytes[0] != network->ip.bytes[0]) return false; /* mostly it ends here */
  if (memcmp(ip->bytes, network->ip.bytes, whole) != 0) return false;
  return rest == 0 || (ip->bytes[whole] ^ network->ip.bytes[whole]) >> (8 - rest) == 0;
}

bool ip_is_in(const struct ip *ip, const struct ip_network *network) {
  return ip_is_in_any(ip, network, 1);
}

bool ip_is_in_any(const struct ip *ip, const struct ip_network *networks, size_t count) {
  struct ip own = *ip;
  unmap(&own);
  for (size_t i = 0; i < count; i++) {
    if (shares_bits(&own, &networks[i])) return true;
  }
  return false;
}
