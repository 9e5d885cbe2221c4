# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# A SoftHSM2 token of our own: its configuration, objects and PIN stay in the state folder.
# Development only: SoftHSM2 is not a validated module. Sourced, never run.

hsm_module() {
    local module
    for module in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so; do
        [ -e "$module" ] && printf '%s' "$module" && return 0
    done
    fail "libsofthsm2.so not found; is the package softhsm2 installed?"
}

hsm_token() {
    state_write "$SOFTHSM2_CONF" 0600 <<END
directories.tokendir = $hsm_dir/tokens
objectstore.backend = file
log.level = ERROR
slots.removable = false
END
    [ -z "$(ls -A "$hsm_dir/tokens")" ] || return 0
    python3 -c 'import secrets; print(secrets.token_hex(8))' | state_write "$hsm_dir/pin" 0600
    if ! "$top/deploy/lib/init_token.py" ward "$hsm_dir/pin"; then
        rm -rf "$hsm_dir/tokens" && mkdir "$hsm_dir/tokens"
        return 1
    fi
}
