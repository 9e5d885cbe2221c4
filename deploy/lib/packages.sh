# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# The Debian packages that Ward needs, and how they come onto the machine. Sourced, never run.

packages_build="gcc libc6-dev meson ninja-build pkg-config libssl-dev libp11-dev libp11-kit-dev
    libevent-dev libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler libpq-dev libcyaml-dev libyaml-dev
    libjansson-dev libmicrohttpd-dev libsystemd-dev libcmocka-dev"
packages_run="softhsm2 postgresql-15 openssl python3"
packages_test="clang clang-format groff-base llvm libnss3 libnss3-tools binutils shellcheck zsh fish python3-pytest
    python3-venv python3-cryptography python3-yaml python3-h2"

# What the client programs of the tests are built with, unless it is there from elsewhere.
packages_clients() {
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
    command -v go >/dev/null || echo golang-go
}

packages_missing() { # PACKAGE...
    local package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            printf '%s ' "$package"
    done
}

# As root, or through sudo; otherwise says the one line that a person with the right may run.
packages_install() { # PACKAGE...
    local missing root=()
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "no apt-get here: install these by hand: $missing"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && ! [ -t 0 ]; }; then
            printf 'Packages are missing. Run this as root, then start again:\n' >&2
            printf '  apt-get update && apt-get install -y --no-install-recommends %s\n' "$missing" >&2
            exit 1
        fi
        root=(sudo)
    fi
    say "Installing Debian packages: $missing"
    # shellcheck disable=SC2086 # a list of words
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null' \
        sh $missing </dev/null || fail "apt-get could not install: $missing"
}
