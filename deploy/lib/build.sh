# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# Builds Ward into the state folder. Sourced, never run.

wardd=$build/server/wardd
ward=$build/client/cli/ward

build_ward() {
    [ -z "${WARD_BUILD:-}" ] || return 0 # a build of the caller's own
    if [ ! -e "$build/build.ninja" ]; then
        rm -rf "$build"
        meson setup "$build" "$top" -Dbuildtype=release -Dstrip=false
    fi
    ninja -C "$build"
}
