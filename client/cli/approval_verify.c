/* SPDX-License-Identifier: Apache-2.0 */
/* ward approval verify: who signed what, offline, with public keys alone. It says what stands, and
 * as plainly what it could not look at; must not believe a word that no signature covers, such as
 * the times and the state, without saying that they are the daemon's. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/approval.h"
#include "client/cli/approval_terms.h"
#include "client/cli/approval_trust.h"
#include "client/cli/audit_certificate.h"
#include "client/cli/input.h"
#include "policy/action.h"
#include "policy/decide.h"

#define ARENA_BUDGET ((size_t)32 << 20)
#define PEM_MAX (4u << 20)
#define POLICY_MAX (1u << 20)
#define FINDINGS_MAX (1u << 20)

struct signer {
    struct audit_certificate certificate;
    int64_t time_us;
    bool stands, on_hardware;
};

struct check {
    struct ward_arena *arena;
    struct cli_approval_file file;
    struct cli_proposal proposal;
    struct signer signers[CLI_APPROVAL_SIGNATURES_MAX];
    struct ward_policy *policy;        /* NULL: not given */
    struct cli_authorities *ca;        /* NULL: not given */
    struct cli_certificates *officers; /* NULL: not given */
    struct ward_json faults, unchecked;
    struct ward_buffer faults_json, unchecked_json, faults_text, unchecked_text;
    size_t n_faults;
    struct ward_guard terms; /* of payload and policy, the stricter */
    const struct signer *proposer;
    uint32_t needed, approvals;
    bool reached, at_once, emergency, reviewed, executed;
    const char *closed; /* "rejected", "withdrawn" or NULL */
};

/* ---- what is found ---- */

