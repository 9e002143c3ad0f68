/* base/address_sockaddr.c — addresses as the kernel has them: as text, compared, changed. Opens no
 * socket.
 *
 * IPv4 inside of IPv6 ("::ffff:127.0.0.1", a peer of a socket that takes both) is told as IPv4. */
#include "base/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { INTERNET_TEXT_BYTES = INET6_ADDRSTRLEN + IF_NAMESIZE + sizeof "[%]:65535" };

/* An abstract name is any bytes, NUL too: two names must not read as one. */
static void format_abstract(const char *name, size_t size, char *out, size_t out_size) {
  size_t used = (size_t)snprintf(out, out_size, "unix:@");
  for (size_t i = 0; i < size && used + sizeof "\\x00" <= out_size; i++) {
    const unsigned char byte = (unsigned char)name[i];
    const char *form = byte <= ' ' || byte >= 0x7f || byte == '\\' ? "\\x%02x" : "%c";
    used += (size_t)snprintf(out + used, out_size - used, form, byte);
  }
}

static void format_unix(const struct sockaddr_un *sa, socklen_t size, char *out, size_t out_size) {
  const size_t offset = offsetof(struct sockaddr_un, sun_path);
  size_t path_size = size > offset ? size - offset : 0;
  if (path_size > 1 && sa->sun_path[0] == '\0') {
    format_abstract(sa->sun_path + 1, path_size - 1, out, out_size);
    return;
  }
  /* As address_format() has it: "unix:" and "//x" would read as "unix://" and "x", and "@x" as an
   * abstract name. */
  const char *before = "";
  if (path_size > 1 && strncmp(sa->sun_path, "//", 2) == 0) before = "//";
  if (path_size > 1 && sa->sun_path[0] == '@') before = "./";
  snprintf(out, out_size, "unix:%s%.*s", before, (int)path_size, sa->sun_path);
}

/* The four bytes of an IPv4 address, also inside of an IPv6 one; NULL: it is none. */
static const unsigned char *ip4_of(const struct sockaddr *sa) {
  if (sa->sa_family == AF_INET) {
    return (const unsigned char *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
  }
  if (sa->sa_family != AF_INET6) return NULL;
  const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
  return IN6_IS_ADDR_V4MAPPED(ip6) ? ip6->s6_addr + 12 : NULL;
}

/* Each of these writes, without a NUL, and returns the end. By hand: snprintf(3) and getnameinfo(3)
 * took more than half of the time of a datagram. */
static char *put_number(char *out, unsigned number) {
  return out + text_format_number(number, 1, out);
}

static char *put_byte(char *out, unsigned char byte) {
  if (byte >= 100) *out++ = (char)('0' + byte / 100);
  if (byte >= 10) *out++ = (char)('0' + byte / 10 % 10);
  *out++ = (char)('0' + byte % 10);
  return out;
}

static char *put_ip4(char *out, const unsigned char bytes[4]) {
  for (int i = 0; i < 4; i++) {
    if (i > 0) *out++ = '.';
    out = put_byte(out, bytes[i]);
  }
  return out;
}

/* With the "%eth0" of an address that means something on one link only. */
static char *put_ip6(char *out, const struct sockaddr_in6 *sa) {
  inet_ntop(AF_INET6, &sa->sin6_addr, out, INET6_ADDRSTRLEN); /* fails only for want of room */
  out += strlen(out);
  if (sa->sin6_scope_id == 0) return out;
  bool has_name = IN6_IS_ADDR_LINKLOCAL(&sa->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&sa->sin6_addr);
  *out++ = '%';
  return has_name && if_indextoname(sa->sin6_scope_id, out) ? out + strlen(out)
                                                            : put_number(out, sa->sin6_scope_id);
}

static void copy_text(char *text, const char *end, char *out, size_t out_size) {
  size_t size = (size_t)(end - text);
  if (size >= out_size) size = out_size - 1;
  memcpy(out, text, size);
  out[size] = '\0';
}

void address_from_sockaddr(const struct sockaddr *sa, socklen_t size, char *out, size_t out_size) {
  char text[INTERNET_TEXT_BYTES];
  char *end = text;
  const unsigned char *ip4 = ip4_of(sa);
  if (sa->sa_family == AF_UNIX) {
    format_unix((const struct sockaddr_un *)sa, size, out, out_size);
    return;
  }
  if (ip4) {
    end = put_ip4(end, ip4);
  } else if (sa->sa_family == AF_INET6) {
    *end++ = '[';
    end = put_ip6(end, (const struct sockaddr_in6 *)(const void *)sa);
    *end++ = ']';
  } else {
    snprintf(out, out_size, "unknown");
    return;
  }
  *end++ = ':';
  end = put_number(end, (unsigned)address_port(sa));
  copy_text(text, end, out, out_size);
}

/* Of an abstract name that has no NUL in it. */
static socklen_t unix_size(const struct sockaddr_un *sa) {
  if (sa->sun_path[0]) return sizeof *sa;
  const size_t length = strnlen(sa->sun_path + 1, sizeof sa->sun_path - 1);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

socklen_t address_size(const struct sockaddr *sa) {
  switch (sa->sa_family) {
    case AF_INET: return sizeof(struct sockaddr_in);
    case AF_INET6: return sizeof(struct sockaddr_in6);
    default: return unix_size((const struct sockaddr_un *)(const void *)sa);
  }
}

int address_ip(const struct sockaddr *sa, char *out, size_t out_size) {
  char text[INTERNET_TEXT_BYTES];
  const unsigned char *ip4 = ip4_of(sa);
  if (!ip4 && sa->sa_family != AF_INET6) return -1;
  const char *end =
      ip4 ? put_ip4(text, ip4) : put_ip6(text, (const struct sockaddr_in6 *)(const void *)sa);
  copy_text(text, end, out, out_size);
  return 0;
}

int address_port(const struct sockaddr *sa) {
  if (sa->sa_family == AF_INET) return ntohs(((const struct sockaddr_in *)sa)->sin_port);
  return sa->sa_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)sa)->sin6_port) : -1;
}

