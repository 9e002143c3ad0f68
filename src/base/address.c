/* base/address.c — where a socket lives: "tcp://127.0.0.1:80" as text, as a struct and as sockaddr.
 * Opens no socket. */
#include "base/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* How much of a wrong text an error repeats. */
enum { QUOTE_SIZE_MAX = 120 };

static const char *const scheme_names[] = {
    [ADDRESS_TCP] = "tcp",
    [ADDRESS_UDP] = "udp",
    [ADDRESS_TLS] = "tls",
    [ADDRESS_UNIX] = "unix",
};
#define SCHEME_COUNT (sizeof scheme_names / sizeof scheme_names[0])

/* What one address_parse() carries along. */
struct parse {
  const char *text; /* as the caller wrote it, for the errors */
  const char *default_host;
  struct address *out;
  char *error;
  size_t error_size;
};

/* Fills the error with `address "TEXT" ...` and returns -1. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct parse *parse,
                                                        const char *format, ...) {
  char what[256 + ADDRESS_HOST_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  snprintf(parse->error, parse->error_size, "address \"%.*s\" %s", QUOTE_SIZE_MAX, parse->text,
           what);
  return -1;
}

static bool address_is_number(const char *text) {
  return *text && text[strspn(text, "0123456789")] == '\0';
}

static int parse_port(const struct parse *parse, const char *text) {
  unsigned long port = 0;
  if (!*text) {
    return refuse(parse, "ends without a port: write a number from 0 to 65535 behind the colon");
  }
  if (!address_is_number(text)) {
    return refuse(parse, "has the port \"%.*s\": write a number from 0 to 65535", 40, text);
  }
  for (const char *c = text; *c && port <= UINT16_MAX; c++) {
    port = port * 10 + (unsigned long)(*c - '0');
  }
  if (port > UINT16_MAX) return refuse(parse, "has the port %.*s: ports end at 65535", 40, text);
  parse->out->port = (uint16_t)port;
  return 0;
}

static int set_host(const struct parse *parse, const char *host, size_t size) {
  if (size == 1 && host[0] == '*') {
    host = "0.0.0.0";
    size = strlen(host);
  }
  if (size >= ADDRESS_HOST_MAX) {
    return refuse(parse, "has a host of %zu bytes: names end at %d", size, ADDRESS_HOST_MAX - 1);
  }
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = (unsigned char)host[i];
    if (byte <= ' ' || byte == 0x7f || strchr("/@[]\"", byte)) {
      return refuse(parse, "has a host that no name or number looks like: write HOST:PORT");
    }
  }
  memcpy(parse->out->host, host, size);
  parse->out->host[size] = '\0';
  return 0;
}

/* The host of MOONPORT_HOST and --host, which people write with and without brackets. */
static int use_default_host(const struct parse *parse) {
  const char *host = parse->default_host;
  parse->out->host_is_default = true;
  size_t size = host ? strlen(host) : 0;
  if (size == 0) {
    return refuse(parse, "names no host, and there is no default one: write HOST:PORT");
  }
  if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
    host++;
    size -= 2;
  }
  return set_host(parse, host, size);
}

/* "[::1]:7000" */
static int parse_bracketed(const struct parse *parse, const char *text) {
  const char *end = strchr(text, ']');
  if (!end) return refuse(parse, "lacks the closing bracket: write [::1]:PORT");
  if (end[1] != ':') {
    return refuse(parse, "has no port behind the bracket: write %.*s:PORT", (int)(end - text) + 1,
                  text);
  }
  if (!memchr(text, ':', (size_t)(end - text))) {
    return refuse(parse, "has brackets around what is not IPv6: write HOST:PORT without them");
  }
  if (set_host(parse, text + 1, (size_t)(end - text) - 1) != 0) return -1;
  return parse_port(parse, end + 2);
}

/* "12345", ":12345", "HOST:12345", "[V6]:12345" */
static int parse_host_port(const struct parse *parse, const char *text) {
  if (!*text) {
    return refuse(parse, "is empty: write PORT or HOST:PORT, for example 127.0.0.1:12345");
  }
  if (address_is_number(text)) return use_default_host(parse) != 0 ? -1 : parse_port(parse, text);
  if (*text == '[') return parse_bracketed(parse, text);
  if (*text == '/') {
    return refuse(parse, "looks like a path: write unix:%.*s for a Unix socket", QUOTE_SIZE_MAX,
                  text);
  }
  const char *colon = strchr(text, ':');
  if (!colon) return refuse(parse, "has no port: write %.*s:PORT", QUOTE_SIZE_MAX, text);
  if (strchr(colon + 1, ':')) {
    return refuse(parse, "has several colons: write an IPv6 address as [::1]:PORT");
  }
  int rc = colon == text ? use_default_host(parse) : set_host(parse, text, (size_t)(colon - text));
  return rc != 0 ? -1 : parse_port(parse, colon + 1);
}

static int parse_path(const struct parse *parse, const char *path) {
  size_t size = strlen(path);
  if (size == 0) return refuse(parse, "has no path: write unix:///run/NAME.sock");
  if (size >= ADDRESS_PATH_MAX) {
    return refuse(parse, "has a path of %zu bytes: the system takes %d, choose a shorter one", size,
                  ADDRESS_PATH_MAX - 1);
  }
  memcpy(parse->out->path, path, size + 1);
  return 0;
}

