/* base/address.c — where a socket lives: "tcp://127.0.0.1:80" as text, as a struct and as sockaddr.
 * Opens no socket. */
#include "base/address.h"

#include "base/platform.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

const char *address_scheme(enum address_kind kind) {
  return scheme_names[kind];
}

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

/* Copies what is before the interface. */
static void copy_number(const char *host, char out[ADDRESS_HOST_MAX]) {
  snprintf(out, ADDRESS_HOST_MAX, "%.*s", (int)strcspn(host, "%"), host);
}

/* An IPv6 address has its interface for the kernel; one of IPv4 only as a group to be joined there. */
static int check_interface(const struct parse *parse, const char *host) {
  char number[ADDRESS_HOST_MAX];
  struct in_addr ip4;
  if (!strchr(host, '%') || strchr(host, ':')) return 0;
  copy_number(host, number);
  bool is_group = inet_pton(AF_INET, number, &ip4) == 1 && IN_MULTICAST(ntohl(ip4.s_addr));
  if (is_group && parse->out->kind == ADDRESS_UDP) return 0;
  return refuse(parse,
                "names an interface: only IPv6 addresses, and multicast groups of udp://, "
                "have one: leave out %s",
                host + strlen(number));
}

static bool is_in_no_host(char c) {
  return (unsigned char)c <= ' ' || c == 0x7f || strchr("/@[]\"", c);
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
    if (is_in_no_host(host[i])) {
      return refuse(parse, "has a host that no name or number looks like: write HOST:PORT");
    }
  }
  memcpy(parse->out->host, host, size);
  parse->out->host[size] = '\0';
  return check_interface(parse, parse->out->host);
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

/* "\x1b" in an abstract name stands for a byte that no line of text should have; -1: it does not. */
static int read_escape(const char *text) {
  unsigned byte = 0;
  if (text[0] != '\\' || text[1] != 'x' || strspn(text + 2, "0123456789abcdef") < 2) return -1;
  sscanf(text + 2, "%2x", &byte); /* NOLINT(cert-err34-c): two digits */
  return (int)byte;
}

static int check_abstract(const struct parse *parse, const char *name) {
  if (!*name) return refuse(parse, "has no name behind the @: write unix:@NAME");
  for (const char *c = name; *c; c++) {
    bool is_plain = *c > ' ' && *c < 0x7f && *c != '\\';
    if (is_plain || read_escape(c) >= 0) continue;
    return refuse(parse, "has a byte in its name that is written \\x%02x", (unsigned char)*c);
  }
  return 0;
}

static int parse_path(const struct parse *parse, const char *path) {
  size_t size = strlen(path);
  if (size == 0) return refuse(parse, "has no path: write unix:///run/NAME.sock");
  if (size >= ADDRESS_PATH_MAX) {
    return refuse(parse, "has a path of %zu bytes: the system takes %d, choose a shorter one", size,
                  ADDRESS_PATH_MAX - 1);
  }
  if (path[0] == '@' && !platform_has_abstract_sockets) {
    return refuse(parse, "has a name that is in no file system, as only Linux has: write a path");
  }
  if (path[0] == '@' && check_abstract(parse, path + 1) != 0) return -1;
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

/* Why `host` is none, as the rest of a sentence; or NULL. */
static const char *host_fault(const char *host) {
  struct in6_addr ip6;
  char number[ADDRESS_HOST_MAX];
  if (!*host) return "is empty: write a name or a number";
  if (strcmp(host, "*") == 0) return "is no machine to connect to: write a name or a number";
  if (strstr(host, "://") || strncasecmp(host, "unix:", 5) == 0) {
    return "has a scheme: an address with a scheme is written as one text, with its port";
  }
  for (const char *c = host; *c; c++) {
    if (is_in_no_host(*c)) return "has a byte that is in no name and in no number";
  }
  copy_number(host, number);
  if (strchr(host, ':') && inet_pton(AF_INET6, number, &ip6) != 1) {
    return "has a colon and is no IPv6 address: the port is a number beside it";
  }
  return strchr(host, '%') && !strchr(host, ':')
             ? "names an interface: only IPv6 addresses have one"
             : NULL;
}

int address_from_host(const char *host, size_t size, uint16_t port, struct address *out,
                      char *error, size_t error_size) {
  const char *fault = NULL;
  *out = (struct address){.kind = ADDRESS_TCP, .port = port};
  bool has_brackets = size > 2 && host[0] == '[' && host[size - 1] == ']';
  if (memchr(host, '\0', size)) fault = "contains a NUL byte";
  if (!fault && size >= ADDRESS_HOST_MAX) fault = "is longer than 255 bytes, where names end";
  if (!fault) {
    memcpy(out->host, host + has_brackets, size - (has_brackets ? 2 : 0));
    fault = host_fault(out->host);
  }
  if (!fault && has_brackets && !strchr(out->host, ':')) {
    fault = "has brackets around what is not IPv6";
  }
  if (!fault) return 0;
  snprintf(error, error_size, "host \"%.*s\" %s", QUOTE_SIZE_MAX, host, fault);
  return -1;
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

/* unix(7): behind a NUL, as long as the size says. How long it is with that. */
static size_t fill_abstract(const char *name, char *out) {
  size_t used = 1;
  while (*name) {
    int byte = read_escape(name);
    out[used++] = byte < 0 ? *name : (char)byte;
    name += byte < 0 ? 1 : strlen("\\x00");
  }
  return used;
}

static void fill_unix(const struct address *address, struct sockaddr_storage *out,
                      socklen_t *size) {
  struct sockaddr_un *sa = (struct sockaddr_un *)out;
  size_t path_size = strlen(address->path) + 1;
  static_assert(sizeof sa->sun_path >= ADDRESS_PATH_MAX, "a path that parsed must fit");
  memset(out, 0, sizeof *out);
  sa->sun_family = AF_UNIX;
  if (address->path[0] == '@') {
    path_size = fill_abstract(address->path + 1, sa->sun_path);
  } else {
    memcpy(sa->sun_path, address->path, path_size);
  }
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_size);
}

int address_numeric(const struct address *address, struct sockaddr_storage *out, socklen_t *size) {
  if (address->kind == ADDRESS_UNIX) {
    fill_unix(address, out, size);
    return 0;
  }
  char port[8], number[ADDRESS_HOST_MAX];
  const char *host = address->host;
  snprintf(port, sizeof port, "%u", (unsigned)address->port);
  if (!strchr(host, ':')) {
    copy_number(host, number);
    host = number;
  }
  const struct addrinfo hints = {
      .ai_family = AF_UNSPEC,
      .ai_socktype = address->kind == ADDRESS_UDP ? SOCK_DGRAM : SOCK_STREAM,
      .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST,
  };
  struct addrinfo *list = NULL;
  if (getaddrinfo(host, port, &hints, &list) != 0) return -1;
  memset(out, 0, sizeof *out);
  memcpy(out, list->ai_addr, list->ai_addrlen);
  freeaddrinfo(list);
  address_unmap(out);
  *size = address_size((const struct sockaddr *)out);
  return 0;
}

int address_interface(const struct address *address) {
  const char *name = strchr(address->host, '%');
  if (!name) return 0;
  unsigned index = if_nametoindex(name + 1);
  if (index > 0) return (int)index;
  return address_is_number(name + 1) ? (int)strtol(name + 1, NULL, 10) : -1;
}
