/* base/crc32.h — the checksum of Ethernet, gzip and PNG (RFC 1952, section 8): against accidents only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, that of the bytes before; 0 where there are none. */
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t size);