static void say(struct ward_json *json, struct ward_buffer *text, const char *format, va_list args)
{
    char line[1200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(line, sizeof(line), format, args);
#pragma GCC diagnostic pop
    ward_json_string(json, ward_bytes_str(line));
    ward_buffer_printf(text, "  ");
    cli_escape(ward_bytes_str(line), text);
    ward_buffer_add_u8(text, '\n');
}

__attribute__((format(printf, 2, 3))) static void fault(struct check *check, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    say(&check->faults, &check->faults_text, format, args);
    va_end(args);
    check->n_faults++;
}

__attribute__((format(printf, 2, 3))) static void unchecked(struct check *check, const char *format,
                                                            ...)
{
    va_list args;
    va_start(args, format);
    say(&check->unchecked, &check->unchecked_text, format, args);
    va_end(args);
}

/* ---- signatures ---- */

static void check_signature(struct check *check, size_t i)
{
    const struct cli_approval_signature *signature = &check->file.signatures[i];
    struct signer *signer = &check->signers[i];
    const char *kind = ward_decision_kind_name(signature->decision);
    if (!audit_certificate_read(signature->certificate, &signer->certificate) ||
        !ward_bytes_eq(ward_bytes_str(signer->certificate.identity), signature->identity)) {
        fault(check, "signature %zu (%s): the certificate is not that of %.*s", i + 1, kind,
              (int)signature->identity.size, (const char *)signature->identity.data);
        return;
    }
    char hex[65];
    struct ward_bytes reason;
    if (!ward_ok(ward_proposal_reason(signature->reason, hex, &reason)) ||
        !ward_ok(ward_proposal_verify(check->file.payload, signature->decision, reason,
                                      signature->certificate, signature->signature))) {
        fault(check, "signature %zu (%s by %s): it does not verify over the payload", i + 1, kind,
              signer->certificate.identity);
        return;
    }
    if (!ward_time_parse((const char *)signature->time.data, signature->time.size,
                         &signer->time_us)) {
        fault(check, "signature %zu (%s by %s): its time cannot be read", i + 1, kind,
              signer->certificate.identity);
        return;
    }
    signer->stands = true;
    if (check->ca != NULL &&
        !cli_authorities_issued(check->ca, signature->certificate, signer->time_us)) {
        fault(check,
              "signature %zu (%s by %s): the CA did not issue the certificate, or not for "
              "that time",
              i + 1, kind, signer->certificate.identity);
        signer->stands = false;
    }
    if (check->officers != NULL &&
        !cli_certificates_have(check->officers, signature->certificate)) {
        fault(check, "signature %zu (%s by %s): the certificate is not among the trusted ones",
              i + 1, kind, signer->certificate.identity);
        signer->stands = false;
    }
    signer->on_hardware =
        check->policy != NULL && cli_terms_on_hardware(check->policy, signature->certificate);
    if (check->policy != NULL && !signer->on_hardware &&
        cli_terms_need_hardware(check->policy, &check->terms, signature->identity,
                                signature->decision)) {
        fault(check,
              "signature %zu (%s by %s): it must be made by a key on hardware, and the certificate "
              "names no policy that says so",
              i + 1, kind, signer->certificate.identity);
        signer->stands = false;
    }
}

static struct ward_vote vote_of(const struct signer *signer)
{
    return (struct ward_vote){.identity = ward_bytes_str(signer->certificate.identity),
                              .public_key_hash = signer->certificate.public_key_sha256};
}

/* As far as the certificates and the policy, where it is given, tell. */
static bool same_person(const struct check *check, const struct signer *a, const struct signer *b)
{
    const struct audit_certificate *one = &a->certificate, *other = &b->certificate;
    if (strcmp(one->identity, other->identity) == 0 ||
        memcmp(one->public_key_sha256, other->public_key_sha256, 32) == 0) {
        return true;
    }
    if (check->policy == NULL) {
        return false;
    }
    const struct ward_subject *first =
                                  ward_policy_subject(check->policy, ward_bytes_str(one->identity)),
                              *second = ward_policy_subject(check->policy,
                                                            ward_bytes_str(other->identity));
    return first != NULL && second != NULL &&
           ward_bytes_eq(ward_subject_person(first), ward_subject_person(second));
}

static const struct signer *find(const struct check *check, enum ward_decision_kind kind)
{
    for (size_t i = 0; i < check->file.n; i++) {
        if (check->signers[i].stands && check->file.signatures[i].decision == kind) {
            return &check->signers[i];
        }
    }
    return NULL;
}

/* Anybody can make a certificate with an officer's name in it: without one of these nothing is
 * established, however many signatures verify. */
static bool is_anchored(const struct check *check)
{
    return check->ca != NULL || check->officers != NULL;
}

/* ---- people ---- */

static void check_proposer(struct check *check)
{
    check->proposer = find(check, WARD_DECISION_PROPOSE);
    const struct ward_proposal *proposal = &check->proposal.parsed;
    check->emergency = ward_bytes_eq(proposal->action, WARD_BYTES_LITERAL("emergency.open"));
    if (check->emergency) {
        unchecked(check, "who opened it: nobody signs an emergency; the audit log names him");
    } else if (check->proposer == NULL) {
        fault(check, "the proposer's own signature is not here");
    } else if (!ward_bytes_eq(ward_bytes_str(check->proposer->certificate.identity),
                              proposal->proposer)) {
        fault(check, "who signed as the proposer is not whom the payload names");
        check->proposer = NULL;
    }
}

/* Approvals in time, each by somebody new. */
static void count_approvals(struct check *check, const struct ward_guard *guard)
{
    struct ward_vote votes[CLI_APPROVAL_SIGNATURES_MAX];
    const struct signer *counted[CLI_APPROVAL_SIGNATURES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < check->file.n && check->proposer != NULL; i++) {
        const struct signer *signer = &check->signers[i];
        if (!signer->stands || check->file.signatures[i].decision != WARD_DECISION_APPROVE) {
            continue;
        }
        bool again = same_person(check, signer, check->proposer);
        for (size_t k = 0; k < n; k++) {
            again |= same_person(check, signer, counted[k]);
        }
        if (again) {
            fault(check, "%s approved, but is the proposer, or approved before under another name",
                  signer->certificate.identity);
        } else if (signer->time_us > check->proposal.parsed.expires_us) {
            fault(check, "%s approved after it had expired", signer->certificate.identity);
        } else {
            counted[n] = signer;
            votes[n++] = vote_of(signer);
        }
    }
    check->approvals = (uint32_t)n;
    check->reached =
        check->proposer != NULL && n >= check->needed && (check->needed > 0 || check->at_once);
    if (check->policy != NULL && check->proposer != NULL) {
        const struct ward_vote proposer = vote_of(check->proposer);
        check->approvals = ward_quorum_count(check->policy, &proposer, votes, n);
        if (check->approvals != n) {
            fault(check, "%zu approvals are by people whom the policy lets approve nothing",
                  n - check->approvals);
        }
        check->reached =
            check->reached && ward_quorum_reached(check->policy, guard, &proposer, votes, n);
    }
}

static void check_terms(struct check *check, enum ward_action *ret_action)
{
    const struct ward_proposal *proposal = &check->proposal.parsed;
    *ret_action = WARD_ACTION_NONE;
    if (!ward_action_find(proposal->action, ret_action)) {
        fault(check, "this ward does not know the action that it proposes");
    }
    if (!cli_terms_find(check->policy, proposal, *ret_action, &check->terms)) {
        fault(check, "this ward does not know a term that it proposes under");
    }
}

static void check_quorum(struct check *check, enum ward_action action)
{
    check->needed = check->terms.approvals;
    check->at_once = ward_action_at_once(action) && check->needed == 0;
    count_approvals(check, &check->terms);
    check->reached |= check->emergency;
}

static void check_rest(struct check *check)
{
    check->executed = find(check, WARD_DECISION_EXECUTE) != NULL || !check->terms.manual;
    check->closed = find(check, WARD_DECISION_REJECT) != NULL     ? "rejected"
                    : find(check, WARD_DECISION_WITHDRAW) != NULL ? "withdrawn"
                                                                  : NULL;
    for (size_t i = 0; i < check->file.n; i++) {
        if (!check->signers[i].stands) {
            continue;
        }
        bool own =
            ward_bytes_eq(ward_bytes_str(check->signers[i].certificate.identity),
                          check->proposal.parsed.proposer) ||
            (check->proposer != NULL && same_person(check, &check->signers[i], check->proposer));
        enum ward_decision_kind kind = check->file.signatures[i].decision;
        if (kind == WARD_DECISION_REVIEW && own) {
            fault(check, "%s reviewed his own act", check->signers[i].certificate.identity);
        } else if (kind == WARD_DECISION_REVIEW) {
            check->reviewed = true;
        } else if (kind == WARD_DECISION_WITHDRAW && !own) {
            fault(check, "%s withdrew what another proposed",
                  check->signers[i].certificate.identity);
        }
    }
}

static void check_policy(struct check *check)
{
    if (check->policy == NULL) {
        unchecked(check,
                  "whether the signers are different people, and officers who may approve%s: give "
                  "--policy",
                  check->terms.hardware ? ", and the keys on hardware" : "");
        return;
    }
    if (memcmp(ward_policy_hash(check->policy), check->proposal.parsed.policy, 32) != 0) {
        fault(check, "the policy is not the one that the payload names");
    }
}

static void check_all(struct check *check)
{
    enum ward_action action;
    check_terms(check, &action);
    check_policy(check);
    for (size_t i = 0; i < check->file.n; i++) {
        check_signature(check, i);
    }
    check_proposer(check);
    check_quorum(check, action);
    check_rest(check);
    if (!is_anchored(check)) {
        unchecked(check, "whose the certificates are: give --ca, or --trust with the officers' "
                         "certificates");
    }
    unchecked(check, "when each was signed, and the state: the daemon wrote them down, and nobody "
                     "signed them");
    unchecked(check, "whether somebody was revoked, and whether it ran: that is in the audit log, "
                     "see `ward audit verify`");
}

/* ---- saying it ---- */

static const char *verdict(const struct check *check)
{
    return check->n_faults > 0     ? "not as it should be"
           : check->closed != NULL ? check->closed
           : !check->reached       ? "quorum not reached"
           : !is_anchored(check)
               ? "the signatures are of the certificates in the file; whose those are is not "
                 "established: give --ca, or --trust"
           : check->policy == NULL
               ? "the signatures are good; who the signers are, and whether they may, was not "
                 "checked: give --policy"
           : !check->executed ? "quorum reached, not executed"
           : check->emergency
               ? (check->reviewed ? "in an emergency, reviewed" : "in an emergency, not reviewed")
           : !check->at_once ? "quorum reached"
           : check->reviewed ? "at once on one signature, reviewed"
                             : "at once on one signature, not reviewed";
}

static bool good(const struct check *check)
{
    bool anybody_signed = check->proposer != NULL || check->reviewed;
    return check->n_faults == 0 && check->closed == NULL && check->reached && anybody_signed &&
           is_anchored(check) && check->policy != NULL;
}

static int print_json(struct check *check)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_name(&doc.json, "good");
    ward_json_bool(&doc.json, good(check));
    cli_doc_text(&doc, "verdict", verdict(check));
    cli_doc_text(&doc, "proposal", check->proposal.id);
    cli_doc_text(&doc, "digest", check->proposal.digest);
    ward_json_member(&doc.json, "action", check->proposal.parsed.action);
    ward_json_member(&doc.json, "object", check->proposal.parsed.object);
    ward_json_member_int(&doc.json, "approvals_needed", check->needed);
    ward_json_member_int(&doc.json, "approvals", check->approvals);
    ward_json_name(&doc.json, "signatures");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < check->file.n; i++) {
        const struct cli_approval_signature *signature = &check->file.signatures[i];
        ward_json_object(&doc.json);
        cli_doc_text(&doc, "decision", ward_decision_kind_name(signature->decision));
        ward_json_member(&doc.json, "identity", signature->identity);
        ward_json_member(&doc.json, "daemon_time", signature->time);
        ward_json_member(&doc.json, "reason", signature->reason);
        ward_json_name(&doc.json, "stands");
        ward_json_bool(&doc.json, check->signers[i].stands);
        if (check->policy != NULL) {
            ward_json_name(&doc.json, "on_hardware");
            ward_json_bool(&doc.json, check->signers[i].on_hardware);
        }
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    ward_json_name(&doc.json, "faults");
    ward_json_array_end(&check->faults);
    ward_buffer_add(&doc.buffer, ward_buffer_view(&check->faults_json));
    doc.json.comma = true;
    ward_json_name(&doc.json, "not_checked");
    ward_json_array_end(&check->unchecked);
    ward_buffer_add(&doc.buffer, ward_buffer_view(&check->unchecked_json));
    doc.json.comma = true;
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static int print_text(struct check *check)
{
    struct ward_buffer out;
    ward_buffer_init(&out, FINDINGS_MAX * 4);
    cli_proposal_render(&check->proposal, ward_wall_us(&ward_clock_system), NULL, &out);
    ward_buffer_printf(&out, "Signatures (times are the daemon's):\n");
    for (size_t i = 0; i < check->file.n; i++) {
        const struct cli_approval_signature *signature = &check->file.signatures[i];
        ward_buffer_printf(&out, "  %-8s %-8s ", check->signers[i].stands ? "stands" : "FALSE",
                           ward_decision_kind_name(signature->decision));
        cli_escape(signature->identity, &out);
        ward_buffer_printf(&out, " at ");
        cli_escape(signature->time, &out);
        if (signature->reason.size > 0) {
            ward_buffer_printf(&out, ": ");
            cli_escape(signature->reason, &out);
        }
        ward_buffer_add_u8(&out, '\n');
    }
    if (check->n_faults > 0) {
        ward_buffer_printf(&out, "Wrong:\n");
        ward_buffer_add(&out, ward_buffer_view(&check->faults_text));
    }
    ward_buffer_printf(&out, "Not checked:\n");
    ward_buffer_add(&out, ward_buffer_view(&check->unchecked_text));
    ward_buffer_printf(&out,
                       check->policy == NULL
                           ? "%u signed approvals; the payload asks for %u. Verdict: %s.\n"
                           : "%u of %u approvals. Verdict: %s.\n",
                       check->approvals, check->needed, verdict(check));
    bool written = cli_write(ward_buffer_view(&out));
    ward_buffer_fini(&out);
    return written ? CLI_DONE : CLI_FAILED;
}

/* ---- the command ---- */

struct paths {
    const char *file, *policy, *ca;
    struct cli_texts trust;
};

static int read_into(struct check *check, const char *path, size_t max, struct ward_bytes *ret)
{
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, max);
    int exit = cli_read(path, &buffer);
    if (exit == CLI_DONE &&
        !ward_ok(ward_arena_copy(check->arena, ward_buffer_view(&buffer), ret))) {
        exit = cli_fail(CLI_FAILED, NULL, NULL, "memory is short");
    }
    ward_buffer_fini(&buffer);
    return exit;
}

