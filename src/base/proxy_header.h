/* base/proxy_header.h — what a proxy says before a connection's bytes: who its client is. Versions 1 and 2
 * of the PROXY protocol (HAProxy's doc/proxy-protocol.txt) — knows no socket. */
#pragma once

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  PROXY_HEADER_BYTES_MAX = 16384, /* as HAProxy has it; 65,551 could be said */
  PROXY_HEADER_WRITTEN_MAX = 52,  /* of proxy_header_write() */
};

/* What version 2 may say besides. More are anybody's own. */
enum proxy_tlv_type {
  PROXY_TLV_ALPN = 0x01,
  PROXY_TLV_AUTHORITY = 0x02,
  PROXY_TLV_CRC32C = 0x03,
  PROXY_TLV_UNIQUE_ID = 0x05,
  PROXY_TLV_SSL = 0x20,
  PROXY_TLV_SSL_VERSION = 0x21, /* from here on: inside of PROXY_TLV_SSL */
  PROXY_TLV_SSL_CN = 0x22,
  PROXY_TLV_SSL_CIPHER = 0x23,
};

struct proxy_end {
  struct ip ip;
  uint16_t port;
};

struct proxy_header {
  unsigned version;
  size_t size;              /* of all of it */
  bool is_local;            /* the proxy speaks for itself: it looks whether we are there */
  bool has_ends;            /* it says who the client is; else that is not known */
  struct proxy_end client;  /* "source" */
  struct proxy_end reached; /* where the client connected to: "destination" */
  const char *tlvs;         /* borrowed from the bytes that were read */
  size_t tlvs_size;
};

/* Reads the `size` bytes that have come so far. 0: the header is whole, and in *out. 1: more of it is to
 * come. -1: it is none, and *fault says why, in static text. */
int proxy_header_read(const char *bytes, size_t size, struct proxy_header *out, const char **fault);

struct proxy_tlv {
  unsigned type;
  const char *bytes;
  size_t size;
};

/* Takes the first one off. False: there is none, or it is not whole. */
bool proxy_tlv_next(const char **tlvs, size_t *size, struct proxy_tlv *out);
/* The first one of that type. */
bool proxy_tlv_find(const char *tlvs, size_t size, unsigned type, struct proxy_tlv *out);

/* PROXY_TLV_SSL, taken apart. */
struct proxy_ssl {
  bool is_used;     /* the client speaks TLS */
  bool has_shown;   /* it has shown a certificate, on this connection or in the session before */
  bool is_verified; /* and that was verified */
  const char *tlvs;
  size_t tlvs_size;
};
bool proxy_ssl_read(const struct proxy_tlv *tlv, struct proxy_ssl *out);

/* Writes version 2, without more than the addresses of both; or without them, unless it `has_ends`. How
 * many bytes. */
size_t proxy_header_write(const struct proxy_header *header, char out[PROXY_HEADER_WRITTEN_MAX]);
