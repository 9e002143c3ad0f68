/* key_updates.c — a client of TLS 1.3 that sends so many KeyUpdates, then a line. Checks no name.
 *
 *     key_updates PORT COUNT BETWEEN    BETWEEN: after each so many a line, which is read back; 0: none
 *
 * Prints what the server answered to the last line, or "closed". */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static SSL *connect_to(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(port))};
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL *ssl = SSL_new(context);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SSL_CTX_free(context);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && SSL_set_fd(ssl, fd) == 1 &&
      SSL_connect(ssl) == 1)
    return ssl;
  fputs("key_updates: no connection\n", stderr);
  exit(1);
}

static const char *ask(SSL *ssl) {
  static char answer[64];
  int got = SSL_write(ssl, "hello\n", 6) == 6 ? SSL_read(ssl, answer, sizeof answer - 1) : 0;
  if (got <= 0) return "closed\n";
  answer[got] = '\0';
  return answer;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  signal(SIGPIPE, SIG_IGN);
  SSL *ssl = connect_to(argv[1]);
  int count = atoi(argv[2]), between = atoi(argv[3]);
  for (int i = 1; i <= count; i++) {
    SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    if (SSL_do_handshake(ssl) != 1) break; /* sends it */
    if (between > 0 && i % between == 0) ask(ssl);
  }
  fputs(ask(ssl), stdout);
  return 0;
}
