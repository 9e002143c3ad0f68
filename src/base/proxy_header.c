/* base/proxy_header.c — what a proxy says before a connection's bytes: who its client is. Versions 1 and 2
 * of the PROXY protocol (HAProxy's doc/proxy-protocol.txt) — knows no socket.
 *
 * The versions are told apart by their first byte. What no header can begin with is refused as soon as it
 * shows, so nobody waits for the rest of it. */
#include "base/proxy_header.h"

#include <string.h>

enum {
  FIRST_BYTES = 15, /* "PROXY UNKNOWN\r\n", the shortest line */
  IP4_SIZE = 4,
  IP6_SIZE = 16,
  LINE_BYTES_MAX = 107, /* of version 1 */
  HEAD_BYTES = 16,      /* of version 2, before the addresses */
  SIGNATURE_BYTES = 12,
  COMMAND_AT = 12,
  FAMILY_AT = 13,
  LENGTH_AT = 14,
  UNIX_BYTES = 2 * 108,
  TLV_HEAD_BYTES = 3,
  SSL_HEAD_BYTES = 5,
};

static const char signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";

static int refuse(const char **fault, const char *why) {
  *fault = why;
  return -1;
}

/* --- Version 1: a line ------------------------------------------------------------------------- */

enum { FIELDS_AT = 11 }; /* behind "PROXY TCP4 ": both addresses, both ports */

/* As far as they go: both may be cut. */
static bool is_begin_of(const char *bytes, size_t size, const char *word) {
  const size_t length = strlen(word);
  return memcmp(bytes, word, size < length ? size : length) == 0;
}

/* 4 or 16; 0 of "UNKNOWN", of which nothing but its end is looked at; -1: it is something else. Of what is
 * shorter than each it is one that it can become. */
static int line_ip_size(const char *line, size_t size) {
  if (is_begin_of(line, size, "PROXY TCP4 ")) return IP4_SIZE;
  if (is_begin_of(line, size, "PROXY TCP6 ")) return IP6_SIZE;
  bool is_unknown =
      is_begin_of(line, size, "PROXY UNKNOWN ") || is_begin_of(line, size, "PROXY UNKNOWN\r");
  return is_unknown ? 0 : -1;
}

/* Cuts the next field off, at the space or the end behind it. */
static bool next_field(const char **at, const char *end, const char **field, size_t *size) {
  if (*at > end) return false;
  const char *space = memchr(*at, ' ', (size_t)(end - *at));
  const char *stop = space ? space : end;
  *field = *at;
  *size = (size_t)(stop - *at);
  *at = stop + 1;
  return *size > 0;
}

static bool read_ip(const char **at, const char *end, int ip_size, struct ip *out) {
  const char *field;
  size_t size;
  return next_field(at, end, &field, &size) && ip_parse(field, size, out) &&
         out->size == (size_t)ip_size;
}

static bool read_port(const char **at, const char *end, uint16_t *out) {
  const char *field;
  size_t size;
  unsigned port = 0;
  if (!next_field(at, end, &field, &size)) return false;
  if (size > 5 || (size > 1 && field[0] == '0')) return false;
  for (size_t i = 0; i < size; i++) {
    if (field[i] < '0' || field[i] > '9') return false;
    port = port * 10 + (unsigned)(field[i] - '0');
  }
  *out = (uint16_t)port;
  return port <= UINT16_MAX;
}

static int read_whole_line(const char *line, size_t size, int ip_size, struct proxy_header *out,
                           const char **fault) {
  const char *at = line + FIELDS_AT, *end = line + size - 2;
  *out = (struct proxy_header){.version = 1, .size = size};
  out->is_local = ip_size == 0;
  if (out->is_local) return 0;
  out->has_ends = read_ip(&at, end, ip_size, &out->client.ip) &&
                  read_ip(&at, end, ip_size, &out->reached.ip) &&
                  read_port(&at, end, &out->client.port) &&
                  read_port(&at, end, &out->reached.port) && at == end + 1;
  if (out->has_ends) return 0;
  return refuse(fault, "the addresses of its PROXY line are not two of its family and two ports");
}

