/* base/address.h — where a socket lives: "tcp://127.0.0.1:80" as text, as a struct and as sockaddr.
 * Opens no socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct sockaddr_in;
struct sockaddr_in6;

/* Room for what address_format() and address_from_sockaddr() write, the final NUL included: an
 * abstract name of 107 bytes, each as \xNN. */
enum { ADDRESS_TEXT_MAX = 448 };
/* Longest path of a Unix socket and longest host, each with its NUL: sun_path, and RFC 1035. */
enum {
  ADDRESS_PATH_MAX = 108,
  ADDRESS_HOST_MAX = 256,
};

enum address_kind { ADDRESS_TCP, ADDRESS_UDP, ADDRESS_TLS, ADDRESS_UNIX };

struct address {
  enum address_kind kind;
  char host[ADDRESS_HOST_MAX]; /* name or literal, without brackets; "" for ADDRESS_UNIX */
  bool host_is_default;        /* the text names none */
  uint16_t port;               /* 0: the kernel picks one */
  char path[ADDRESS_PATH_MAX]; /* ADDRESS_UNIX only: a path, or "@name" */
};

/* Reads "12345", ":12345", "0.0.0.0:80", "*:80", "localhost:7000", "[::1]:7000", each also behind
 * "tcp://", "udp://" or "tls://"; "unix:///run/x.sock" or "unix:x.sock"; and "unix:@x", a name of
 * Linux that is in no file system. An interface stands behind "%": "[fe80::1%eth0]:7000",
 * "udp://239.1.2.3%eth0:5000".
 * `default_host` stands where the text names no host; "*" as a host means every IPv4 address.
 * Returns 0, or -1 with a sentence in `error`: the text, what is wrong, what to write instead. */
int address_parse(const char *text, const char *default_host, struct address *out, char *error,
                  size_t error_size);

/* From a host alone, which may be anybody's: a name, or an address in numbers, of IPv6 with brackets or without.
 * Whatever else its bytes are, a scheme, a path, a port, NUL, nothing at all, or "*": -1, and `error` says why. */
int address_from_host(const char *host, size_t size, uint16_t port, struct address *out,
                      char *error, size_t error_size);

const char *address_scheme(enum address_kind kind); /* "tcp", "udp", "tls", "unix": static text */

/* Writes "tcp://127.0.0.1:12345", "tcp://[::1]:7000" or "unix:///run/x.sock"; always terminated. */
void address_format(const struct address *address, char *out, size_t size);

/* Without asking anybody: for a host in numbers, or an ADDRESS_UNIX. -1 when the host is a name. */
int address_numeric(const struct address *address, struct sockaddr_storage *out, socklen_t *size);

/* The number of the interface that the host names; 0: it names none; -1: this machine has none of
 * that name. */
int address_interface(const struct address *address);

/* Writes "127.0.0.1:5000", "[::1]:7", "[fe80::1%eth0]:7", "unix:/run/x.sock", "unix:@x" for Linux's abstract names,
 * or "unix:" for a peer that has none; always terminated. */
void address_from_sockaddr(const struct sockaddr *sa, socklen_t size, char *out, size_t out_size);

/* How large it is, of its family. */
socklen_t address_size(const struct sockaddr *sa);
/* Writes the numeric address alone: "127.0.0.1", "::1", "fe80::1%eth0". -1 when it is no internet
 * address. */
int address_ip(const struct sockaddr *sa, char *out, size_t out_size);
/* -1 when it is no internet address. */
int address_port(const struct sockaddr *sa);
bool address_same_host(const struct sockaddr *a, const struct sockaddr *b); /* but for the port */
/* For the port of the next socket when the first one took a free one. */
void address_set_port(struct sockaddr *sa, uint16_t port);
/* An IPv4 address inside of an IPv6 one becomes one of IPv4, and back. */
void address_unmap(struct sockaddr_storage *sa);
void address_map(const struct sockaddr_in *sa, struct sockaddr_in6 *out);
bool address_is_group(const struct sockaddr *sa); /* multicast */
