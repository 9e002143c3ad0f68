/* cli/console_tcp.h — what the kernel knows of a TCP connection, in words. */
#ifndef MOONPORT_CLI_CONSOLE_TCP_H
#define MOONPORT_CLI_CONSOLE_TCP_H

struct answer;

/* The answer to the command tcp, on stdout. */
void console_print_tcp(const struct answer *answer);

#endif
