/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite over PKCS#11 tokens: "softhsm" (with working copies, without, and with
 * unmodifiable keys) or "nss". Exits 77, meson's "skipped", where the module is not installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/conformance/kek/kek_suite.h"
#include "tests/support/hsm_token.h"

static int run(const char *name, const struct ward_pkcs11_config *config, bool copies)
{
    struct ward_kek *kek = NULL;
    if (!ward_ok(ward_kek_pkcs11_open(config, &kek))) {
        print_error("%s: refused\n", name);
        return 1;
    }
    int failed = kek_suite_run(name, kek);
    if (ward_kek_pkcs11_uses_copies(kek) != copies) {
        print_error("%s: working copies are %s\n", name, copies ? "not used" : "used");
        failed++;
    }
    ward_kek_close(kek);
    return failed;
}

int main(int argc, char **argv)
{
    struct hsm_token token;
    bool nss = argc == 2 && strcmp(argv[1], "nss") == 0;
    if (!(nss ? hsm_token_nss(&token) : hsm_token_softhsm(&token))) {
        print_message("not installed here\n");
        return 77;
    }
    struct ward_pkcs11_config config = hsm_token_config(&token);
    int failed = run(nss ? "nss" : "softhsm", &config, true);
    config.working_copies = false;
    failed += run(nss ? "nss, no copies" : "softhsm, no copies", &config, false);
    config.working_copies = config.require_unmodifiable = true;
    failed += run(nss ? "nss, unmodifiable" : "softhsm, unmodifiable", &config, nss);
    hsm_token_remove(&token);
    return failed == 0 ? 0 : 1;
}
