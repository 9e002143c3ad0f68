/* proxy_fuzz.c — any bytes as the header of a proxy, cut anywhere — does not know whose addresses are right.
 *
 * What it knows is what must always be: where it is cut changes nothing, a header is whole where
 * it ends and not before, its fields are within it, and addresses that are written again come back.
 *
 * An input is what came on a connection, header and all. */
#include "fuzz.h"

#include "base/proxy_header.h"

#include <string.h>

/* Reads the first `size` bytes from a block of their own, so that reading further is found out. */
static int read_part(const uint8_t *data, size_t size) {
  struct proxy_header header;
  const char *fault = NULL;
  char *part = malloc(size);
  if (size > 0) memcpy(part, data, size);
  int rc = proxy_header_read(part, size, &header, &fault);
  MUST((rc < 0) == (fault != NULL));
  free(part);
  return rc;
}

/* Of a stream with a header of `whole` bytes; 0: with none. */
static void check_cuts(const uint8_t *data, size_t size, size_t whole, bool is_refused) {
  bool was_refused = false;
  for (size_t cut = 0; cut < (whole ? whole : size); cut++) {
    int rc = read_part(data, cut);
    MUST(rc != 0 && (rc > 0 || !whole));
    if (was_refused) MUST(rc < 0);
    was_refused = rc < 0;
  }
  if (was_refused) MUST(is_refused);
}

static void check_tlvs(const struct proxy_header *header, const char *end) {
  const char *tlvs = header->tlvs;
  size_t size = header->tlvs_size;
  struct proxy_tlv tlv;
  struct proxy_ssl ssl;
  while (proxy_tlv_next(&tlvs, &size, &tlv)) {
    MUST(tlv.bytes + tlv.size <= end);
    if (tlv.type != PROXY_TLV_SSL || !proxy_ssl_read(&tlv, &ssl)) continue;
    MUST(ssl.tlvs + ssl.tlvs_size == tlv.bytes + tlv.size);
    MUST(!ssl.is_verified || ssl.has_shown);
  }
  MUST(size == 0);
}

static bool is_same_end(const struct proxy_end *a, const struct proxy_end *b) {
  struct ip_network network = {.ip = a->ip, .bits = (unsigned)a->ip.size * 8};
  return a->port == b->port && a->ip.size == b->ip.size && ip_is_in(&b->ip, &network);
}

/* ::ffff:10.0.0.1 is of the networks of IPv4, and so is not in one of its own as it is. */
static bool is_mapped(const struct ip *ip) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  return ip->size == 16 && memcmp(ip->bytes, mapped, sizeof mapped) == 0;
}

static void check_written(const struct proxy_header *header) {
  char bytes[PROXY_HEADER_WRITTEN_MAX];
  struct proxy_header again;
  const char *fault;
  size_t size = proxy_header_write(header, bytes);
  MUST(size <= sizeof bytes && proxy_header_read(bytes, size, &again, &fault) == 0);
  MUST(again.version == 2 && again.size == size && again.is_local == header->is_local);
  if (header->is_local) return;
  MUST(again.has_ends == header->has_ends && again.tlvs_size == 0);
  if (!header->has_ends || is_mapped(&header->client.ip) || is_mapped(&header->reached.ip)) return;
  MUST(is_same_end(&header->client, &again.client));
  MUST(is_same_end(&header->reached, &again.reached));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct proxy_header header;
  const char *fault = NULL;
  char *bytes = malloc(size);
  if (size > 0) memcpy(bytes, data, size);
  int rc = proxy_header_read(bytes, size, &header, &fault);
  if (rc == 0) {
    MUST(header.size <= size && header.size <= PROXY_HEADER_BYTES_MAX);
    check_tlvs(&header, bytes + header.size);
    check_written(&header);
  }
  check_cuts(data, size, rc == 0 ? header.size : 0, rc < 0);
  free(bytes);
  return 0;
}