static int load_policy(struct check *check, const char *path)
{
    struct ward_bytes text;
    struct ward_policy_error error;
    int exit = read_into(check, path, POLICY_MAX, &text);
    if (exit == CLI_DONE && !ward_ok(ward_policy_parse(text, &check->policy, &error))) {
        exit = cli_fail(CLI_FAILED, "Nothing was checked.", NULL, "%s: line %u: %s", path,
                        error.line, error.text);
    }
    return exit;
}

static int load_trust(struct check *check, const struct paths *paths)
{
    struct ward_bytes pem;
    int exit = CLI_DONE;
    if (paths->ca != NULL) {
        exit = read_into(check, paths->ca, PEM_MAX, &pem);
        if (exit == CLI_DONE && !cli_authorities_new(pem, &check->ca)) {
            exit = cli_fail(CLI_FAILED, "Nothing was checked.", NULL,
                            "%s holds no CA certificates in PEM", paths->ca);
        }
    }
    for (size_t i = 0; i < paths->trust.n && exit == CLI_DONE; i++) {
        exit = read_into(check, paths->trust.texts[i], PEM_MAX, &pem);
        if (exit == CLI_DONE && !cli_certificates_add(pem, &check->officers)) {
            exit = cli_fail(CLI_FAILED, "Nothing was checked.", NULL,
                            "%s holds no certificates in PEM", paths->trust.texts[i]);
        }
    }
    return exit;
}

