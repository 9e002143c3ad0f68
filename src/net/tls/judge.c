/* net/tls/judge.c — what clients will have against a certificate, in words. Opens nothing. */
#include "net/tls/judge.h"

#include "base/text.h"
#include "net/tls/certificate.h"
#include "net/tls/context.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_BYTES_MAX = 1024, NAMES_BYTES_MAX = 256, DAY_S = 86400 };

/* What is told of one certificate. */
struct trial {
  const struct judge *judge;
  const struct tls_shown *shown;
};

static void judge_say(const struct trial *trial, bool is_fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void judge_say(const struct trial *trial, bool is_fault, const char *format, ...) {
  char said[SENTENCE_BYTES_MAX], sentence[SENTENCE_BYTES_MAX + PATH_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(said, sizeof said, format, arguments);
  va_end(arguments);
  snprintf(sentence, sizeof sentence, "%s: %s", trial->shown->path, said);
  trial->judge->say(trial->judge->owner, is_fault, sentence);
}

/* `which`: "it", or one of its chain. */
static void judge_times(const struct trial *trial, const char *which,
                        const struct certificate *facts) {
  const int64_t now = trial->judge->now_s, left = facts->not_after - now;
  const long long days = (left < 0 ? -left : left) / DAY_S;
  char date[CERTIFICATE_DATE_SIZE];
  if (facts->not_before > now) {
    certificate_date(facts->not_before, date);
    judge_say(trial, true,
              "%s begins on %s: until then clients refuse it; or is this machine's clock wrong?",
              which, date);
    return;
  }
  certificate_date(facts->not_after, date);
  if (left < 0) {
    judge_say(trial, true,
              "%s ended on %s, %lld day%s ago: clients refuse it; put a new one in its place",
              which, date, days, text_plural((uint64_t)days));
  } else if (left < (int64_t)JUDGE_SOON_DAYS * DAY_S) {
    judge_say(trial, false, "%s ends in %lld day%s, on %s: put a new one in its place until then",
              which, days, text_plural((uint64_t)days), date);
  }
}

static void list_names(const struct certificate *facts, char out[NAMES_BYTES_MAX]) {
  size_t used = 0;
  out[0] = 0;
  for (size_t i = 0; i < facts->name_count && used < NAMES_BYTES_MAX; i++) {
    used += (size_t)snprintf(out + used, NAMES_BYTES_MAX - used, "%s%s", i > 0 ? ", " : "",
                             facts->names[i]);
  }
}

static void judge_names(const struct trial *trial, const struct certificate *facts) {
  const char *host = trial->shown->host;
  char probe[NAMES_BYTES_MAX], names[NAMES_BYTES_MAX];
  if (facts->name_count == 0) {
    judge_say(trial, true,
              "the certificate names no host (in subjectAltName; clients look nowhere else), so "
              "clients that check it refuse it");
    return;
  }
  if (!host) return;
  /* Of "*.c.example" any one of them. */
  snprintf(probe, sizeof probe, "%s%s", *host == '*' ? "any" : "", *host == '*' ? host + 1 : host);
  if (X509_check_host(trial->shown->leaf, probe, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) ==
      1)
    return;
  list_names(facts, names);
  judge_say(trial, true,
            "the certificate is shown to who asks for %s, and is for %s: they refuse it", host,
            names);
}

static void judge_chain(const struct trial *trial) {
  X509 *below = trial->shown->leaf;
  STACK_OF(X509) *chain = trial->shown->chain;
  for (int i = 0; i < sk_X509_num(chain); i++) {
    struct certificate facts;
    X509 *above = sk_X509_value(chain, i);
    char which[48];
    snprintf(which, sizeof which, "certificate %d in it", i + 2);
    if (X509_check_issued(above, below) != X509_V_OK) {
      judge_say(trial, false,
                "%s did not issue the one before it, so clients may not find their way to an "
                "authority: put the server's own first, then who issued it, and so on",
                which);
    }
    if (certificate_read(above, &facts)) judge_times(trial, which, &facts);
    certificate_deinit(&facts);
    below = above;
  }
}

static void judge_on_shown(void *owner, const struct tls_shown *shown) {
  const struct trial trial = {owner, shown};
  struct certificate facts;
  if (certificate_read(shown->leaf, &facts)) {
    judge_times(&trial, "the certificate", &facts);
    judge_names(&trial, &facts);
    if (X509_check_purpose(shown->leaf, X509_PURPOSE_SSL_SERVER, 0) != 1) {
      judge_say(&trial, true,
                "the certificate is not for servers, as its keyUsage or extendedKeyUsage says: "
                "clients refuse it");
    }
  }
  certificate_deinit(&facts);
  judge_chain(&trial);
  ERR_clear_error();
}

void judge_context(const struct judge *judge, const struct tls_context *context) {
  tls_context_each(context, judge_on_shown, (void *)judge);
}

struct trusting {
  const struct judge *judge;
  X509_STORE *roots;
};

static void judge_on_trust(void *owner, const struct tls_shown *shown) {
  const struct trusting *trusting = owner;
  const struct trial trial = {trusting->judge, shown};
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  bool fits = context && X509_STORE_CTX_init(context, trusting->roots, shown->leaf, shown->chain);
  int rc = fits ? X509_verify_cert(context) : 0;
  int error = fits ? X509_STORE_CTX_get_error(context) : X509_V_ERR_OUT_OF_MEM;
  X509_STORE_CTX_free(context);
  ERR_clear_error();
  if (rc == 1) {
    judge_say(&trial, false, "signed by an authority that this system trusts");
  } else if (error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT) {
    judge_say(&trial, false,
              "self-signed: clients have to be told to trust this very certificate, as with curl "
              "--cacert");
  } else {
    judge_say(&trial, false, "no authority that this system trusts stands behind it (%s)",
              X509_verify_cert_error_string(error));
  }
}

void judge_trust(const struct judge *judge, const struct tls_context *context,
                 struct x509_store_st *roots) {
  struct trusting trusting = {judge, roots};
  tls_context_each(context, judge_on_trust, &trusting);
}
