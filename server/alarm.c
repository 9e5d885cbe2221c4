/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. The audit entry has who and what; here nothing of a request is said but whose it
 * was, and that is a name out of a certificate that we trust, or of which certificate. */
#include "server/alarm.h"

#include "base/log.h"

static const struct {
    const char *kind, *text;
} alarms_known[WARD_ALARM_COUNT] = {
#define WARD_ALARM_ROW(e, kind, text) [WARD_ALARM_##e] = {kind, text},
    WARD_ALARMS(WARD_ALARM_ROW)
#undef WARD_ALARM_ROW
};

const char *ward_alarm_kind(enum ward_alarm alarm)
{
    return alarms_known[alarm].kind;
}

const char *ward_alarm_text(enum ward_alarm alarm)
{
    return alarms_known[alarm].text;
}

void ward_alarm_raise(struct ward_alarms *alarms, enum ward_alarm alarm, const char *who,
                      const char *of)
{
    if (alarm == WARD_ALARM_NONE) {
        return;
    }
    atomic_fetch_add_explicit(&alarms->raised[alarm], 1, memory_order_relaxed);
    const struct ward_log_field fields[] = {{"identity", who}, {"of", of}};
    ward_log_fields(WARD_LOG_WARN, alarms_known[alarm].text, fields, 2);
}

void ward_alarms_write(const struct ward_alarms *alarms, struct ward_buffer *out)
{
    ward_buffer_printf(out, "# TYPE ward_alarms_total counter\n");
    for (unsigned i = WARD_ALARM_NONE + 1; i < WARD_ALARM_COUNT; i++) {
        ward_buffer_printf(
            out, "ward_alarms_total{kind=\"%s\"} %llu\n", alarms_known[i].kind,
            (unsigned long long)atomic_load_explicit(&alarms->raised[i], memory_order_relaxed));
    }
}
