# SPDX-License-Identifier: Apache-2.0
"""Who may include whom. The table is the architecture: a line is added here by decision only."""
import tree

# Folder -> project folders whose headers it may include. The longest matching prefix counts.
LAYERS = {
    "base/": ["base/"],
    "proto/": ["base/", "proto/"],
    "policy/": ["base/", "policy/"],
    "backends/": ["base/", "backends/"],
    "server/net/": ["base/", "server/net/", "server/limits.h"],
    "server/op/": ["base/", "proto/", "policy/", "backends/", "server/op/", "server/audit/", "server/work/",
                   "server/authn/peer.h", "server/authn/trust.h", "server/request.h", "server/state.h", "server/limits.h"],
    "server/": ["base/", "proto/", "policy/", "backends/", "server/"],
    "client/": ["base/", "proto/", "policy/", "client/"],
}

# A library's headers -> the only folders that may see them. Public types of a library end here.
LIBRARIES = {
    "p11-kit/": ["backends/pkcs11/", "client/pkcs11/"],
    "pkcs11": ["backends/pkcs11/"],
    "libp11.h": ["client/cli/sign"],
    "libpq": ["backends/postgres/"],
    "postgresql/": ["backends/postgres/"],
    "curl/": ["backends/awskms/"],
    "protobuf-c": ["server/rpc/", "client/"],
    "ward/v1/": ["server/rpc/", "client/"],  # generated messages
    "grpc/health/": ["server/rpc/", "client/"],
    "event2/": ["server/net/", "server/rpc/", "server/app", "server/main"],
    "nghttp2/": ["server/net/", "client/"],
    "openssl/ssl.h": ["server/net/", "client/"],
    "openssl/x509": ["server/net/", "server/authn/", "client/", "proto/", "backends/pkcs11/signer"],  # SPKI there
    "openssl/pem.h": ["server/net/", "server/authn/", "client/"],
    "openssl/crypto.h": ["base/", "proto/", "backends/", "server/", "client/"],  # OPENSSL_cleanse, CRYPTO_memcmp
    "openssl/": ["base/", "proto/", "backends/pkcs11/", "server/net/", "server/authn/", "client/"],
    "microhttpd.h": ["server/metrics"],
    "systemd/": ["server/app", "server/main", "server/notify"],
    "cyaml/": ["policy/", "server/config", "client/cli/profile"],
    "jansson.h": ["client/"],
}

# Pure by decision: no I/O, no clock, no threads.
PURE = {"policy/": ["unistd.h", "fcntl.h", "time.h", "sys/", "pthread.h", "netinet/", "threads.h", "signal.h"]}

# libevent gives readiness; its other libraries parse what strangers send.
FORBIDDEN_HEADERS = ["event2/http", "event2/bufferevent_ssl.h", "event2/rpc", "event2/dns.h", "openssl/engine.h"]


def layer_of(name: str) -> list:
    return LAYERS[max((prefix for prefix in LAYERS if name.startswith(prefix)), key=len)]


def is_project(header: str) -> bool:
    return header.split("/")[0] in {"base", "proto", "policy", "backends", "server", "client", "tests"}


def test_each_folder_includes_only_the_layers_below_it():
    bad = []
    for name in tree.product_c_files():
        for line, quoted, header in tree.includes(name):
            if quoted and is_project(header) and not header.startswith(tuple(layer_of(name))):
                bad.append(f"{name}:{line}: must not include {header}")
    assert not bad, "\n".join(bad)


def test_includes_are_rooted():
    bad = []
    for name in tree.product_c_files():
        for line, quoted, header in tree.includes(name):
            generated = header.endswith(".pb-c.h") or header in ("ward/ward.h", "schema.h", "config.h")
            if quoted and not is_project(header) and not generated:
                bad.append(f"{name}:{line}: {header}: write the path from the top")
    assert not bad, "\n".join(bad)


def test_a_library_is_seen_only_where_the_table_says():
    bad = []
    for name in tree.product_c_files():
        for line, _, header in tree.includes(name):
            known = [prefix for prefix in LIBRARIES if header.startswith(prefix)]
            if known and not name.startswith(tuple(LIBRARIES[max(known, key=len)])):
                bad.append(f"{name}:{line}: must not see {header}")
    assert not bad, "\n".join(bad)


def test_forbidden_headers_are_nowhere():
    bad = [f"{name}:{line}: {header}" for name in tree.c_files() for line, _, header in tree.includes(name)
           if header.startswith(tuple(FORBIDDEN_HEADERS))]
    assert not bad, "\n".join(bad)


def test_policy_is_pure():
    bad = [f"{name}:{line}: {header}" for folder, headers in PURE.items() for name in tree.product_c_files()
           if name.startswith(folder) for line, quoted, header in tree.includes(name)
           if not quoted and header.startswith(tuple(headers))]
    assert not bad, "\n".join(bad)