static int load(struct check *check, const struct paths *paths)
{
    struct ward_bytes json;
    int exit = read_into(check, paths->file, CLI_APPROVAL_FILE_MAX, &json);
    if (exit == CLI_DONE && !cli_approval_file_parse(json, check->arena, &check->file)) {
        exit = cli_fail(CLI_FAILED, "It was altered, or is something else.", NULL,
                        "%s is not an approval file in its one canonical form", paths->file);
    }
    if (exit == CLI_DONE && paths->policy != NULL) {
        exit = load_policy(check, paths->policy);
    }
    if (exit == CLI_DONE) {
        exit = load_trust(check, paths);
    }
    return exit == CLI_DONE ? cli_proposal_open(check->file.payload, &check->proposal) : exit;
}

static int run(const struct cli *cli, struct check *check, const struct paths *paths)
{
    int exit = load(check, paths);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_json_init(&check->faults, &check->faults_json);
    ward_json_init(&check->unchecked, &check->unchecked_json);
    ward_json_array(&check->faults);
    ward_json_array(&check->unchecked);
    check_all(check);
    exit = cli->json ? print_json(check) : print_text(check);
    cli_proposal_close(&check->proposal);
    return exit == CLI_DONE && !good(check) ? CLI_FAILED : exit;
}

int cli_approval_verify(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    struct paths paths = {.file = NULL};
    const struct cli_option options[] = {
        {"policy", CLI_TEXT, &paths.policy, "FILE",
         "The policy that the payload names: who is who, and how many are needed", 0, 0, false, 0},
        {"ca", CLI_TEXT, &paths.ca, "FILE", "CAs, in PEM, that may have issued the certificates", 0,
         0, false, 0},
        {"trust", CLI_LIST, &paths.trust, "FILE",
         "The officers' own certificates, in PEM; repeat it", 0, 0, false, 0},
    };
    CLI_PARSE(cli, argc, argv, .args = "FILE",
              .doc = "Checks what `ward approval export` wrote, offline: every signature, whether "
                     "they are of different people, and whether they are enough. Nothing is "
                     "established without --ca or --trust, and without --policy only that the "
                     "signatures are good; both end with exit code 1. Says what it could not "
                     "check.",
              CLI_OPTIONS(options), .positional = &files, .min = 1, .max = 1);
    paths.file = files.texts[0];
    static struct check check; /* too large for a stack */
    check = (struct check){0};
    struct ward_buffer *const buffers[] = {&check.faults_json, &check.unchecked_json,
                                           &check.faults_text, &check.unchecked_text};
    for (size_t i = 0; i < 4; i++) {
        ward_buffer_init(buffers[i], FINDINGS_MAX);
    }
    int exit = ward_ok(ward_arena_new(ARENA_BUDGET, &check.arena))
                   ? run(cli, &check, &paths)
                   : cli_fail(CLI_FAILED, NULL, NULL, "memory is short");
    for (size_t i = 0; i < 4; i++) {
        ward_buffer_fini(buffers[i]);
    }
    cli_authorities_free(check.ca);
    cli_certificates_free(check.officers);
    ward_policy_unref(check.policy);
    ward_arena_free(check.arena);
    return exit;
}
