/* json.c -- a descent along RFC 8259, one function per kind of value, over a NUL-terminated buffer.
 * Strings are unescaped in place in a copy that each node owns. */
#include "tests/support/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct in {
	const char *path, *begin, *p;
};

_Noreturn static void die(const struct in *in, const char *what)
{
	fprintf(stderr, "%s: byte %td: %s\n", in->path, in->p - in->begin, what);
	exit(1);
}

static void blank(struct in *in)
{
	in->p += strspn(in->p, " \t\r\n");
}

static void expect(struct in *in, char c)
{
	blank(in);
	if (*in->p != c)
		die(in, "unexpected character");
	in->p++;
}

static char *string(struct in *in)
{
	const char *escapes = "\"\\/bfnrt", *means = "\"\\/\b\f\n\r\t", *e;
	char *text, *w;

	expect(in, '"');
	w = text = malloc(strcspn(in->p, "\n") + 1);
	for (; *in->p != '"'; in->p++) {
		if (*in->p == 0)
			die(in, "string without end");
		*w = *in->p;
		if (*in->p == '\\') {
			e = strchr(escapes, *++in->p);
			*w = e && *e ? means[e - escapes] : '?';
		}
		w++;
	}
	in->p++;
	*w = 0;
	return text;
}

static struct json *value(struct in *in);

static struct json *members(struct in *in, enum json_type type, char end)
{
	struct json *list = NULL, **tail = &list;

	in->p++;
	blank(in);
	while (*in->p != end) {
		char *key = NULL;

		if (list)
			expect(in, ',');
		if (type == JSON_OBJECT) {
			blank(in);
			key = string(in);
			expect(in, ':');
		}
		*tail = value(in);
		(*tail)->key = key;
		tail = &(*tail)->next;
		blank(in);
	}
	in->p++;
	return list;
}

static struct json *value(struct in *in)
{
	struct json *j = calloc(1, sizeof(*j));
	char *end;

	blank(in);
	if (*in->p == '{' || *in->p == '[') {
		j->type = *in->p == '{' ? JSON_OBJECT : JSON_ARRAY;
		j->child = members(in, j->type, *in->p == '{' ? '}' : ']');
	} else if (*in->p == '"') {
		j->type = JSON_STRING;
		j->text = string(in);
	} else if (strncmp(in->p, "true", 4) == 0 || strncmp(in->p, "null", 4) == 0) {
		j->type = *in->p == 't' ? JSON_BOOL : JSON_NULL;
		j->number = *in->p == 't';
		in->p += 4;
	} else if (strncmp(in->p, "false", 5) == 0) {
		j->type = JSON_BOOL;
		in->p += 5;
	} else {
		j->type = JSON_NUMBER;
		j->number = strtod(in->p, &end);
		if (end == in->p)
			die(in, "not a value");
		in->p = end;
	}
	return j;
}

struct json *json_load(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct in in = {path, NULL, NULL};
	struct json *j;
	char *text;
	long len;

	if (!f || fseek(f, 0, SEEK_END) || (len = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
		fprintf(stderr, "%s: cannot be read; run tests from the repository's root\n", path);
		exit(1);
	}
	text = calloc(1, (size_t)len + 1);
	if (fread(text, 1, (size_t)len, f) != (size_t)len)
		exit(1);
	fclose(f);
	in.begin = in.p = text;
	j = value(&in);
	blank(&in);
	if (*in.p)
		die(&in, "something after the end");
	free(text);
	return j;
}

void json_free(struct json *j)
{
	while (j) {
		struct json *next = j->next;

		json_free(j->child);
		free((char *)(uintptr_t)j->key);
		free((char *)(uintptr_t)j->text);
		free(j);
		j = next;
	}
}

const struct json *json_get(const struct json *object, const char *key)
{
	json_each(j, object)
	{
		if (j->key && strcmp(j->key, key) == 0)
			return j;
	}
	fprintf(stderr, "no member \"%s\"\n", key);
	exit(1);
}

const char *json_text(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	if (j->type != JSON_STRING) {
		fprintf(stderr, "member \"%s\" is no string\n", key);
		exit(1);
	}
	return j->text;
}

size_t json_hex(const struct json *object, const char *key, uint8_t *out, size_t room)
{
	const char *p = json_text(object, key);
	size_t len = strlen(p) / 2;

	if (len > room || strlen(p) % 2 || strspn(p, "0123456789abcdefABCDEF") != 2 * len) {
		fprintf(stderr, "member \"%s\" is not up to %zu hexadecimal bytes\n", key, room);
		exit(1);
	}
	for (size_t i = 0; i < len; i++) {
		char byte[3] = {p[2 * i], p[2 * i + 1], 0};
		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return len;
}