static int read_line(const char *line, size_t size, struct proxy_header *out, const char **fault) {
  static const char word[] = "PROXY ";
  const size_t shown = size < sizeof word - 1 ? size : sizeof word - 1;
  if (memcmp(line, word, shown) != 0) return refuse(fault, "what came first is no PROXY header");
  const char *cr = memchr(line, '\r', size), *lf = memchr(line, '\n', size);
  const bool is_cut = cr && cr + 1 < line + size && cr[1] != '\n';
  if (is_cut || (lf && (!cr || lf != cr + 1))) {
    return refuse(fault, "its PROXY line does not end with CRLF");
  }
  const int ip_size = line_ip_size(line, size);
  if (ip_size < 0 || (lf && size < FIRST_BYTES))
    return refuse(fault, "its PROXY line says neither TCP4, TCP6 nor UNKNOWN");
  const size_t whole = lf ? (size_t)(lf + 1 - line) : size + 1;
  if (whole > LINE_BYTES_MAX) return refuse(fault, "its PROXY line is longer than 107 bytes");
  return lf ? read_whole_line(line, whole, ip_size, out, fault) : 1;
}

/* --- Version 2: bytes -------------------------------------------------------------------------- */

static unsigned byte_at(const char *bytes, size_t at) {
  return (unsigned char)bytes[at];
}

