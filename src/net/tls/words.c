/* net/tls/words.c — why TLS failed, in words. Knows OpenSSL, and no connection. */
#include "net/tls/words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What people meet most; of the rest OpenSSL's own words say enough. */
static const char *known_words(int reason) {
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER: return "what the peer sent is no TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL: return "the peer speaks no version of TLS that is allowed";
    case SSL_R_NO_SHARED_CIPHER: return "no cipher is allowed on both sides";
    case SSL_R_NO_APPLICATION_PROTOCOL: return "no protocol of alpn is known to both sides";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return "the peer showed no certificate";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return "what the peer sent cannot be decrypted: it was changed on the way, or is no TLS";
    default: return NULL;
  }
}

/* "sslv3 alert certificate unknown", "tlsv1 alert unknown ca": which version has it is no news. */
static const char *alert_name(const char *reason) {
  const char *found = strstr(reason, "alert ");
  return found ? found + strlen("alert ") : reason;
}

void tls_words(const struct ssl_st *ssl, char *out, size_t size) {
  unsigned long error = ERR_peek_error(); /* the first one is the cause of the others */
  int reason = ERR_GET_REASON(error);
  const char *text = error ? ERR_reason_error_string(error) : NULL;
  const char *known = ERR_GET_LIB(error) == ERR_LIB_SSL ? known_words(reason) : NULL;
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    snprintf(out, size, "the peer's certificate is not accepted: %s",
             X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
  } else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    snprintf(out, size, "the peer refused, with the alert \"%s\"", alert_name(text ? text : ""));
  } else {
    snprintf(out, size, "%s", known ? known : text ? text : "OpenSSL does not say why");
  }
  ERR_clear_error();
}

static bool begins(const char *bytes, size_t size, const char *word) {
  return size >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

void tls_words_of_plaintext(const char *bytes, size_t size, char *out, size_t out_size) {
  static const char *const methods[] = {"GET ",    "POST ",  "HEAD ",    "PUT ",
                                        "DELETE ", "PATCH ", "OPTIONS ", "CONNECT "};
  bool is_http = false;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (begins(bytes, size, methods[i])) is_http = true;
  }
  snprintf(out, out_size,
           is_http ? "the peer speaks plain HTTP: this is a TLS port, so it is https:// there"
                   : "what the peer sent first is no TLS");
}