static int refuse_scheme(const struct parse *parse, size_t size) {
  char word[16];
  snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1),
           parse->text);
  const char *nearest = text_nearest(word, scheme_names, SCHEME_COUNT);
  if (nearest) return refuse(parse, "starts with \"%s://\": did you mean %s://?", word, nearest);
  return refuse(parse, "starts with \"%s://\": write tcp://, udp://, tls:// or unix://", word);
}

int address_parse(const char *text, const char *default_host, struct address *out, char *error,
                  size_t error_size) {
  const struct parse parse = {text, default_host, out, error, error_size};
  *out = (struct address){.kind = ADDRESS_TCP};
  const char *rest = text;
  const char *separator = strstr(text, "://");
  if (strncasecmp(text, "unix:", 5) == 0) {
    /* First: a relative path may hold "://" as well. */
    out->kind = ADDRESS_UNIX;
    rest = text + (strncmp(text + 5, "//", 2) == 0 ? 7 : 5);
  } else if (separator) {
    size_t size = (size_t)(separator - text);
    size_t kind = 0;
    while (kind < SCHEME_COUNT && (strlen(scheme_names[kind]) != size ||
                                   strncasecmp(text, scheme_names[kind], size) != 0)) {
      kind++;
    }
    if (kind == SCHEME_COUNT) return refuse_scheme(&parse, size);
    out->kind = (enum address_kind)kind;
    rest = separator + 3;
  }
  return out->kind == ADDRESS_UNIX ? parse_path(&parse, rest) : parse_host_port(&parse, rest);
}

void address_format(const struct address *address, char *out, size_t size) {
  const char *scheme = scheme_names[address->kind];
  if (address->kind == ADDRESS_UNIX) {
    /* A relative path keeps the form without slashes: behind "//" it would read as a host. */
    const char *slashes = address->path[0] == '/' ? "//" : "";
    snprintf(out, size, "%s:%s%s", scheme, slashes, address->path);
    return;
  }
  const char *form = strchr(address->host, ':') ? "%s://[%s]:%u" : "%s://%s:%u";
  snprintf(out, size, form, scheme, address->host, (unsigned)address->port);
}

static void fill_unix(const struct address *address, struct sockaddr_storage *out,
                      socklen_t *size) {
  struct sockaddr_un *sa = (struct sockaddr_un *)out;
  size_t path_size = strlen(address->path) + 1;
  static_assert(sizeof sa->sun_path >= ADDRESS_PATH_MAX, "a path that parsed must fit");
  memset(out, 0, sizeof *out);
  sa->sun_family = AF_UNIX;
  memcpy(sa->sun_path, address->path, path_size);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_size);
}

int address_numeric(const struct address *address, struct sockaddr_storage *out, socklen_t *size) {
  if (address->kind == ADDRESS_UNIX) {
    fill_unix(address, out, size);
    return 0;
  }
  char port[8];
  snprintf(port, sizeof port, "%u", (unsigned)address->port);
  const struct addrinfo hints = {
      .ai_family = AF_UNSPEC,
      .ai_socktype = address->kind == ADDRESS_UDP ? SOCK_DGRAM : SOCK_STREAM,
      .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST,
  };
  struct addrinfo *list = NULL;
  if (getaddrinfo(address->host, port, &hints, &list) != 0) return -1;
  memset(out, 0, sizeof *out);
  memcpy(out, list->ai_addr, list->ai_addrlen);
  *size = list->ai_addrlen;
  freeaddrinfo(list);
  return 0;
}

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
  /* As address_format() has it: "unix:" and "//x" would read as "unix://" and "x". */
  const char *slashes = path_size > 1 && strncmp(sa->sun_path, "//", 2) == 0 ? "//" : "";
  snprintf(out, out_size, "unix:%s%.*s", slashes, (int)path_size, sa->sun_path);
}

void address_from_sockaddr(const struct sockaddr *sa, socklen_t size, char *out, size_t out_size) {
  if (sa->sa_family == AF_UNIX) {
    format_unix((const struct sockaddr_un *)sa, size, out, out_size);
    return;
  }
  /* getnameinfo() rather than inet_ntop(), for the "%eth0" of link-local addresses. */
  char host[ADDRESS_HOST_MAX];
  char port[8];
  int rc =
      getnameinfo(sa, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  if (rc != 0) {
    snprintf(out, out_size, "unknown");
    return;
  }
  snprintf(out, out_size, sa->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

socklen_t address_size(const struct sockaddr *sa) {
  switch (sa->sa_family) {
    case AF_INET: return sizeof(struct sockaddr_in);
    case AF_INET6: return sizeof(struct sockaddr_in6);
    default: return sizeof(struct sockaddr_un);
  }
}

int address_ip(const struct sockaddr *sa, char *out, size_t out_size) {
  const void *ip = NULL;
  if (sa->sa_family == AF_INET) {
    ip = &((const struct sockaddr_in *)sa)->sin_addr;
  } else if (sa->sa_family == AF_INET6) {
    ip = &((const struct sockaddr_in6 *)sa)->sin6_addr;
  }
  return ip && inet_ntop(sa->sa_family, ip, out, (socklen_t)out_size) ? 0 : -1;
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
