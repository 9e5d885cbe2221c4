/* SPDX-License-Identifier: Apache-2.0 */
/* One event, one line of JSON, one write(2) to stderr. The line is built on the stack, so that the
 * log also works when memory is what ran out. It takes no bytes of a request, only constants,
 * numbers and names of our own. */
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

#define LINE_SIZE 6144
#define WHAT_SIZE 256
#define NAME_SIZE 32
#define TEXT_SIZE 512

/* Process-wide, as stderr is. */
static atomic_int least_level = WARD_LOG_INFO;

struct line {
    struct ward_buffer buffer;
    struct ward_json json;
    uint8_t room[LINE_SIZE];
};

static const char *level_name(enum ward_log_level level)
{
    switch (level) {
    case WARD_LOG_DEBUG:
        return "debug";
    case WARD_LOG_INFO:
        return "info";
    case WARD_LOG_WARN:
        return "warn";
    case WARD_LOG_ERROR:
        return "error";
    }
    return "unnamed";
}

static bool wanted(enum ward_log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

/* A string that is cut to max bytes and, should it not be UTF-8, made into ASCII. */
static void add_text(struct ward_json *json, const char *text, size_t max)
{
    char clean[TEXT_SIZE];
    size_t size = text == NULL ? 0 : strnlen(text, max);
    memcpy(clean, text == NULL ? "" : text, size);
    while (size == max && max > 0 && (text[max] & 0xC0) == 0x80) {
        max--; /* not within a character */
        size--;
    }
    if (!ward_utf8_valid(WARD_BYTES(clean, size))) {
        for (size_t i = 0; i < size; i++) {
            clean[i] = (clean[i] & 0x80) != 0 ? '?' : clean[i];
        }
    }
    ward_json_string(json, WARD_BYTES(clean, size));
}

static void begin(struct line *line, enum ward_log_level level, const char *what)
{
    /* A buffer over the stack: as its capacity is its maximum, it never asks for memory. */
    line->buffer = (struct ward_buffer){
        .data = line->room, .capacity = sizeof(line->room) - 1, .max = sizeof(line->room) - 1};
    char time[WARD_TIME_TEXT_SIZE];
    ward_time_print(ward_wall_us(&ward_clock_system), time);
    ward_json_init(&line->json, &line->buffer);
    ward_json_object(&line->json);
    ward_json_member(&line->json, "time", ward_bytes_str(time));
    ward_json_member(&line->json, "level", ward_bytes_str(level_name(level)));
    ward_json_name(&line->json, "what");
    add_text(&line->json, what, WHAT_SIZE);
}

static void end(struct line *line)
{
    ward_json_object_end(&line->json);
    ward_buffer_add_u8(&line->buffer, '\n');
    if (!line->buffer.failed) {
        /* A log that cannot be written must not stop what it tells about. */
        ssize_t written = write(STDERR_FILENO, line->buffer.data, line->buffer.size);
        (void)written;
    }
}

/* Names are constants, but a constant may hold a quote. */
static void add_name(struct line *line, const char *name)
{
    add_text(&line->json, name, NAME_SIZE);
    ward_buffer_add_u8(&line->buffer, ':');
    line->json.comma = false;
}

void ward_log(enum ward_log_level level, const char *what)
{
    if (!wanted(level)) {
        return;
    }
    int saved = errno;
    struct line line;
    begin(&line, level, what);
    end(&line);
    errno = saved;
}

void ward_log_status(enum ward_log_level level, const char *what, ward_status status)
{
    char text[TEXT_SIZE];
    ward_log_text(level, what, "status", ward_status_describe(status, text, sizeof(text)));
}

void ward_log_number(enum ward_log_level level, const char *what, const char *name, long long value)
{
    if (!wanted(level)) {
        return;
    }
    int saved = errno;
    struct line line;
    begin(&line, level, what);
    add_name(&line, name);
    ward_json_int(&line.json, value);
    end(&line);
    errno = saved;
}

void ward_log_text(enum ward_log_level level, const char *what, const char *name, const char *text)
{
    if (!wanted(level)) {
        return;
    }
    int saved = errno;
    struct line line;
    begin(&line, level, what);
    add_name(&line, name);
    add_text(&line.json, text, TEXT_SIZE);
    end(&line);
    errno = saved;
}

void ward_log_fields(enum ward_log_level level, const char *what,
                     const struct ward_log_field *fields, size_t n)
{
    if (!wanted(level)) {
        return;
    }
    int saved = errno;
    struct line line;
    begin(&line, level, what);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].text != NULL) {
            add_name(&line, fields[i].name);
            add_text(&line.json, fields[i].text, TEXT_SIZE);
        }
    }
    end(&line);
    errno = saved;
}

void ward_log_level_set(enum ward_log_level least)
{
    atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
}
