# SPDX-License-Identifier: Apache-2.0
"""A whole Ward in a temporary folder: token, database, certificates, policy, genesis, daemons, clients."""
import hashlib
import os
import pathlib
import shutil
import tempfile

from . import client, daemon, pki, template, token
from .postgres import Postgres

TRUST = "spiffe://test.ward/"
POLICY = """version: 1
deployment: test.ward
persons:
  - name: alice
    identities: ["spiffe://test.ward/officer-a", "spiffe://test.ward/officer-a2"]
  - name: bob
    identities: ["spiffe://test.ward/officer-b"]
  - name: carol
    identities: ["spiffe://test.ward/auditor"]
roles:
  - name: apps
    kind: application
    members: ["spiffe://test.ward/app", "spiffe://test.ward/app2"]
    rules:
      - name: data-keys
        actions: [data-key.generate, data-key.generate-without-plaintext, data-key.unwrap, data-key.rewrap, data-key.batch]
        keys: ["app/**"]
      - name: not-the-vault
        effect: deny
        actions: [data-key.generate, data-key.generate-without-plaintext, data-key.unwrap, data-key.rewrap]
        keys: ["app/vault/**"]
      - name: records
        actions: [record.put, record.get]
        collections: [fhir]
        context:
          - key: purpose
            values: [TREAT, ETREAT, HPAYMT, HOPERAT]
  - name: writers
    kind: application
    members: ["spiffe://test.ward/writer"]
    rules:
      - name: write-only
        actions: [record.put]
        collections: [fhir, labs]
      - name: break-glass
        actions: [emergency.open]
        collections: [fhir, labs]
        context: [{key: purpose, values: [ETREAT]}]
      - name: emergency-read
        emergency: true
        actions: [record.get]
        collections: [fhir, labs]
        context: [{key: purpose, values: [ETREAT]}]
      - name: over
        actions: [emergency.close]
  - name: provisioners
    kind: application
    members: ["spiffe://test.ward/provisioner"]
    rules:
      - name: blind
        actions: [data-key.generate-without-plaintext, data-key.rewrap]
        keys: ["app/**"]
        context:
          - {key: purpose, values: [TREAT]}
  - name: officers
    kind: officer
    members: ["person:alice", "person:bob"]
    rules:
      - name: keys
        actions: [key.create, key.rotate, key.change, key.disable, key.enable, key.suspend, key.resume,
                  key.deactivate, key.compromise, key.destroy, key.cancel-destroy, key.rewrap, key.rekey,
                  key.usage, key.describe, key.list]
        keys: ["**"]
      - name: four-eyes
        actions: [approval.list, approval.show, approval.submit, approval.approve, approval.reject,
                  approval.withdraw, approval.execute, approval.review]
      - name: revocations
        actions: [identity.revoke, identity.unrevoke, identity.list]
      - name: policies
        actions: [doctor.run, policy.apply, policy.show, emergency.list, emergency.close, audit.rotate-log-key]
  - name: auditors
    kind: auditor
    members: ["person:carol"]
    rules:
      - name: log
        actions: [doctor.run, audit.export, audit.checkpoint, approval.list, approval.show, identity.list, policy.show, emergency.list]
      - name: inventory
        actions: [key.describe, key.list, key.usage]
        keys: ["**"]
guards:
  - action: key.rotate
    keys: ["**"]
    approvals: 1
    expires_hours: 24
  - action: key.rotate
    keys: ["by-hand/**"]
    approvals: 1
    expires_hours: 24
    execute: manual
collections:
  - name: fhir
    key: phi/records
    default_fields: [resourceType, id]
  - name: labs
    key: phi/labs
    default_fields: [id]
public_context: [purpose]
"""


class Deployment:
    """Makes everything but the daemons; `daemon()` makes those."""

    NAMES = ("app", "app2", "writer", "provisioner", "officer-a", "officer-a2", "officer-b", "auditor", "stranger")

    def __init__(self, initialise: bool = True, policy: str = POLICY, copied: bool = True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ward-", dir="/tmp"))
        self.folder.chmod(0o711)
        self.daemons, self.clients = [], []
        self.authority = pki.Authority()
        (self.folder / "ca.pem").write_bytes(self.authority.pem)
        self.authority.server().write(self.folder, "wardd")
        self.identities = {name: self.authority.issue([TRUST + name], common=name) for name in self.NAMES}
        self.policy = self.folder / "policy.yaml"
        self.policy.write_text(policy)
        self.policy_sha256 = hashlib.sha256(policy.encode()).hexdigest()
        self.module = token.module()
        source = None  # of token and database, which take long to make
        if initialise and copied and policy == POLICY:  # others are used once
            source = template.of(policy, self.binary("wardd"), lambda: Deployment(copied=False))
        self.token = token.Token(self.folder / "hsm", source and source.hsm)
        self.postgres = Postgres(self.folder / "pg", source and source.pg)
        try:
            self.genesis = source.genesis if source else daemon.genesis(self) if initialise else None
        except BaseException:
            self.close()  # nobody else has it yet
            raise

    @property
    def vkey(self) -> pathlib.Path:
        """The log's key as genesis gave it, in a file: what an auditor was handed."""
        path = self.folder / "log.vkey"
        path.write_text(self.genesis["log_vkey"] + "\n")
        return path

    @staticmethod
    def binary(name: str) -> pathlib.Path:
        return daemon.find_binary(name)

    def daemon(self, node: str = "node-1", **settings) -> daemon.Daemon:
        made = daemon.Daemon(self, node, **settings)
        self.daemons.append(made)
        return made

    def client(self, who, server=None, timeout: float = 15) -> client.Client:
        """who: a name of NAMES, or an Identity, or None for no certificate."""
        identity = self.identities[who] if isinstance(who, str) else who
        made = client.Client((server or self.daemons[0]).target, self.authority.pem, identity, timeout)
        self.clients.append(made)
        return made

    def close(self) -> None:
        for made in self.clients:
            made.close()
        try:
            for made in self.daemons:
                made.kill()
        finally:
            self.postgres.close()
            if not os.environ.get("WARD_KEEP"):
                shutil.rmtree(self.folder, ignore_errors=True)
