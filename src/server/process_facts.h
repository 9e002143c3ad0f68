/* server/process_facts.h — what the kernel knows of this process — does not know what it does. */
#pragma once

#include <stdint.h>

struct process_facts {
  double started_s; /* since 1970; 0: it is not known */
  double cpu_s;
  int64_t resident_bytes;  /* -1 where it is not told, as the next two */
  int64_t descriptors;     /* that are open */
  int64_t descriptors_max; /* -1, too, when there is no bound */
};

void process_facts_read(struct process_facts *out);
/* These two alone. */
int64_t process_descriptors(void);
int64_t process_descriptors_max(void);
