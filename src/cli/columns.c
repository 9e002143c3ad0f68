/* cli/columns.c — a table of text whose columns stand under each other. */
#include "cli/columns.h"

#include "cli/shown.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct columns {
  const struct column *columns;
  size_t column_count;
  char **cells;
  size_t cell_count;
  size_t capacity;
};

struct columns *columns_new(const struct column *columns, size_t count) {
  struct columns *table = calloc(1, sizeof *table);
  if (table != NULL) {
    table->columns = columns;
    table->column_count = count;
  }
  return table;
}

void columns_free(struct columns *table) {
  if (table == NULL) {
    return;
  }
  for (size_t i = 0; i < table->cell_count; i++) {
    free(table->cells[i]);
  }
  free((void *)table->cells);
  free(table);
}

void columns_add(struct columns *table, const char *cell) {
  if (table->cell_count == table->capacity) {
    size_t capacity = table->capacity * 2 + 64;
    char **cells = realloc((void *)table->cells, capacity * sizeof *cells);
    if (cells == NULL) {
      return;
    }
    table->cells = cells;
    table->capacity = capacity;
  }
  char *copy = strdup(cell);
  if (copy != NULL) {
    table->cells[table->cell_count++] = copy;
  }
}

static size_t width_of(const struct columns *table, size_t column) {
  size_t width = shown_width(table->columns[column].title);
  for (size_t i = column; i < table->cell_count; i += table->column_count) {
    size_t cell = shown_width(table->cells[i]);
    width = cell > width ? cell : width;
  }
  return width;
}

static void print_blanks(size_t count, FILE *out) {
  (void)fprintf(out, "%*s", (int)count, "");
}

/* The last column is not filled up, so that no line ends in blanks. */
static void print_cell(const struct columns *table, size_t column, size_t width, const char *cell,
                       FILE *out) {
  bool is_last = column + 1 == table->column_count;
  size_t missing = width - shown_width(cell);
  if (table->columns[column].side == COLUMN_RIGHT) {
    print_blanks(missing, out);
  }
  shown_print(out, cell);
  if (table->columns[column].side == COLUMN_LEFT && !is_last) {
    print_blanks(missing, out);
  }
  (void)fputs(is_last ? "\n" : "  ", out);
}

void columns_print(const struct columns *table, FILE *out) {
  const size_t count = table->column_count;
  size_t *widths = calloc(count, sizeof *widths);
  if (widths == NULL) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    widths[i] = width_of(table, i);
  }
  for (size_t i = 0; i < count; i++) {
    print_cell(table, i, widths[i], table->columns[i].title, out);
  }
  for (size_t i = 0; i < table->cell_count; i++) {
    print_cell(table, i % count, widths[i % count], table->cells[i], out);
  }
  free(widths);
}
