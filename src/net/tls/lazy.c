/* net/tls/lazy.c — OpenSSL, loaded when the first of its functions is called. Knows them by name only.
 *
 * A program that is linked with OpenSSL loads it at each start, which takes longer than all else of it:
 * the loader fills in 17,000 addresses on a hundred pages. Most of what is started never speaks TLS:
 * `moonport health`, a service on tcp://. So what others call is a jump from here to where the function
 * is, and the first call of each finds it. In assembly, for a function in C cannot hand on arguments that
 * it does not know; and only for x86-64: elsewhere OpenSSL is linked as any library.
 *
 * An undefined reference to one of OpenSSL's functions: add it to the list. */
#include "net/tls/lazy.h"

#include <openssl/crypto.h>

/* A program may end while a thread reads the authorities: what OpenSSL gives back at exit() would be
 * taken from under it. */
static void keep_at_exit(void) {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

#ifdef MOONPORT_LAZY_OPENSSL
#include <dlfcn.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define FUNCTIONS \
  X(ASN1_IA5STRING_new) X(ASN1_OCTET_STRING_new) X(ASN1_STRING_free) X(ASN1_STRING_get0_data) \
  X(ASN1_STRING_length) X(ASN1_STRING_set) X(ASN1_TIME_set) X(ASN1_TIME_to_tm) \
  X(BIO_clear_flags) X(BIO_ctrl) X(BIO_free) X(BIO_get_data) X(BIO_meth_free) X(BIO_meth_new) \
  X(BIO_meth_set_ctrl) X(BIO_meth_set_read) X(BIO_meth_set_write) X(BIO_new) X(BIO_new_mem_buf) \
  X(BIO_s_mem) X(BIO_set_data) X(BIO_set_flags) X(BIO_set_init) X(BIO_write) X(ERR_clear_error) \
  X(ERR_peek_error) X(ERR_peek_last_error) X(ERR_reason_error_string) \
  X(EVP_CIPHER_get_iv_length) X(EVP_DecryptInit_ex) X(EVP_DigestFinal_ex) X(EVP_DigestInit_ex) \
  X(EVP_Digest) X(EVP_DigestUpdate) X(EVP_EncryptInit_ex) X(EVP_MAC_init) X(EVP_MD_CTX_free) \
  X(EVP_MD_CTX_new) X(EVP_PKEY_Q_keygen) X(EVP_PKEY_free) X(EVP_aes_256_cbc) X(EVP_sha1) \
  X(EVP_sha256) X(EVP_sha512) \
  X(GENERAL_NAMES_free) X(GENERAL_NAMES_new) X(GENERAL_NAME_free) X(GENERAL_NAME_get0_value) \
  X(GENERAL_NAME_new) X(GENERAL_NAME_set0_value) X(HMAC) X(OPENSSL_cleanse) X(OPENSSL_init_crypto) \
  X(OPENSSL_sk_new_null) \
  X(OPENSSL_sk_num) X(OPENSSL_sk_pop_free) X(OPENSSL_sk_push) X(OPENSSL_sk_shift) \
  X(OPENSSL_sk_value) X(OPENSSL_thread_stop) X(OpenSSL_version) X(OSSL_PARAM_construct_end) \
  X(OSSL_PARAM_construct_utf8_string) X(PEM_read_bio_PrivateKey) X(PEM_read_bio_X509) \
  X(PEM_write_PKCS8PrivateKey) X(PEM_write_X509) X(RAND_bytes) X(RAND_priv_bytes) \
  X(SSL_CIPHER_get_name) X(SSL_CTX_add_client_CA) X(SSL_CTX_callback_ctrl) X(SSL_CTX_ctrl) \
  X(SSL_CTX_free) X(SSL_CTX_get0_certificate) X(SSL_CTX_get_cert_store) X(SSL_CTX_get_ex_data) \
  X(SSL_CTX_get_options) X(SSL_CTX_get_verify_mode) X(SSL_CTX_new) X(SSL_CTX_sess_set_new_cb) \
  X(SSL_CTX_set1_cert_store) X(SSL_CTX_set_alpn_protos) X(SSL_CTX_set_alpn_select_cb) \
  X(SSL_CTX_set_cipher_list) X(SSL_CTX_set_client_hello_cb) X(SSL_CTX_set_ex_data) \
  X(SSL_CTX_set_keylog_callback) X(SSL_CTX_set_num_tickets) X(SSL_CTX_set_options) \
  X(SSL_CTX_set_session_id_context) X(SSL_CTX_set_tlsext_ticket_key_evp_cb) \
  X(SSL_CTX_set_verify) X(SSL_CTX_use_cert_and_key) X(SSL_SESSION_free) \
  X(SSL_client_hello_get0_ext) X(SSL_ctrl) X(SSL_do_handshake) X(SSL_free) \
  X(SSL_get0_alpn_selected) X(SSL_get0_param) X(SSL_get0_peer_certificate) X(SSL_get_SSL_CTX) \
  X(SSL_get_current_cipher) X(SSL_get_error) X(SSL_get_servername) X(SSL_get_shutdown) \
  X(SSL_get_verify_result) X(SSL_get_version) X(SSL_has_pending) X(SSL_is_init_finished) \
  X(SSL_is_server) X(SSL_new) X(SSL_read_ex) X(SSL_select_next_proto) X(SSL_session_reused) \
  X(SSL_set_SSL_CTX) X(SSL_set_accept_state) X(SSL_set_bio) X(SSL_set_connect_state) \
  X(SSL_set_msg_callback) X(SSL_set_options) X(SSL_set_session) X(SSL_set_session_id_context) \
  X(SSL_set_verify) X(SSL_shutdown) X(SSL_write_ex) X(TLS_client_method) X(TLS_server_method) \
  X(X509V3_EXT_conf_nid) X(X509V3_set_ctx) X(X509_EXTENSION_free) X(X509_NAME_add_entry_by_NID) \
  X(X509_NAME_print_ex) X(X509_STORE_CTX_free) X(X509_STORE_CTX_get_error) \
  X(X509_STORE_CTX_init) X(X509_STORE_CTX_new) X(X509_STORE_add_cert) X(X509_STORE_free) \
  X(X509_STORE_new) X(X509_STORE_set_flags) X(X509_VERIFY_PARAM_set1_host) \
  X(X509_VERIFY_PARAM_set1_ip_asc) X(X509_VERIFY_PARAM_set_hostflags) X(X509_add1_ext_i2d) \
  X(X509_add_ext) X(X509_check_host) X(X509_check_issued) X(X509_check_private_key) \
  X(X509_check_purpose) X(X509_digest) X(X509_free) X(X509_get0_notAfter) \
  X(X509_get0_notBefore) X(X509_get0_serialNumber) X(X509_get_default_cert_dir) \
  X(X509_get_default_cert_dir_env) X(X509_get_default_cert_file) \
  X(X509_get_default_cert_file_env) X(X509_get_ext_d2i) X(X509_get_issuer_name) \
  X(X509_get_serialNumber) X(X509_get_subject_name) X(X509_getm_notAfter) \
  X(X509_getm_notBefore) X(X509_new) X(X509_set_issuer_name) X(X509_set_pubkey) \
  X(X509_set_version) X(X509_sign) X(X509_verify_cert) X(X509_verify_cert_error_string)
/* clang-format on */

#define TEXT(token) TEXT_OF(token)
#define TEXT_OF(token) #token
#define LIBRARY "libssl.so." TEXT(OPENSSL_SHLIB_VERSION) /* libcrypto comes with it */

/* All names in one text: a pointer to each would be filled in at each start, too. */
#define X(name) #name "\0"
static const char names[] = FUNCTIONS;
#undef X
#define X(name) NUMBER_OF_##name,
enum { FUNCTIONS COUNT };
#undef X

/* Used by the assembly below, so not static; in the order of the names. NULL: not called yet. */
void *lazy_places[COUNT] __attribute__((visibility("hidden")));
void *lazy_find(size_t number) __attribute__((visibility("hidden"), used));

/* The addresses of OpenSSL's functions are the program's, as those that a linker fills in. Several
 * threads may find the same one. Who has called tls_lazy_open() before does not end here. */
void *lazy_find(size_t number) {
  const char *name = names;
  char error[256];
  for (size_t i = 0; i < number; i++) name += strlen(name) + 1;
  void *library = dlopen(LIBRARY, RTLD_LAZY);
  void *place = library ? dlsym(library, name) : NULL;
  if (!place) {
    snprintf(error, sizeof error, "%s", dlerror());
    fprintf(stderr, "moonport: %s: %s\n", name, error);
    abort();
  }
  __atomic_store_n(&lazy_places[number], place, __ATOMIC_RELAXED);
  return place;
}

/* What each name is: a jump to its place, or with its number in r11 to what finds that, and goes there
 * with all arguments as they were. None of them has one in a vector register. */
#define X(name)                                                                                    \
  ".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name ":\n"                  \
  "  endbr64\n"                                                                                    \
  "  mov lazy_places + 8 * lazy_number(%rip), %r11\n"                                              \
  "  test %r11, %r11\n"                                                                            \
  "  jz 1f\n"                                                                                      \
  "  jmp *%r11\n"                                                                                  \
  "1: mov $lazy_number, %r11d\n"                                                                   \
  "  jmp lazy_go\n"                                                                                \
  ".size " #name ", . - " #name "\n"                                                               \
  ".set lazy_number, lazy_number + 1\n"
__asm__(".pushsection .text\n"
        "lazy_go:\n"
        "  push %rdi\n  push %rsi\n  push %rdx\n  push %rcx\n  push %r8\n  push %r9\n  push %rax\n"
        "  mov %r11, %rdi\n"
        "  call lazy_find\n"
        "  mov %rax, %r11\n"
        "  pop %rax\n  pop %r9\n  pop %r8\n  pop %rcx\n  pop %rdx\n  pop %rsi\n  pop %rdi\n"
        "  jmp *%r11\n"
        ".set lazy_number, 0\n" FUNCTIONS ".popsection\n");
#undef X

bool tls_lazy_open(char *error, size_t error_size) {
  if (!dlopen(LIBRARY, RTLD_LAZY)) {
    snprintf(error, error_size, "TLS needs OpenSSL, which is not there: %s", dlerror());
    return false;
  }
  keep_at_exit();
  return true;
}

const bool tls_is_lazy = true;
#else
const bool tls_is_lazy = false;

bool tls_lazy_open(char *error, size_t error_size) {
  (void)error, (void)error_size;
  keep_at_exit();
  return true;
}
#endif
