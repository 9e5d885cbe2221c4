# SPDX-License-Identifier: Apache-2.0
"""What a policy's text says about signatures, read from policy/README.md with a YAML library and none of our code."""
import functools
import hashlib
import re

import yaml
from cryptography import x509

LETS_RUN = {"propose", "approve", "execute"}
BARE = {"policy.apply", "identity.unrevoke", "audit.rotate-log-key"}  # guarded without keys


def glob(pattern: str) -> "re.Pattern":
    """`*` within a part of a name, `**` over parts."""
    parts = [".*" if piece == "**" else "[^/]*" if piece == "*" else re.escape(piece) for piece in re.split(r"(\*\*|\*)", pattern)]
    return re.compile("".join(parts))


class Policy:
    def __init__(self, text: bytes):
        self.sha256 = hashlib.sha256(text).hexdigest()
        document = yaml.load(text, yaml.BaseLoader)  # all scalars as they are written
        self.persons = {identity: person["name"] for person in document.get("persons", []) for identity in person["identities"]}
        self.roles, self.guards = document["roles"], document.get("guards", [])
        self.oids = set(document.get("hardware", {}).get("certificate_policies", []))

    def person(self, identity: str) -> str:
        return self.persons.get(identity, identity)

    def roles_of(self, identity: str) -> list:
        return [role for role in self.roles if identity in role["members"] or f"person:{self.person(identity)}" in role["members"]]

    def may_approve(self, identity: str) -> bool:
        rules = [rule for role in self.roles_of(identity) for rule in role["rules"] if "approval.approve" in rule["actions"]]
        return bool(rules) and not any(rule.get("effect") == "deny" for rule in rules)

    def guards_of(self, action: str, name: str) -> list:
        return [guard for guard in self.guards if guard["action"] == action and
                (action in BARE or any(glob(pattern).fullmatch(name) for pattern in guard["keys"]))]

    def terms(self, proposal: dict) -> dict:
        """Of policy and payload the stricter: approvals, shares by role, hardware."""
        guards = self.guards_of(proposal["action"], proposal["object"])
        asked = proposal.get("terms", {})
        shares = {name.partition(".")[2]: number for name, number in asked.items() if name.startswith("approvals.")}
        for guard in guards:
            for share in guard.get("from", []):
                shares[share["role"]] = max(shares.get(share["role"], 0), int(share["approvals"]))
        approvals = [proposal["approvals"], sum(shares.values()), *(int(guard["approvals"]) for guard in guards)]
        hardware = "hardware" in asked or any(guard.get("hardware") == "true" for guard in guards)
        return {"approvals": max(approvals), "shares": shares, "hardware": hardware}

    def on_hardware(self, certificate) -> bool:
        try:
            named = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
        except x509.ExtensionNotFound:
            return False
        return any(policy.policy_identifier.dotted_string in self.oids for policy in named)

    def key_is_good(self, proposal: dict, decision: str, identity: str, certificate) -> bool:
        needed = self.terms(proposal)["hardware"] and decision in LETS_RUN
        needed = needed or any(role.get("hardware") == "true" for role in self.roles_of(identity))
        return not needed or self.on_hardware(certificate)

    def enough(self, proposal: dict, approvers: list) -> bool:
        """Identities of different keys: of different persons, officers, enough, and each share by people of its own."""
        people = [self.person(identity) for identity in (proposal["proposer"], *approvers)]
        if len(set(people)) != len(people) or not all(map(self.may_approve, approvers)):
            return False
        terms = self.terms(proposal)
        places = tuple(role for role, number in terms["shares"].items() for _ in range(number))
        names = {identity: {role["name"] for role in self.roles_of(identity)} for identity in approvers}

        @functools.cache
        def fills(at: int, left: frozenset) -> bool:
            return at == len(places) or any(places[at] in names[i] and fills(at + 1, left - {i}) for i in left)
        return len(approvers) >= terms["approvals"] and fills(0, frozenset(approvers))
