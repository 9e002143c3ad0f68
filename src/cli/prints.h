/* cli/prints.h — answers of a server as people read them, each in the file of its command. */
#ifndef MOONPORT_CLI_PRINTS_H
#define MOONPORT_CLI_PRINTS_H

struct answer;

/* On stdout, of an answer that is ok. */
void print_conns(const struct answer *answer);
void print_health(const struct answer *answer);
void print_kick(const struct answer *answer);
void print_shutdown(const struct answer *answer);
void print_status(const struct answer *answer);
/* Also of one that is not ok: some scripts may have been reloaded. */
void print_reload(const struct answer *answer);

#endif
