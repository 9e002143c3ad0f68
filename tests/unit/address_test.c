/* address_test.c — every form of an address, and what a wrong one is told. */
#include "check.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#define ERROR_SIZE 512

/* The address in its normal form; what is wrong with it otherwise. Static: read before the next. */
static const char *normal(const char *text, const char *host) {
  static char out[ERROR_SIZE];
  struct address address;
  if (address_parse(text, host, &address, out, sizeof out) == 0) {
    address_format(&address, out, sizeof out);
  }
  return out;
}

static void reads_every_form(void) {
  CHECK_TEXT(normal("12345", "127.0.0.1"), "tcp://127.0.0.1:12345");
  CHECK_TEXT(normal(":12345", "127.0.0.1"), "tcp://127.0.0.1:12345");
  CHECK_TEXT(normal("0", "127.0.0.1"), "tcp://127.0.0.1:0");
  CHECK_TEXT(normal("0.0.0.0:80", "127.0.0.1"), "tcp://0.0.0.0:80");
  CHECK_TEXT(normal("*:80", "127.0.0.1"), "tcp://0.0.0.0:80");
  CHECK_TEXT(normal("localhost:7000", "127.0.0.1"), "tcp://localhost:7000");
  CHECK_TEXT(normal("[::1]:7000", "127.0.0.1"), "tcp://[::1]:7000");
  CHECK_TEXT(normal("[fe80::1%eth0]:7000", "127.0.0.1"), "tcp://[fe80::1%eth0]:7000");
  CHECK_TEXT(normal("tcp://[::1]:7000", "127.0.0.1"), "tcp://[::1]:7000");
  CHECK_TEXT(normal("TCP://localhost:1", "127.0.0.1"), "tcp://localhost:1");
  CHECK_TEXT(normal("udp://:5353", "127.0.0.1"), "udp://127.0.0.1:5353");
  CHECK_TEXT(normal("tls://8443", "127.0.0.1"), "tls://127.0.0.1:8443");
  CHECK_TEXT(normal("unix:///run/x.sock", "127.0.0.1"), "unix:///run/x.sock");
  CHECK_TEXT(normal("unix:/run/x.sock", "127.0.0.1"), "unix:///run/x.sock");
  CHECK_TEXT(normal("unix:x.sock", "127.0.0.1"), "unix:x.sock");
  /* "://" in a path was taken for a scheme, and what a path printed as was refused (found by
   * tests/fuzz). */
  CHECK_TEXT(normal("unix:a://b", "127.0.0.1"), "unix:a://b");
  CHECK_TEXT(normal("unix://0://x", "127.0.0.1"), "unix:0://x");
  CHECK_TEXT(normal("unix:////x", "127.0.0.1"), "unix:////x");
}

static void fills_in_the_default_host(void) {
  CHECK_TEXT(normal("80", "::1"), "tcp://[::1]:80");
  CHECK_TEXT(normal("80", "[::1]"), "tcp://[::1]:80");
  CHECK_TEXT(normal("80", "*"), "tcp://0.0.0.0:80");
  CHECK_TEXT(normal("80", "example.org"), "tcp://example.org:80");
  CHECK_CONTAINS(normal("80", ""), "names no host");
  CHECK_CONTAINS(normal("80", NULL), "names no host");
}

