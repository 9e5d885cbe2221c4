/* SPDX-License-Identifier: Apache-2.0 */
/* When a profile's certificate ends. Whether it is any good is for the connection to find. */
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "client/cli/profile.h"

static int64_t time_us(const ASN1_TIME *time)
{
    struct tm parts = {0};
    return time != NULL && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) * 1000000
                                                              : 0;
}

enum ward_ending_step cli_profile_certificate_ending(const char *path,
                                                     const struct ward_clock *clock,
                                                     int64_t *ret_end_us)
{
    BIO *in = BIO_new_file(path, "r");
    X509 *certificate = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
    enum ward_ending_step step = WARD_ENDING_FAR;
    *ret_end_us = 0;
    if (certificate != NULL) {
        *ret_end_us = time_us(X509_get0_notAfter(certificate));
        step = ward_ending_step(time_us(X509_get0_notBefore(certificate)), *ret_end_us,
                                ward_wall_us(clock));
    }
    X509_free(certificate);
    (void)BIO_free(in); /* read only */
    ERR_clear_error();
    return step;
}
