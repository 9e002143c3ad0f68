/* base/ip.h — internet addresses as bytes, and the networks they are in. Knows no port and no name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IP_TEXT_MAX = 46 }; /* what ip_format() writes, with its NUL: INET6_ADDRSTRLEN */

struct ip {
  uint8_t bytes[16]; /* in the order of the network */
  size_t size;       /* 4 or 16 */
};

struct ip_network {
  struct ip ip;
  unsigned bits; /* the first ones: those that all of its addresses share */
};

/* Reads "127.0.0.1" or "::1", of `size` bytes; nothing else, and no interface. */
bool ip_parse(const char *text, size_t size, struct ip *out);
/* Reads "10.0.0.0/8", or an address, which is a network of its own. What stands behind the first bits does
 * not matter. */
bool ip_network_parse(const char *text, size_t size, struct ip_network *out);
void ip_format(const struct ip *ip, char out[IP_TEXT_MAX]);
/* Clears what stands behind the first bits. False: nothing stood there. */
bool ip_network_trim(struct ip_network *network);
/* IPv4 inside of IPv6, "::ffff:10.0.0.1", is of the networks of IPv4, as a peer of [::] is. */
bool ip_is_in(const struct ip *ip, const struct ip_network *network);
/* The same of a list, looked through from its begin. */
bool ip_is_in_any(const struct ip *ip, const struct ip_network *networks, size_t count);
