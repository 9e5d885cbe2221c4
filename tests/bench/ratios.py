#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts raw rates, memory and Ward's own figures into one document, each result with its ratio to a raw rate, so
that machines can be compared: seal and open to AES-256-GCM of openssl, all others to the HSM's working copy.

usage: ratios.py RAW RESULTS MORE  RAW: JSON objects, one a line, where what comes twice is averaged; RESULTS: what
                                  `ward bench` printed; MORE: results, one a line
"""
import json
import sys

AGAINST = {"seal": "openssl_seal_16k", "open": "openssl_open_16k"}


def read_raw(path: str) -> tuple:
    rates, memory = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in filter(str.strip, file):
            said = json.loads(line)
            memory |= said.pop("memory", {})
            for name, rate in said.items():
                rates.setdefault(name, []).append(rate)
    return {name: round(sum(seen) / len(seen)) for name, seen in rates.items()}, memory


def main() -> None:
    raw, memory = read_raw(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        measured = json.load(file)
    with open(sys.argv[3], encoding="utf-8") as file:
        measured["results"] += [json.loads(line) for line in file]
    for result in measured["results"]:
        result["ratio"] = round(result["per_second"] / raw[AGAINST.get(result["name"], "hsm_working_copy")], 3)
    print(json.dumps({**measured, "raw": raw, "memory": memory}))


if __name__ == "__main__":
    main()
