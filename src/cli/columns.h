/* cli/columns.h — a table of text whose columns stand under each other. */
#ifndef MOONPORT_CLI_COLUMNS_H
#define MOONPORT_CLI_COLUMNS_H

#include <stdio.h>

struct column {
  const char *title;
  enum { COLUMN_LEFT, COLUMN_RIGHT } side;
};

struct columns; /* opaque; cells copied */

/* NULL: out of memory. */
struct columns *columns_new(const struct column *columns, size_t count);
void columns_free(struct columns *table);
/* The next cell, row by row. When memory is out the table is printed without it. */
void columns_add(struct columns *table, const char *cell);
void columns_print(const struct columns *table, FILE *out);

#endif
