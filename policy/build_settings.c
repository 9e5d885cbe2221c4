/* SPDX-License-Identifier: Apache-2.0 */
/* What officers have agreed on besides rules: waiting periods, emergencies, and how a key on
 * hardware is told from one in a file. */
#include "policy/build.h"

#define DAYS_UNUSED_MAX 3650u
#define MINUTES_MAX 1440u

ward_status ward_build_bool(struct ward_build *build, const char *what, const char *text, bool *ret)
{
    *ret = text != NULL && strcmp(text, "true") == 0;
    if (text == NULL || *ret || strcmp(text, "false") == 0) {
        return WARD_OK;
    }
    return ward_yaml_refuse(build->policy->text, text, build->error,
                            "%s: \"%.16s\" is neither true nor false", what, text);
}

/* A dotted OID as RFC 4512 writes it: numbers without leading zeros, the first 0 to 2. */
static bool oid_valid(const char *text)
{
    size_t arcs = 0, digits = 0;
    bool zero = false;
    for (const char *c = text;; c++) {
        if (*c == '.' || *c == '\0') {
            if (digits == 0 || digits > 10 || (zero && digits > 1)) {
                return false;
            }
            arcs++;
            digits = 0;
        } else if (*c >= '0' && *c <= '9') {
            zero = digits == 0 ? *c == '0' : zero;
            digits++;
        } else {
            return false;
        }
        if (*c == '\0') {
            return arcs >= 3 && strlen(text) <= 128 && text[0] <= '2' && text[1] == '.';
        }
    }
}

static ward_status build_hardware(struct ward_build *build)
{
    const struct doc_hardware *from = build->document->hardware;
    struct ward_policy_settings *settings = &build->policy->settings;
    if (from == NULL) {
        return WARD_OK;
    }
    for (size_t i = 0; i < from->certificate_policies_count; i++) {
        const char *oid = from->certificate_policies[i];
        if (!oid_valid(oid)) {
            return ward_yaml_refuse(build->policy->text, oid, build->error,
                                    "certificate_policies: \"%.64s\" is not an OID such as "
                                    "1.3.6.1.4.1.99999.1",
                                    oid);
        }
    }
    struct ward_texts oids;
    WARD_TRY(ward_build_texts(build, from->certificate_policies, from->certificate_policies_count,
                              &oids));
    settings->certificate_policies = oids.items;
    settings->n_certificate_policies = oids.n;
    return WARD_OK;
}

ward_status ward_build_refuse_hardware(struct ward_build *build, const char *place)
{
    return ward_yaml_refuse(build->policy->text, place, build->error,
                            "hardware: no certificate could say so: list the policies that do "
                            "under hardware.certificate_policies");
}

ward_status ward_build_hardware_roles(struct ward_build *build)
{
    struct ward_policy *policy = build->policy;
    for (size_t i = 0; i < policy->n_roles; i++) {
        const char *text = build->document->roles[i].hardware;
        struct ward_role *role = &policy->roles[i];
        WARD_TRY(ward_build_bool(build, "hardware", text, &role->hardware));
        if (role->hardware && role->kind != WARD_ROLE_OFFICER) {
            return ward_yaml_refuse(policy->text, text, build->error,
                                    "hardware: it is signatures of officers that may be asked "
                                    "for, not of a role of kind %s",
                                    ward_role_kind_name(role->kind));
        }
        if (role->hardware && policy->settings.n_certificate_policies == 0) {
            return ward_build_refuse_hardware(build, text);
        }
    }
    return WARD_OK;
}

static ward_status read_reads(struct ward_build *build, const char *text, bool *ret)
{
    if (text == NULL || strcmp(text, "allow") == 0) {
        *ret = true;
        return WARD_OK;
    }
    *ret = false;
    return strcmp(text, "refuse") == 0
               ? WARD_OK
               : ward_yaml_refuse(build->policy->text, text, build->error,
                                  "compromised_reads: \"%.16s\" is neither allow nor refuse", text);
}

ward_status ward_build_settings(struct ward_build *build)
{
    const struct doc_settings *from = build->document->settings;
    const struct doc_settings none = {0};
    struct ward_policy_settings *settings = &build->policy->settings;
    *settings = (struct ward_policy_settings){
        .destroy_waiting_days = 30, .unused_days = 30, .emergency_minutes_max = 240};
    from = from == NULL ? &none : from;
    if (from->destroy_waiting_days != NULL) {
        WARD_TRY(ward_build_range(build, "destroy_waiting_days", from->destroy_waiting_days, 7, 30,
                                  &settings->destroy_waiting_days));
    }
    if (from->unused_days != NULL) {
        WARD_TRY(ward_build_range(build, "unused_days", from->unused_days, 0, DAYS_UNUSED_MAX,
                                  &settings->unused_days));
    }
    if (from->emergency != NULL) {
        WARD_TRY(ward_build_range(build, "minutes_max", from->emergency->minutes_max, 1,
                                  MINUTES_MAX, &settings->emergency_minutes_max));
    }
    WARD_TRY(read_reads(build, from->compromised_reads, &settings->compromised_reads));
    return build_hardware(build);
}

ward_status ward_build_range(struct ward_build *build, const char *what, const char *text,
                             uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;
    bool good = text[0] != '\0' && strlen(text) <= 10;
    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9';
        value = value * 10 + (uint64_t)(*c - '0');
    }
    if (!good || value < min || value > max) {
        return ward_yaml_refuse(build->policy->text, text, build->error,
                                "%s: \"%.32s\" is not a whole number from %u to %u", what, text,
                                min, max);
    }
    *ret = (uint32_t)value;
    return WARD_OK;
}

ward_status ward_build_number(struct ward_build *build, const char *what, const char *text,
                              uint32_t max, uint32_t *ret)
{
    return ward_build_range(build, what, text, 1, max, ret);
}