static void says_what_to_write_instead(void) {
  static const struct {
    const char *text, *told;
  } wrong[] = {
      {"", "is empty: write PORT or HOST:PORT"},
      {"localhost", "has no port: write localhost:PORT"},
      {"localhost:", "ends without a port"},
      {"localhost:http", "has the port \"http\""},
      {"localhost:-1", "has the port \"-1\""},
      {"localhost:80/", "has the port \"80/\""},
      {"localhost:65536", "ports end at 65535"},
      {"99999999999999999999", "ports end at 65535"},
      {"::1", "write an IPv6 address as [::1]:PORT"},
      {"::1:7000", "write an IPv6 address as [::1]:PORT"},
      {"[::1", "lacks the closing bracket"},
      {"[::1]", "no port behind the bracket: write [::1]:PORT"},
      {"[::1]7000", "no port behind the bracket: write [::1]:PORT"},
      {"[127.0.0.1]:80", "has brackets around what is not IPv6"},
      {"/run/x.sock", "write unix:/run/x.sock for a Unix socket"},
      {"unix:", "has no path"},
      {"unix://", "has no path"},
      {"tpc://1", "did you mean tcp://?"},
      {"http://localhost:80", "starts with \"http://\""},
      {"a b:80", "has a host that no name or number looks like"},
      {"user@host:80", "has a host that no name or number looks like"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    CHECK_CONTAINS(normal(wrong[i].text, "127.0.0.1"), wrong[i].told);
    CHECK_CONTAINS(normal(wrong[i].text, "127.0.0.1"), wrong[i].text);
  }
}

static void keeps_to_the_limits(void) {
  char text[600] = "unix:";
  memset(text + 5, 'p', ADDRESS_PATH_MAX - 1);
  struct address address;
  char error[ERROR_SIZE];
  CHECK_NUMBER(address_parse(text, "h", &address, error, sizeof error), 0);
  CHECK_NUMBER(strlen(address.path), ADDRESS_PATH_MAX - 1);
  text[5 + ADDRESS_PATH_MAX - 1] = 'p';
  CHECK_CONTAINS(normal(text, "h"), "has a path of 108 bytes");
  memset(text, 'h', 256);
  (void)snprintf(text + 256, sizeof text - 256, ":80");
  CHECK_CONTAINS(normal(text, "h"), "has a host of 256 bytes");
  /* A small buffer cuts the sentence and nothing else. */
  CHECK_NUMBER(address_parse("nope", "h", &address, error, 8), -1);
  CHECK_NUMBER(strlen(error), 7);
}

static void asks_nobody_for_numbers(void) {
  const char *const texts[] = {"127.0.0.1:80", "[::1]:7", "unix:/run/x.sock", "unix:////x"};
  struct address address;
  struct sockaddr_storage found;
  socklen_t size;
  char error[ERROR_SIZE];
  char text[ADDRESS_TEXT_MAX];
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    CHECK_NUMBER(address_parse(texts[i], "h", &address, error, sizeof error), 0);
    CHECK_NUMBER(address_numeric(&address, &found, &size), 0);
    address_from_sockaddr((struct sockaddr *)&found, size, text, sizeof text);
    CHECK_TEXT(text, texts[i]);
  }
  CHECK_NUMBER(address_parse("localhost:80", "h", &address, error, sizeof error), 0);
  CHECK_NUMBER(address_numeric(&address, &found, &size), -1);
}

static void shows_unix_peers(void) {
  struct address address;
  struct sockaddr_storage found[1];
  socklen_t sizes[1];
  char error[ERROR_SIZE];
  char text[ADDRESS_TEXT_MAX];
  CHECK_NUMBER(address_parse("unix:///run/x.sock", "h", &address, error, sizeof error), 0);
  CHECK_NUMBER(address_numeric(&address, found, sizes), 0);
  address_from_sockaddr((struct sockaddr *)&found[0], sizes[0], text, sizeof text);
  CHECK_TEXT(text, "unix:/run/x.sock");
  address_from_sockaddr((struct sockaddr *)&found[0], sizeof(sa_family_t), text, sizeof text);
  CHECK_TEXT(text, "unix:");
  struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0name"};
  const socklen_t size = offsetof(struct sockaddr_un, sun_path) + 5;
  address_from_sockaddr((struct sockaddr *)&abstract, size, text, sizeof text);
  CHECK_TEXT(text, "unix:@name");
}

/* unix:0://x once printed as what the parser took for a scheme. Every text of up to six of these
 * pieces that reads as an address prints as one that reads as the same. */
