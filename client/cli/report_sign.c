/* SPDX-License-Identifier: Apache-2.0 */
/* A report under somebody's name: a DSSE envelope with the certificate beside the signature, so
 * that who checks it needs nothing else. Whether that certificate is an auditor's, he must know. */
#include <stdio.h>

#include <openssl/pem.h>

#include "client/cli/audit_certificate.h"
#include "client/cli/fhir.h"
#include "client/cli/input.h"
#include "client/cli/proposal.h"
#include "client/cli/report.h"
#include "proto/canonical.h"
#include "proto/signature.h"
#include "proto/wire_limits.h"

#define PAYLOAD_TYPE "application/vnd.ward.report+json"
#define CERTIFICATE_MAX 65536u

static void encode(struct ward_bytes report, struct ward_buffer *out)
{
    ward_buffer_printf(out, "DSSEv1 %zu %s %zu ", sizeof(PAYLOAD_TYPE) - 1, PAYLOAD_TYPE,
                       report.size);
    ward_buffer_add(out, report);
}

static void add_base64(struct ward_buffer *out, struct ward_bytes bytes)
{
    ward_buffer_add_u8(out, '"');
    uint8_t *to = ward_buffer_reserve(out, WARD_BASE64_SIZE(bytes.size) + 1);
    if (to != NULL) {
        ward_base64_encode(bytes, (char *)to);
        out->size += WARD_BASE64_SIZE(bytes.size);
    }
    ward_buffer_add_u8(out, '"');
}

/* The profile's own certificate, in DER. */
static bool read_own(const struct cli_profile *profile, struct ward_buffer *out)
{
    FILE *file = fopen(profile->certificate, "re");
    X509 *certificate = file == NULL ? NULL : PEM_read_X509(file, NULL, NULL, NULL);
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    unsigned char *der = NULL;
    int size = certificate == NULL ? -1 : i2d_X509(certificate, &der);
    if (size > 0) {
        ward_buffer_add(out, WARD_BYTES(der, (size_t)size));
    }
    OPENSSL_free(der);
    X509_free(certificate);
    return size > 0 && !out->failed;
}

int report_sign(const struct cli_profile *profile, struct ward_bytes report,
                struct ward_buffer *out)
{
    struct ward_buffer message, certificate;
    uint8_t signature[WARD_SIGNATURE_MAX];
    size_t size = 0;
    ward_buffer_init(&message, AUDIT_REPORT_MAX);
    ward_buffer_init(&certificate, CERTIFICATE_MAX);
    encode(report, &message);
    int exit = message.failed
                   ? cli_fail(CLI_FAILED, NULL, "Ask for a shorter time.",
                              "the report is too large to be signed")
                   : cli_sign_bytes(profile, ward_buffer_view(&message), signature, &size);
    if (exit == CLI_DONE && !read_own(profile, &certificate)) {
        exit = cli_fail(CLI_FAILED, NULL, "Look at `certificate` in the profile.",
                        "cannot read the certificate %s", profile->certificate);
    }
    if (exit == CLI_DONE) {
        ward_buffer_printf(out, "{\"payloadType\":\"" PAYLOAD_TYPE "\",\"payload\":");
        add_base64(out, report);
        ward_buffer_printf(out, ",\"signatures\":[{\"sig\":");
        add_base64(out, WARD_BYTES(signature, size));
        ward_buffer_printf(out, ",\"certificate\":");
        add_base64(out, ward_buffer_view(&certificate));
        ward_buffer_printf(out, "}]}\n");
    }
    ward_buffer_fini(&message);
    ward_buffer_fini(&certificate);
    return exit;
}

/* ---- checking ---- */

static struct ward_bytes member(const struct ward_json_slice *slices, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, ward_bytes_str(name))) {
            return slices[i].value;
        }
    }
    return (struct ward_bytes){0};
}

static bool read_base64(struct ward_bytes json, struct ward_arena *arena, struct ward_bytes *ret)
{
    struct ward_bytes text;
    if (json.size == 0 || !ward_canonical_read_text(json, arena, &text)) {
        return false;
    }
    uint8_t *bytes = ward_arena_alloc(arena, text.size + 1);
    size_t size = 0;
    if (bytes == NULL || !ward_base64_decode((const char *)text.data, text.size, bytes, &size)) {
        return false;
    }
    *ret = WARD_BYTES(bytes, size);
    return true;
}

struct signed_report {
    struct ward_bytes report, signature, certificate;
};

static bool read_envelope(struct ward_bytes json, struct ward_arena *arena,
                          struct signed_report *ret)
{
    struct ward_json_slice slices[8], inner[8];
    size_t n = 0, n_inner = 0;
    struct ward_bytes type, element;
    while (json.size > 0 && json.data[json.size - 1] == '\n') {
        json.size--;
    }
    if (!ward_ok(ward_json_scan(json, slices, 8, &n)) ||
        !ward_canonical_read_text(member(slices, n, "payloadType"), arena, &type) ||
        !ward_bytes_eq(type, WARD_BYTES_LITERAL(PAYLOAD_TYPE)) ||
        !read_base64(member(slices, n, "payload"), arena, &ret->report)) {
        return false;
    }
    struct ward_bytes array = member(slices, n, "signatures");
    if (array.size < 2 || array.data[0] != '[') {
        return false;
    }
    struct ward_bytes rest = WARD_BYTES(array.data + 1, array.size - 2);
    return cli_json_next_element(&rest, &element) &&
           ward_ok(ward_json_scan(element, inner, 8, &n_inner)) &&
           read_base64(member(inner, n_inner, "sig"), arena, &ret->signature) &&
           read_base64(member(inner, n_inner, "certificate"), arena, &ret->certificate);
}

bool report_open(struct ward_bytes envelope, struct ward_bytes expected, struct ward_arena *arena,
                 struct ward_buffer *out, char ret_identity[static 512], const char **ret_fault)
{
    struct signed_report found = {.report = {0}};
    struct audit_certificate certificate;
    *ret_fault = NULL;
    if (!read_envelope(envelope, arena, &found)) {
        *ret_fault = "it is not a signed report";
    } else if (expected.size > 0 && !ward_bytes_eq(expected, found.certificate)) {
        *ret_fault = "it is signed by another certificate than the one given";
    } else if (!audit_certificate_read(found.certificate, &certificate)) {
        *ret_fault = "its certificate cannot be read";
    } else {
        struct ward_buffer message;
        ward_buffer_init(&message, AUDIT_REPORT_MAX);
        encode(found.report, &message);
        if (message.failed ||
            !ward_ok(ward_signature_verify_certificate(
                found.certificate, ward_buffer_view(&message), found.signature))) {
            *ret_fault = "its signature does not verify";
        } else {
            (void)snprintf(ret_identity, 512, "%s", certificate.identity);
            ward_buffer_add(out, found.report);
        }
        ward_buffer_fini(&message);
    }
    return *ret_fault == NULL;
}
