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

main_job() { # FHIR_DIR
    job_start=$(now_ms)
    job_keys
    job_records "$1"
    job_data_key
    job_rotate
    job_check_again "$1"
    job_audit
    job_seconds=$(seconds_since "$job_start")
}

line() { # START_MS WHAT
    printf '  %-58s %6s s\n' "$2" "$(seconds_since "$1")"
}