static unsigned word_at(const char *bytes, size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

/* The addresses' bytes of that family and protocol; -1: there is none such. */
static int ends_size(unsigned family) {
  switch (family) {
    case 0x00: return 0; /* not known */
    case 0x11:           /* IPv4: a stream, or datagrams that became one */
    case 0x12: return 2 * (IP4_SIZE + 2);
    case 0x21: /* IPv6 */
    case 0x22: return 2 * (IP6_SIZE + 2);
    case 0x31: /* Unix */
    case 0x32: return UNIX_BYTES;
    default: return -1;
  }
}

bool proxy_tlv_next(const char **tlvs, size_t *size, struct proxy_tlv *out) {
  if (*size < TLV_HEAD_BYTES) return false;
  *out = (struct proxy_tlv){byte_at(*tlvs, 0), *tlvs + TLV_HEAD_BYTES, word_at(*tlvs, 1)};
  const size_t whole = TLV_HEAD_BYTES + out->size;
  if (whole > *size) return false;
  *tlvs += whole;
  *size -= whole;
  return true;
}

bool proxy_tlv_find(const char *tlvs, size_t size, unsigned type, struct proxy_tlv *out) {
  while (proxy_tlv_next(&tlvs, &size, out)) {
    if (out->type == type) return true;
  }
  return false;
}

bool proxy_ssl_read(const struct proxy_tlv *tlv, struct proxy_ssl *out) {
  enum { USED = 1, SHOWN = 2, SHOWN_BEFORE = 4 };
  if (tlv->size < SSL_HEAD_BYTES) return false;
  const unsigned client = byte_at(tlv->bytes, 0);
  out->is_used = client & USED;
  out->has_shown = client & (SHOWN | SHOWN_BEFORE);
  /* It is 0 also of who has shown none. */
  out->is_verified = out->has_shown && word_at(tlv->bytes, 1) == 0 && word_at(tlv->bytes, 3) == 0;
  out->tlvs = tlv->bytes + SSL_HEAD_BYTES;
  out->tlvs_size = tlv->size - SSL_HEAD_BYTES;
  return true;
}

/* Whether they fill the place to its end. */
static bool are_whole(const char *tlvs, size_t size) {
  struct proxy_tlv tlv;
  while (proxy_tlv_next(&tlvs, &size, &tlv)) continue;
  return size == 0;
}

/* Castagnoli's, RFC 3720 appendix B.4, of the header with zeros where the sum stands. */
static uint32_t crc32c_of(const char *bytes, size_t size, const char *sum) {
  uint32_t crc = UINT32_MAX;
  for (const char *at = bytes; at < bytes + size; at++) {
    crc ^= at >= sum && at < sum + 4 ? 0 : (unsigned char)*at;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

static const char *tlvs_fault(const char *bytes, const struct proxy_header *header) {
  struct proxy_tlv tlv;
  struct proxy_ssl ssl;
  const char *tlvs = header->tlvs;
  const size_t size = header->tlvs_size;
  if (!are_whole(tlvs, size)) return "a field of its PROXY header goes beyond the header's end";
  if (proxy_tlv_find(tlvs, size, PROXY_TLV_SSL, &tlv) &&
      !(proxy_ssl_read(&tlv, &ssl) && are_whole(ssl.tlvs, ssl.tlvs_size))) {
    return "a field of its PROXY header about TLS goes beyond that field's end";
  }
  if (!proxy_tlv_find(tlvs, size, PROXY_TLV_CRC32C, &tlv)) return NULL;
  bool is_right = tlv.size == 4 && crc32c_of(bytes, header->size, tlv.bytes) ==
                                       (word_at(tlv.bytes, 0) << 16 | word_at(tlv.bytes, 2));
  return is_right ? NULL : "the checksum in its PROXY header is wrong";
}

static void take_ends(const char *at, size_t ip_size, struct proxy_header *out) {
  out->has_ends = true;
  out->client.ip.size = out->reached.ip.size = ip_size;
  memcpy(out->client.ip.bytes, at, ip_size);
  memcpy(out->reached.ip.bytes, at + ip_size, ip_size);
  out->client.port = (uint16_t)word_at(at, 2 * ip_size);
  out->reached.port = (uint16_t)word_at(at, 2 * ip_size + 2);
}

static int read_whole_head(const char *bytes, size_t size, struct proxy_header *out,
                           const char **fault) {
  const unsigned family = byte_at(bytes, FAMILY_AT);
  *out = (struct proxy_header){.version = 2, .size = size};
  out->is_local = (byte_at(bytes, COMMAND_AT) & 15) == 0;
  if (out->is_local) return 0; /* the rest is to be passed over */
  const size_t ends = (size_t)ends_size(family);
  const size_t ip_size = family >> 4 == 1 ? IP4_SIZE : family >> 4 == 2 ? IP6_SIZE : 0;
  if (ip_size > 0) take_ends(bytes + HEAD_BYTES, ip_size, out);
  out->tlvs = bytes + HEAD_BYTES + ends;
  out->tlvs_size = size - HEAD_BYTES - ends;
  *fault = tlvs_fault(bytes, out);
  return *fault ? -1 : 0;
}

static int read_head(const char *bytes, size_t size, struct proxy_header *out, const char **fault) {
  const size_t shown = size < SIGNATURE_BYTES ? size : SIGNATURE_BYTES;
  if (memcmp(bytes, signature, shown) != 0) {
    return refuse(fault, "what came first is no PROXY header");
  }
  size_t least = 0;
  if (size > COMMAND_AT) {
    const unsigned command = byte_at(bytes, COMMAND_AT);
    if (command >> 4 != 2) return refuse(fault, "its PROXY header is of no version that is known");
    if ((command & 15) > 1) return refuse(fault, "its PROXY header says neither LOCAL nor PROXY");
  }
  if (size > FAMILY_AT && (byte_at(bytes, COMMAND_AT) & 15) == 1) {
    const int ends = ends_size(byte_at(bytes, FAMILY_AT));
    if (ends < 0) return refuse(fault, "its PROXY header has a family that is not known");
    least = (size_t)ends;
  }
  if (size < HEAD_BYTES) return 1;
  const size_t length = word_at(bytes, LENGTH_AT);
  if (length < least) return refuse(fault, "its PROXY header is too short for its addresses");
  if (HEAD_BYTES + length > PROXY_HEADER_BYTES_MAX) {
    return refuse(fault, "its PROXY header is longer than 16,384 bytes");
  }
  if (size < HEAD_BYTES + length) return 1;
  return read_whole_head(bytes, HEAD_BYTES + length, out, fault);
}

/* --- Both -------------------------------------------------------------------------------------- */

int proxy_header_read(const char *bytes, size_t size, struct proxy_header *out,
                      const char **fault) {
  if (size == 0) return 1;
  if (bytes[0] == signature[0]) return read_head(bytes, size, out, fault);
  return read_line(bytes, size, out, fault);
}

/* Where version 2 has one family, the other one's is written as IPv6 has it: ::ffff:10.0.0.1. */
static void write_ip(const struct ip *ip, size_t ip_size, char *out) {
  const size_t ahead = ip_size - ip->size;
  memset(out, 0, ahead);
  if (ahead > 0) memset(out + ahead - 2, 0xff, 2);
  memcpy(out + ahead, ip->bytes, ip->size);
}

static char *write_word(unsigned word, char *out) {
  out[0] = (char)(word >> 8);
  out[1] = (char)word;
  return out + 2;
}

size_t proxy_header_write(const struct proxy_header *header, char out[PROXY_HEADER_WRITTEN_MAX]) {
  const struct ip *client = &header->client.ip, *reached = &header->reached.ip;
  size_t ip_size = client->size > reached->size ? client->size : reached->size;
  if (!header->has_ends) ip_size = 0;
  const unsigned family = ip_size == IP4_SIZE ? 0x11 : ip_size == IP6_SIZE ? 0x21 : 0x00;
  memcpy(out, signature, SIGNATURE_BYTES);
  out[COMMAND_AT] = header->is_local ? 0x20 : 0x21;
  out[FAMILY_AT] = (char)family;
  char *at = write_word((unsigned)ends_size(family), out + LENGTH_AT);
  if (ip_size == 0) return HEAD_BYTES;
  write_ip(client, ip_size, at);
  write_ip(reached, ip_size, at + ip_size);
  at = write_word(header->client.port, at + 2 * ip_size);
  at = write_word(header->reached.port, at);
  return (size_t)(at - out);
}
