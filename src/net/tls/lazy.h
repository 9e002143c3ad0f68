/* net/tls/lazy.h — OpenSSL, loaded when it is first needed. Knows no connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* False with a sentence in `error` when OpenSSL is not there. Before anything of it is called. */
bool tls_lazy_open(char *error, size_t error_size);
/* Whether it is; in other builds it is loaded at each start. */
extern const bool tls_is_lazy;
