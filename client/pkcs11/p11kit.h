/* SPDX-License-Identifier: Apache-2.0 */
/* libp11-kit, loaded when the first key in a token is asked for: an application whose key is a file
 * links and loads nothing more. p11-kit and no raw module, since modules are shared with the
 * application: p11-kit counts who uses them, so that none of us ends the other's sessions. */
#ifndef WARD_CLIENT_PKCS11_P11KIT_H
#define WARD_CLIENT_PKCS11_P11KIT_H

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#define WARD_P11KIT_FUNCTIONS(F)   \
    F(uri_new)                     \
    F(uri_parse)                   \
    F(uri_free)                    \
    F(uri_get_module_path)         \
    F(uri_get_pin_source)          \
    F(uri_get_pin_value)           \
    F(uri_get_attribute)           \
    F(uri_get_slot_id)             \
    F(uri_match_module_info)       \
    F(uri_match_slot_info)         \
    F(uri_match_token_info)        \
    F(uri_any_unrecognized)        \
    F(uri_message)                 \
    F(module_load)                 \
    F(module_initialize)           \
    F(module_finalize)             \
    F(module_release)              \
    F(modules_load_and_initialize) \
    F(modules_finalize_and_release)

struct ward_p11kit {
#define WARD_P11KIT_MEMBER(name) __typeof__(p11_kit_##name) *name;
    WARD_P11KIT_FUNCTIONS(WARD_P11KIT_MEMBER)
#undef WARD_P11KIT_MEMBER
};

/* NULL when it is not installed. Static; any thread. */
const struct ward_p11kit *ward_p11kit(void);

#endif
