# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# The main job: what Ward exists for, done once from end to end with the CLI alone, each part by the
# identity whose part it is. Sourced, never run.

sample_make() { python3 "$top/tests/support/fhir_generator.py" "$state/sample" --patients 12 --seed 1; }

as() { # PROFILE ARGUMENT...
    local profile=$1
    shift
    WARD_CONFIG=$profiles "$ward" --profile "$profile" --output json "$@"
}

# What was done, and how long it took.
done_line() { # START_MS WHAT
    printf '  %-58s %6s s\n' "$2" "$(seconds_since "$1")"
}

main_job() { # FHIR_DIR
    local start
    start=$(now_ms)
    job_keys
    job_store "$1"
    job_data_key
    job_rotate
    job_read_again "$1"
    job_audit
    job_seconds=$(seconds_since "$start")
}

job_keys() {
    local start
    start=$(now_ms)
    key_make phi/records records
    key_make app/demo data-keys
    done_line "$start" "officer-a: KEKs phi/records and app/demo are in the HSM"
}

key_make() { # NAME PURPOSE
    as officer-a key show "$1" >/dev/null 2>&1 || as officer-a key create "$1" --purpose "$2" >/dev/null
}

job_store() { # FHIR_DIR
    local start said
    start=$(now_ms)
    said=$(as app record import --collection fhir --fhir "$1")
    job_resources=$(json 'print(it["resources"])' <<<"$said")
    done_line "$start" "app: $job_resources resources of $(json 'print(it["patients"])' <<<"$said") patients stored, encrypted"
    job_read_again "$1"
}

job_read_again() { # FHIR_DIR
    local start said
    start=$(now_ms)
    said=$(as app record check --collection fhir --fhir "$1")
    job_identical=$(json 'print(it["identical"])' <<<"$said")
    done_line "$start" "app: $job_identical read back, identical byte by byte"
    [ "$job_identical" = "$job_resources" ] || fail "only $job_identical of $job_resources are identical"
}

job_data_key() {
    local start made opened
    start=$(now_ms)
    made=$(as app data-key generate --key app/demo --context purpose=TREAT)
    opened=$(json 'print(it["keys"][0]["wrapped"])' <<<"$made" | as app data-key unwrap --context purpose=TREAT)
    if [ "$(json 'print(it["keys"][0]["plaintext"])' <<<"$made")" != "$(json 'print(it["keys"][0]["plaintext"])' <<<"$opened")" ]; then
        fail "the data key did not come back"
    fi
    done_line "$start" "app: a data key issued, unwrapped, the same"
}

job_rotate() {
    local start said proposal status=0
    start=$(now_ms)
    said=$(as officer-a key rotate phi/records --reason "quickstart" 2>>"$log_dir/quickstart.log") || status=$?
    [ "$status" -eq 4 ] || fail "the rotation did not wait for approval (exit code $status)"
    proposal=$(json 'print(it["proposal"])' <<<"$said")
    done_line "$start" "officer-a: a rotation of phi/records proposed; it waits"
    start=$(now_ms)
    as officer-b approval approve "$proposal" --yes >/dev/null 2>>"$log_dir/quickstart.log"
    done_line "$start" "officer-b: looked, signed; it ran"
    start=$(now_ms)
    said=$(as officer-a key show phi/records --wait-rewrapped)
    job_rewrapped=$(json 'print(max(it["versions"], key=lambda v: v["version"])["rows"])' <<<"$said")
    done_line "$start" "wardd: $job_rewrapped subject keys rewrapped, none left behind"
}

# Checkpoints are signed once a second: waits for one that covers what was done up to here.
audit_settle() {
    local entries size
    entries=$(daemon_metric ward_audit_entries)
    for _ in $(seq 100); do
        size=$(as auditor status | json 'print(it.get("log_size", 0))')
        [ "$size" -lt "${entries:-0}" ] || return 0
        sleep 0.1
    done
    fail "no checkpoint was signed within ten seconds"
}

job_audit() {
    local start said status=0 export=$state/export
    start=$(now_ms)
    audit_settle
    rm -rf "$export" "$export.altered"
    (umask 077 && as auditor audit export "$export" >/dev/null)
    said=$(as auditor audit verify "$export" --vkey "$vkey_file")
    job_entries=$(json 'print(it["entries"])' <<<"$said")
    job_verified=true
    done_line "$start" "auditor: $job_entries entries exported and verified offline"
    start=$(now_ms)
    cp -R "$export" "$export.altered"
    alter_one_byte "$export.altered"
    said=$(as auditor audit verify "$export.altered" --vkey "$vkey_file" 2>>"$log_dir/quickstart.log") || status=$?
    if [ "$status" -ne 1 ] || [ "$(json 'print(it["verified"])' <<<"$said")" != False ]; then
        fail "an altered byte in $export.altered was not found (exit code $status)"
    fi
    job_tamper_found=true
    done_line "$start" "auditor: one byte altered in a copy; found"
}

# One bit of one byte in the middle of the entries.
alter_one_byte() { # EXPORT_DIR
    python3 - "$1" <<'END'
import pathlib, sys
bundles = [path for path in pathlib.Path(sys.argv[1]).glob("tile/entries/**/*") if path.is_file()]
path = max(bundles, key=lambda path: path.stat().st_size)
data = bytearray(path.read_bytes())
data[len(data) // 2] ^= 1
path.write_bytes(data)
END
}

job_result() {
    printf '{"resources":%s,"identical":%s,"rewrapped":%s,"audit_entries":%s,"audit_verified":%s,"tamper_found":%s,"seconds":%s}\n' \
        "$job_resources" "$job_identical" "$job_rewrapped" "$job_entries" "$job_verified" "$job_tamper_found" "$job_seconds"
}