static void prints_what_it_reads(void) {
  static const char *const pieces[] = {"",   "unix:",  "//", "/",   ":",        "0", "x",
                                       "@n", "tcp://", ".",  "%lo", "[fe80::1", "]", ":80"};
  enum { PIECES = sizeof pieces / sizeof pieces[0], LENGTH = 5 };
  size_t total = 1;
  for (int i = 0; i < LENGTH; i++) total *= PIECES;
  for (size_t number = 0; number < total; number++) {
    char text[64] = "";
    char error[ERROR_SIZE];
    char printed[ADDRESS_TEXT_MAX];
    struct address first;
    struct address second;
    size_t rest = number;
    for (int i = 0; i < LENGTH; i++, rest /= PIECES) {
      size_t used = strlen(text);
      (void)snprintf(text + used, sizeof text - used, "%s", pieces[rest % PIECES]);
    }
    if (address_parse(text, "127.0.0.1", &first, error, sizeof error) != 0) continue;
    address_format(&first, printed, sizeof printed);
    second = first;
    CHECK_TEXT(address_parse(printed, "h", &second, error, sizeof error) == 0 ? "" : error, "");
    CHECK_NUMBER(second.kind, first.kind);
    CHECK_TEXT(second.host, first.host);
    CHECK_NUMBER(second.port, first.port);
    CHECK_TEXT(second.path, first.path);
  }
}

static void shows_odd_names(void) {
  char text[ADDRESS_TEXT_MAX];
  struct sockaddr_un odd = {.sun_family = AF_UNIX, .sun_path = "\0a\0b\x1b\\"};
  const socklen_t offset = offsetof(struct sockaddr_un, sun_path);
  address_from_sockaddr((struct sockaddr *)&odd, offset + 6, text, sizeof text);
  CHECK_TEXT(text, "unix:@a\\x00b\\x1b\\x5c");
  memset(odd.sun_path + 1, 0x1b, sizeof odd.sun_path - 1);
  address_from_sockaddr((struct sockaddr *)&odd, sizeof odd, text, sizeof text);
  CHECK_NUMBER(strlen(text), 6 + 4 * (sizeof odd.sun_path - 1));
  /* Behind "unix:", two slashes would be the scheme's. */
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "//x"};
  address_from_sockaddr((struct sockaddr *)&path, offset + 4, text, sizeof text);
  CHECK_TEXT(text, "unix:////x");
}

/* What is wrong with the host, or "" and what it prints as. */
static const char *host_of(const char *host, size_t size) {
  static char out[ERROR_SIZE];
  struct address address;
  if (address_from_host(host, size, 80, &address, out, sizeof out) == 0) {
    address_format(&address, out, sizeof out);
  }
  return out;
}

static void takes_a_host_for_nothing_else(void) {
#define HOST(text) host_of((text), sizeof(text) - 1)
  CHECK_TEXT(HOST("example.org"), "tcp://example.org:80");
  CHECK_TEXT(HOST("::1"), "tcp://[::1]:80");
  CHECK_TEXT(HOST("[::1]"), "tcp://[::1]:80");
  CHECK_TEXT(HOST("fe80::1%eth0"), "tcp://[fe80::1%eth0]:80");
  CHECK_CONTAINS(HOST(""), "is empty");
  CHECK_CONTAINS(HOST("*"), "no machine");
  CHECK_CONTAINS(HOST("tcp://x"), "has a scheme");
  CHECK_CONTAINS(HOST("UNIX:x"), "has a scheme");
  CHECK_CONTAINS(HOST("unix:///run/x.sock\0.example.org"), "contains a NUL byte");
  CHECK_CONTAINS(HOST("x:80"), "has a colon");
  CHECK_CONTAINS(HOST("[x]"), "has brackets around");
  CHECK_CONTAINS(HOST("a/b"), "is in no name");
  CHECK_CONTAINS(HOST("127.0.0.1%lo"), "names an interface");
#undef HOST
}

static const struct check_case cases[] = {
    {"a host is a name or a number, and nothing else", takes_a_host_for_nothing_else},
    {"every form of an address is read", reads_every_form},
    {"an address without a host gets the default one", fills_in_the_default_host},
    {"a wrong address is told what to write instead", says_what_to_write_instead},
    {"hosts, paths and messages keep to their limits", keeps_to_the_limits},
    {"an address in numbers needs no resolver, and a name does", asks_nobody_for_numbers},
    {"peers on Unix sockets are shown, named or not", shows_unix_peers},
    {"an address prints as what reads as the same", prints_what_it_reads},
    {"names of odd bytes are shown, each as another text", shows_odd_names},
};
CHECK_MAIN(cases)
