/* json.h -- reads a JSON document into a tree, for tests that take their vectors from files. Enough of
 * RFC 8259 for documents we ship: escapes beyond \" \\ \/ \b \f \n \r \t become '?'. A document that
 * cannot be read ends the program with a message, as a test without its vectors is none. */
#ifndef TESTS_SUPPORT_JSON_H
#define TESTS_SUPPORT_JSON_H

#include <stddef.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	const char *key;  /* in an object */
	const char *text; /* STRING */
	double number;    /* NUMBER, BOOL */
	struct json *child, *next;
};

struct json *json_load(const char *path); /* path from the repository's root */
void json_free(struct json *j);
/* A member that must be there. */
const struct json *json_get(const struct json *object, const char *key);
const char *json_text(const struct json *object, const char *key);
/* Its hexadecimal string as bytes; returns how many. */
size_t json_hex(const struct json *object, const char *key, uint8_t *out, size_t room);

#define json_each(item, array) \
	for (const struct json *item = (array)->child; item; item = item->next)

#endif
