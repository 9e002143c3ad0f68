/* address_fuzz.c — any text as an address — asks no resolver and opens no socket.
 *
 * An input is two lines: the address, and the host that stands where it names none. What is read must
 * be read again the same from what it prints, with and without the kernel's form in between; what is
 * refused must say why, in the room there is. */
#include "expect.h"

#include "base/address.h"
#include "base/control_address.h"
#include "base/ip.h"

enum { INPUT_BYTES_MAX = 700, ERROR_BYTES = 160 };

static void check_refusal(const char *error, const char *beginning) {
  MUST(memchr(error, '\0', ERROR_BYTES) != NULL);
  MUST(strncmp(error, beginning, strlen(beginning)) == 0);
}

static void check_same(const struct address *a, const struct address *b) {
  MUST(a->kind == b->kind);
  MUST(strcmp(a->host, b->host) == 0);
  MUST(a->port == b->port);
  MUST(strcmp(a->path, b->path) == 0);
}

/* What it prints names the host, so it needs no other. */
static void check_printed(const struct address *address) {
  char printed[ADDRESS_TEXT_MAX];
  char error[ERROR_BYTES];
  address_format(address, printed, sizeof printed);
  MUST(strlen(printed) + 1 < sizeof printed);
  struct address again;
  MUST(address_parse(printed, NULL, &again, error, sizeof error) == 0);
  MUST(!again.host_is_default);
  check_same(address, &again);
}

/* The kernel's form of it, as a peer's name is made of it, and from there once more. */
static void check_numeric(const struct address *address) {
  struct sockaddr_storage sockaddr, again;
  socklen_t size, size_again;
  char name[ADDRESS_TEXT_MAX];
  char error[ERROR_BYTES];
  if (address_numeric(address, &sockaddr, &size) != 0) return;
  const struct sockaddr *sa = (const struct sockaddr *)&sockaddr;
  address_from_sockaddr(sa, size, name, sizeof name);
  MUST(strlen(name) + 1 < sizeof name);
  struct address read;
  MUST(address_parse(name, NULL, &read, error, sizeof error) == 0);
  read.kind = address->kind;
  MUST(address_numeric(&read, &again, &size_again) == 0);
  MUST(size == size_again && memcmp(&sockaddr, &again, size) == 0);
  char ip[ADDRESS_HOST_MAX];
  bool is_unix = address->kind == ADDRESS_UNIX;
  MUST((address_ip(sa, ip, sizeof ip) < 0) == is_unix);
  MUST(address_port(sa) == (is_unix ? -1 : address->port));
  if (!is_unix) MUST(size == address_size(sa) && strstr(name, ip) != NULL);
}

static void check_fields(const struct address *address) {
  MUST(memchr(address->host, '\0', sizeof address->host) != NULL);
  MUST(memchr(address->path, '\0', sizeof address->path) != NULL);
  MUST((address->kind == ADDRESS_UNIX) == (address->path[0] != '\0'));
  MUST((address->kind == ADDRESS_UNIX) == (address->host[0] == '\0'));
}

static void check_control(const char *text) {
  struct control_address address;
  char error[ERROR_BYTES];
  if (control_address_read(text, &address, error, sizeof error) < 0) {
    MUST(memchr(error, '\0', sizeof error) != NULL && *error != '\0');
    return;
  }
  MUST(strcmp(address.text, text) == 0);
  MUST(address.size <= sizeof address.sockaddr);
  MUST((address.sockaddr.sun_path[0] == '\0') == (*text == '@' || *text == '\0'));
}

/* A host alone: what is taken is one for every other reader, and is no path. */
static void check_host(const char *text, char *error) {
  struct address address, again;
  char printed[ADDRESS_TEXT_MAX];
  if (address_from_host(text, strlen(text), 80, &address, error, ERROR_BYTES) < 0) {
    check_refusal(error, "host \"");
    return;
  }
  MUST(address.kind == ADDRESS_TCP && address.path[0] == '\0' && address.host[0] != '\0');
  address_format(&address, printed, sizeof printed);
  MUST(address_parse(printed, NULL, &again, error, ERROR_BYTES) == 0);
  check_same(&address, &again);
}

static void check_network(const char *text) {
  struct ip_network network;
  char printed[IP_TEXT_MAX];
  if (!ip_network_parse(text, strlen(text), &network)) return;
  MUST(network.bits <= network.ip.size * 8);
  MUST(ip_is_in(&network.ip, &network));
  ip_format(&network.ip, printed);
  struct ip again;
  MUST(ip_parse(printed, strlen(printed), &again));
  MUST(again.size == network.ip.size && memcmp(again.bytes, network.ip.bytes, again.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > INPUT_BYTES_MAX) return -1;
  char *text = take_line(&data, &size);
  char *host = take_line(&data, &size);
  char *error = malloc(ERROR_BYTES); /* a block of its own: no byte more */
  struct address address;
  MUST(error != NULL);
  if (address_parse(text, *host ? host : NULL, &address, error, ERROR_BYTES) < 0) {
    check_refusal(error, "address \"");
  } else {
    check_fields(&address);
    check_printed(&address);
    check_numeric(&address);
  }
  check_host(text, error);
  check_network(text);
  check_control(text);
  free(error);
  free(host);
  free(text);
  return 0;
}
