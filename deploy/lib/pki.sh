# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# A development certificate authority, the server's certificate and one for each identity. An identity is
# the one SAN URI of its certificate. Sourced, never run.

pki_names="app officer-a officer-b auditor officer-a-spare officer-b-spare"

pki_ca() {
    [ ! -e "$pki_dir/ca.pem" ] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj "/CN=Ward quickstart CA" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$pki_dir/ca.key" -out "$pki_dir/ca.pem.new"
    mv "$pki_dir/ca.pem.new" "$pki_dir/ca.pem"
}

pki_leaf() { # NAME SAN USAGE
    local name=$1 file=$pki_dir/$1
    if [ -e "$file.pem" ] && openssl x509 -checkend 86400 -noout -in "$file.pem" >/dev/null; then
        return 0
    fi
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -keyout "$file.key" -out "$file.csr"
    openssl x509 -req -in "$file.csr" -CA "$pki_dir/ca.pem" -CAkey "$pki_dir/ca.key" -days 365 \
        -set_serial "0x$(openssl rand -hex 16)" -out "$file.pem.new" -extfile <(
            printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
            printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
            printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$2"
        )
    rm -f "$file.csr"
    mv "$file.pem.new" "$file.pem"
}

pki_make() ( # a subshell, for the umask
    umask 077
    pki_ca
    pki_leaf wardd "IP:127.0.0.1,DNS:localhost" serverAuth
    for name in $pki_names; do
        pki_leaf "$name" "URI:spiffe://quickstart.ward/$name" clientAuth
    done
)