bool address_same_host(const struct sockaddr *a, const struct sockaddr *b) {
  if (a->sa_family != b->sa_family) return false;
  if (a->sa_family == AF_INET) {
    return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
  }
  if (a->sa_family == AF_INET6) {
    return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                              &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr);
  }
  const char *path = ((const struct sockaddr_un *)(const void *)a)->sun_path;
  return memcmp(path, ((const struct sockaddr_un *)(const void *)b)->sun_path,
                sizeof((struct sockaddr_un *)NULL)->sun_path) == 0;
}

void address_set_port(struct sockaddr *sa, uint16_t port) {
  if (sa->sa_family == AF_INET) {
    ((struct sockaddr_in *)sa)->sin_port = htons(port);
  } else if (sa->sa_family == AF_INET6) {
    ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
  }
}

void address_unmap(struct sockaddr_storage *sa) {
  const unsigned char *ip4 = ip4_of((const struct sockaddr *)sa);
  struct sockaddr_in plain = {.sin_family = AF_INET};
  if (!ip4 || sa->ss_family == AF_INET) return;
  memcpy(&plain.sin_addr, ip4, sizeof plain.sin_addr);
  plain.sin_port = ((const struct sockaddr_in6 *)sa)->sin6_port;
  memset(sa, 0, sizeof *sa);
  memcpy(sa, &plain, sizeof plain);
}

void address_map(const struct sockaddr_in *sa, struct sockaddr_in6 *out) {
  *out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = sa->sin_port};
  out->sin6_addr.s6_addr[10] = out->sin6_addr.s6_addr[11] = 0xff;
  memcpy(out->sin6_addr.s6_addr + 12, &sa->sin_addr, sizeof sa->sin_addr);
}

bool address_is_group(const struct sockaddr *sa) {
  const unsigned char *ip4 = ip4_of(sa);
  if (ip4) return (ip4[0] & 0xf0) == 0xe0;
  return sa->sa_family == AF_INET6 &&
         IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}
