/* net/tls/judge.h — what clients will have against a certificate, in words. Opens nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tls_context;
struct x509_store_st;

enum { JUDGE_SOON_DAYS = 14 }; /* that are left when it is first told that one comes to its end */

struct judge {
  int64_t now_s; /* seconds since 1970 */
  void *owner;
  /* One sentence, which begins with the file; `is_fault`: clients refuse it. */
  void (*say)(void *owner, bool is_fault, const char *sentence);
};

/* Times, names and order of all that a context shows. */
void judge_context(const struct judge *judge, const struct tls_context *context);
/* Whether those who trust `roots`, as systems do, will trust what it shows. Says something of each. */
void judge_trust(const struct judge *judge, const struct tls_context *context,
                 struct x509_store_st *roots);
