#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the test vectors beside it against proto/FORMATS.md, with Python and the cryptography package.

It shares no line with the C code: where both agree with a vector, the description is enough to read
Ward's data without Ward. Exit 0 all hold, 1 one does not, 77 the cryptography package is missing.
"""
import base64
import hashlib
import hmac
import json
import pathlib
import re
import struct
import sys

try:
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.x509 import load_der_x509_certificate
except ImportError:
    print("check_vectors: python3-cryptography is not installed")
    sys.exit(77)

CHUNK = 1 << 20


def sized16(data):
    return struct.pack(">H", len(data)) + data


def sized32(data):
    return struct.pack(">I", len(data)) + data


def text_bytes(value):
    """A text of a vector: a string, or {"hex": ...} where it is not UTF-8."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


# --- the encryption context

def context_canonical(pairs):
    encoded = sorted((k.encode(), v.encode()) for k, v in pairs)
    return struct.pack(">H", len(encoded)) + b"".join(sized16(k) + sized16(v) for k, v in encoded)


def check_context(vector):
    yield "canonical", context_canonical(vector["pairs"]).hex(), vector["canonical"]


# --- the wrapped data key

def wrapped_header(v):
    key_id = bytes.fromhex(v["key_id"].replace("-", ""))
    return bytes([1, v["use"]]) + key_id + struct.pack(">IB", v["version"], v["algorithm"])


def check_wrapped_key(v):
    header = wrapped_header(v)
    aad = header + context_canonical(v["context"])
    iv = bytes.fromhex(v["iv"])
    gcm = AESGCM(bytes.fromhex(v["kek"]))
    plaintext = bytes.fromhex(v["plaintext"])
    wrapped = header + iv + gcm.encrypt(iv, plaintext, aad)
    yield "header", header.hex(), v["header"]
    yield "aad", aad.hex(), v["aad"]
    yield "wrapped", wrapped.hex(), v["wrapped"]
    yield "text", "ward:1:" + base64.b64encode(wrapped).decode(), v["text"]
    opened = gcm.decrypt(iv, bytes.fromhex(v["wrapped"])[35:], aad)
    yield "plaintext", opened.hex(), v["plaintext"]
    yield "other context", opens(gcm, iv, wrapped[35:], header + context_canonical([])), False


def opens(gcm, iv, sealed, aad):
    try:
        gcm.decrypt(iv, sealed, aad)
        return True
    except InvalidTag:
        return False


# --- the record seal

def split_members(text):
    """(raw name, start, end) of the value of every top-level member, with Python's own JSON scanner."""
    decoder = json.JSONDecoder()
    string = re.compile(r'"((?:[^"\\]|\\.)*)"')
    space = re.compile(r"[ \t\r\n]*")
    at = space.match(text, space.match(text).end() + 1).end()
    members = []
    while text[at] != "}":
        name = string.match(text, at)
        at = space.match(text, space.match(text, name.end()).end() + 1).end()
        end = decoder.raw_decode(text, at)[1]
        members.append((name.group(1), at, end))
        at = space.match(text, end).end()
        if text[at] == ",":
            at = space.match(text, at + 1).end()
    return members


def record_legend(subject, record_id, text, members):
    skeleton, fields, done = b"", b"", 0
    for name, start, end in members:
        skeleton += text[done:start].encode()
        size = len(text[start:end].encode())
        fields += sized16(name.encode()) + struct.pack(">BII", 1, size, len(skeleton))
        done = end
    skeleton += text[done:].encode()
    names = sized16(subject.encode()) + sized16(record_id.encode())
    return names + struct.pack(">H", len(members)) + fields + sized32(skeleton)


def record_seal_part(gcm, prefix, ordinal, name, plain):
    chunks = [plain[i:i + CHUNK] for i in range(0, len(plain), CHUNK)] or [b""]
    out = b""
    for number, chunk in enumerate(chunks):
        last = 1 << 63 if number == len(chunks) - 1 else 0
        out += gcm.encrypt(struct.pack(">IQ", ordinal, number | last), chunk, prefix + sized32(name))
    return out


def check_record(v):
    text = v["json"]
    collection, id_hash = v["collection"].encode(), bytes.fromhex(v["id_hash"])
    salt = bytes.fromhex(v["salt"])
    bound = sized32(collection) + sized32(id_hash) + sized32(struct.pack(">I", v["version"]))
    info = b"ward record 1" + sized32(b"AES-256-GCM HKDF-SHA-256") + bound
    okm = HKDF(hashes.SHA256(), 64, salt, info).derive(bytes.fromhex(v["subject_key"]))
    prefix = bound + sized32(struct.pack(">I", v["schema_version"]))
    members = split_members(text)
    legend = record_legend(v["subject"], v["id"], text, members)
    gcm = AESGCM(okm[:32])
    sealed_legend = record_seal_part(gcm, prefix, 0, b"", legend)
    sealed = b"\x01" + salt + okm[32:] + sized32(sealed_legend)
    for ordinal, (name, start, end) in enumerate(members, 1):
        sealed += record_seal_part(gcm, prefix, ordinal, name.encode(), text[start:end].encode())
    yield "info", info.hex(), v["info"]
    yield "okm", okm.hex(), v["okm"]
    yield "legend", legend.hex(), v["legend"]
    yield "sealed", sealed.hex(), v["sealed"]
    yield "digest", hashlib.sha256(sealed).hexdigest(), v["digest"]


# --- sealed data

def seal_plaintext(v):
    """The plaintext of a vector: hex, or so many bytes of which the i-th is i mod 251."""
    return bytes.fromhex(v["plaintext"]) if "plaintext" in v else bytes(i % 251 for i in range(v["pattern"]))


def seal_keys(data_key, salt, chunk_size, associated):
    """info, chunk key and commitment, AAD of every chunk."""
    bound = hashlib.sha256(associated).digest()
    info = (b"ward seal 1" + sized32(b"AES-256-GCM HKDF-SHA-256") + sized32(struct.pack(">I", chunk_size)) +
            sized32(bound))
    okm = HKDF(hashes.SHA256(), 64, salt, info).derive(data_key)
    return info, okm, b"ward seal 1" + struct.pack(">I", chunk_size) + bound


def seal_cut(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)] or [b""]


def seal_nonce(number, last):
    return struct.pack(">IQ", 0, number | last << 63)


def open_sealed(sealed, unwrap, associated=b""):
    """Reads sealed data as FORMATS.md says; unwrap(wrapped) gives the data key. ValueError or InvalidTag."""
    size, = struct.unpack_from(">H", sealed, 9) if len(sealed) >= 11 else (0,)
    at = 11 + size + 68
    if sealed[:9] != b"WARDSEAL\1" or not 1 <= size <= 1024 or len(sealed) < at + 16:
        raise ValueError("no header")
    salt, commitment, chunk_size = struct.unpack_from(">32s32sI", sealed, 11 + size)
    if chunk_size not in [1 << bits for bits in range(12, 21)]:
        raise ValueError("chunk size")
    _, okm, aad = seal_keys(unwrap(sealed[11:11 + size]), salt, chunk_size, associated)
    if okm[32:] != commitment:
        raise ValueError("commitment")
    gcm, chunks, plain = AESGCM(okm[:32]), seal_cut(sealed[at:], chunk_size + 16), b""
    for number, chunk in enumerate(chunks):
        if len(chunk) < 16 or (len(chunk) == 16 and number > 0):
            raise ValueError("chunk")
        plain += gcm.decrypt(seal_nonce(number, number == len(chunks) - 1), chunk, aad)
    return plain


def opens_sealed(sealed, data_key, associated):
    try:
        open_sealed(sealed, lambda wrapped: data_key, associated)
        return True
    except (ValueError, InvalidTag):
        return False


def check_seal(v):
    data_key, salt, wrapped = (bytes.fromhex(v[name]) for name in ("data_key", "salt", "wrapped"))
    associated, plain, size = v["associated_data"].encode(), seal_plaintext(v), v["chunk_size"]
    info, okm, aad = seal_keys(data_key, salt, size, associated)
    header = (b"WARDSEAL\1" + struct.pack(">H", len(wrapped)) + wrapped + salt + okm[32:] +
              struct.pack(">I", size))
    chunks = seal_cut(plain, size)
    sealed = header + b"".join(AESGCM(okm[:32]).encrypt(seal_nonce(i, i == len(chunks) - 1), chunk, aad)
                               for i, chunk in enumerate(chunks))
    yield "info", info.hex(), v["info"]
    yield "okm", okm.hex(), v["okm"]
    yield "aad", aad.hex(), v["aad"]
    yield "size", len(sealed), v["sealed_size"]
    yield "digest", hashlib.sha256(sealed).hexdigest(), v["sealed_sha256"]
    if "sealed" in v:
        yield "sealed", sealed.hex(), v["sealed"]
    yield "plaintext", open_sealed(sealed, lambda wrapped: data_key, associated), plain
    yield "other associated data", opens_sealed(sealed, data_key, associated + b"!"), False
    yield "other data key", opens_sealed(sealed, bytes(32), associated), False
    yield "cut", opens_sealed(sealed[:-1], data_key, associated), False
    yield "longer", opens_sealed(sealed + b"\0", data_key, associated), False


# --- canonical JSON, leaf and proposal

def clean(data):
    """Text of any bytes: each byte that is not part of well-formed UTF-8 becomes U+FFFD."""
    out, at = "", 0
    while at < len(data):
        for size in (1, 2, 3, 4):
            try:
                out += data[at:at + size].decode()
                at += size
                break
            except UnicodeDecodeError:
                continue
        else:
            out += "\ufffd"
            at += 1
    return out


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def leaf_context(entry):
    if "hash" in entry:
        return "h:" + entry["hash"]
    value = clean(text_bytes(entry["value"]))
    return "=" + value if value.startswith(("h:", "=")) else value


def leaf_items(items):
    folded = []
    for item in items:
        alike = {k: clean(text_bytes(x)) for k, x in item.items() if k != "count"}
        if folded and folded[-1][0] == alike:
            folded[-1][1] += item["count"]
        else:
            folded.append([alike, item["count"]])
    order = ("object", "outcome", "code", "rule", "digest")
    out = []
    for alike, count in folded:
        entry = {k: alike[k] for k in order if k in alike}
        if count > 1:
            entry["count"] = count
        out.append(entry)
    return out


def leaf_text(v):
    leaf = {"seq": v["seq"], "time": v["time"], "node": v["node"]}
    for name in ("request", "identity", "cert", "end_user", "address", "action", "object", "context",
                 "outcome", "code", "rule", "policy", "epoch", "reason", "items", "detail"):
        if name not in v["leaf"]:
            continue
        value = v["leaf"][name]
        if name == "context":
            value = {clean(text_bytes(e["key"])): leaf_context(e) for e in value}
        elif name == "items":
            value = leaf_items(value)
        elif name == "detail":
            value = {k: x if isinstance(x, int) else clean(text_bytes(x)) for k, x in value}
        elif name != "epoch":
            value = clean(text_bytes(value))
        leaf[name] = value
    return compact(leaf)


def check_leaf(v):
    text = leaf_text(v)
    yield "text", text, v["text"]
    yield "parses", isinstance(json.loads(v["text"]), dict), True
    yield "hash", hashlib.sha256(b"\0" + text.encode()).hexdigest(), v["hash"]


def follow_policies(entries):
    """The policies in force one after the other, and the number of the first entry that does not fit, or None."""
    policies = []  # (digest, first epoch under it)
    for number, entry in enumerate(entries):
        named = entry.get("policy", "")
        if not re.fullmatch("[0-9a-f]{64}", named):
            return [digest for digest, _ in policies], number
        if number == 0:
            policies.append((named, 0))
            continue
        known = [digest for digest, epoch in policies if epoch <= entry.get("epoch", 0)] if entry["outcome"] == "failed" else [policies[-1][0]]
        if not known or known[-1] != named:
            return [digest for digest, _ in policies], number
        detail = entry.get("detail", {})
        if entry["outcome"] == "allowed" and detail.get("executed") == "policy.apply":
            made = detail.get("to_hash", "")
            if detail.get("whom") != "policy#%d" % (len(policies) + 1) or not re.fullmatch("[0-9a-f]{64}", made):
                return [digest for digest, _ in policies], number
            policies.append((made, entry.get("epoch", 0) + 1))
    return [digest for digest, _ in policies], None


def check_policy_chain(v):
    policies, breaks = follow_policies([json.loads(leaf) for leaf in v["leaves"]])
    yield "policies", policies, v["policies"]
    yield "breaks", breaks, v["breaks"]


def rows_facts(rows):
    """(number of the sum, kind's byte, fields) of each fact; fields as bytes, texts behind the rest."""
    d = rows["deployment"]
    number = struct.Struct(">Q").pack
    yield 3, 16, [bytes.fromhex(d["id"] + d["genesis_policy"] + d["log_key"]), bytes([d["log_algorithm"]]), number(d["created_us"]),
                  sized32(d["origin"].encode()), sized32(bytes.fromhex(d["log_public_key"]))]
    for row in rows["index_keys"]:
        yield 3, 17, [sized32(row["name"].encode()), sized32(bytes.fromhex(row["wrapped"]))]
    for row in rows["keys"]:
        key = bytes.fromhex(row["id"])
        yield 0, 18, [key, bytes([row["purpose"]]), number(row["created_us"]), sized32(row["name"].encode()), sized32(row["backend"].encode())]
        yield 0, 19, [key, bytes([row["enabled"]])]
        yield 0, 20, [key, struct.pack(">I", row["period_days"])]
    for row in rows["versions"]:
        version = bytes.fromhex(row["key"]) + struct.pack(">I", row["version"])
        yield 0, 21, [version, number(row["created_us"])]
        yield 0, 22, [version, bytes([row["state"], row["prior"]]), number(row["due_us"]), number(row["changed_us"])]
    for row in rows["policies"]:
        version = struct.pack(">I", row["version"])
        yield 1, 23, [version, bytes.fromhex(row["hash"] + row["proposal"]), number(row["created_us"])]
        if row["ceased_us"]:
            yield 1, 24, [version, number(row["ceased_us"])]
    for row in rows.get("log_keys", []):
        yield 3, 28, [row["version"].to_bytes(4, "big"), bytes([row["algorithm"]]), number(row["leaf"]), bytes.fromhex(row["proposal"]),
                      number(row["created_us"]), sized32(bytes.fromhex(row["public_key"]))]
    for row in rows["revocations"]:
        yield 2, 25, [bytes([row["kind"]]), bytes.fromhex(row["proposal"]), number(row["created_us"]), sized32(row["value"].encode())]
    for row in rows["emergencies"]:
        yield 4, 26, [bytes.fromhex(row["id"] + row["subject_hash"]), number(row["opened_us"]), number(row["expires_us"]),
                      sized32(row["identity"].encode()), sized32(row["collection"].encode())]
    for row in rows["intents"]:
        yield 0, 27, [bytes.fromhex(row["id"] + row["key"] + row["proposal"]), struct.pack(">I", row["version"]), bytes([row["effect"]]),
                      number(row["created_us"]), sized32(row["node"].encode())]


def rows_sealed(v):
    """(key, sums as stored, tag)."""
    key = HKDF(hashes.SHA256(), 32, b"ward index 1", b"rows").derive(bytes.fromhex(v["index_key"]))

    def mac(*parts):
        return hmac.new(key, b"".join(parts), "sha256").digest()
    sums = [0] * 5
    for at, byte, fields in rows_facts(v["rows"]):
        sums[at] += int.from_bytes(mac(bytes([byte]), *fields), "big")
    changes = struct.pack(">Q", v["changes"])
    masks = [int.from_bytes(mac(b"\x01", bytes([at]), changes), "big") for at in range(5)]
    stored = changes + b"".join(((number + m) % (1 << 256)).to_bytes(32, "big") for number, m in zip(sums, masks))
    head = v["head"]
    tag = mac(b"\x00", struct.pack(">QQ", head["size"], head["epoch"]), sized32(bytes.fromhex(head["frontier"])), stored)
    return key, stored, tag


def check_rows(v):
    key, stored, tag = rows_sealed(v)
    yield "key", key.hex(), v["key"]
    yield "sums", stored.hex(), v["sums"]
    yield "tag", tag.hex(), v["tag"]


def pae(payload, decision):
    kind = b"application/vnd.ward.proposal+json; decision=" + decision.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def signature_holds(public_key, signature, message):
    try:
        if isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(signature, message)
        else:
            public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


def check_proposal(v):
    names = ("type", "deployment", "id", "action", "object", "parameters", "policy", "epoch", "proposer",
             "person", "created", "expires", "approvals", "reason", "consequences")
    fields = dict(v["proposal"], type="ward proposal 1")
    for name in ("parameters", "consequences"):
        fields[name] = dict(sorted(fields[name].items(), key=lambda item: item[0].encode()))
    payload = compact({name: fields[name] for name in names})
    yield "payload", payload, v["payload"]
    yield "digest", hashlib.sha256(payload.encode()).hexdigest(), v["digest"]
    for decision, expected in v["pae"].items():
        yield "pae " + decision, pae(payload.encode(), decision).hex(), expected
    for signature in v["signatures"]:
        certificate = load_der_x509_certificate(bytes.fromhex(signature["certificate"]))
        for decision in v["pae"]:
            holds = signature_holds(certificate.public_key(), bytes.fromhex(signature["signature"]),
                                    pae(payload.encode(), decision))
            yield signature["name"] + " " + decision, holds, decision == signature["decision"]


# --- notes, checkpoints, tiles

def note_key(vkey):
    name, key_id, encoded = vkey.split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    if typed[0] == 1:
        expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
        return name, key_id, expected, ed25519.Ed25519PublicKey.from_public_bytes(typed[1:])
    expected = hashlib.sha256(typed[1:]).digest()[:4]
    return name, key_id, expected, serialization.load_der_public_key(typed[1:])


def check_note(v):
    name, key_id, expected_id, public_key = note_key(v["vkey"])
    yield "key id", expected_id.hex(), key_id
    text, _, lines = v["note"].rpartition("\n\n")
    text += "\n"
    yield "text", text, v["text"]
    signatures = [line.split(" ")[1:] for line in lines.splitlines()]
    ours = [base64.b64decode(s) for n, s in signatures if n == name]
    yield "id in the note", ours[0][:4].hex(), key_id
    yield "signature", signature_holds(public_key, ours[0][4:], text.encode()), True
    if "checkpoint" in v:
        c = v["checkpoint"]
        root = base64.b64encode(bytes.fromhex(c["root"])).decode()
        yield "checkpoint", "%s\n%d\n%s\n" % (c["origin"], c["size"], root), text
    if "seed" in v:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(v["seed"]))
        yield "signed again", private.sign(text.encode()).hex(), ours[0][4:].hex()


def tile_path(folder, index, width):
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    path = "/".join(["x" + g for g in groups[:-1]] + [groups[-1]])
    return "tile/%s/%s%s" % (folder, path, "" if width == 256 else ".p/%d" % width)


def check_tile(v):
    if "path" in v:
        folder = "entries" if v["entries"] else str(v["level"])
        yield "path", tile_path(folder, int(v["index"]), v["width"]), v["path"]
    if "bundle" in v:
        yield "bundle", b"".join(sized16(e.encode()) for e in v["texts"]).hex(), v["bundle"]
    if "leaves" in v:
        row = [hashlib.sha256(b"\0" + struct.pack(">I", i)).digest() for i in range(v["leaves"])]
        yield "level 0", hashlib.sha256(b"".join(row)).hexdigest(), v["level0_sha256"]
        while len(row) > 1:
            row = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(row[::2], row[1::2])]
        yield "level 1", row[0].hex(), v["level1"]


# --- the page itself: what it prints must be what the vectors say

PRINTED = {
    "context.json": (2, ["canonical"]),
    "wrapped_key.json": (0, ["kek", "key_id", "iv", "plaintext", "aad", "wrapped", "text"]),
    "record.json": (0, ["json", "subject", "id", "subject_key", "id_hash", "salt", "info", "okm", "legend",
                        "sealed", "digest"]),
    "seal.json": (0, ["data_key", "salt", "info", "okm", "aad", "sealed"]),
    "leaf.json": (1, ["text", "hash"]),
    "proposal.json": (0, ["payload", "digest"]),
    "note.json": (1, ["seed", "vkey", "note"]),
    "rows.json": (0, ["key", "tag"]),
}


def check_page(folder):
    page = folder.parent.parent / "proto" / "FORMATS.md"
    text = "".join(page.read_text(encoding="utf-8").split())
    for file, (number, members) in PRINTED.items():
        vector = json.loads((folder / file).read_text(encoding="utf-8"))["vectors"][number]
        for member in members:
            yield file + " " + member, "".join(vector[member].split()) in text


CHECKS = {
    "context.json": check_context,
    "wrapped_key.json": check_wrapped_key,
    "record.json": check_record,
    "seal.json": check_seal,
    "leaf.json": check_leaf,
    "policy_chain.json": check_policy_chain,
    "rows.json": check_rows,
    "proposal.json": check_proposal,
    "note.json": check_note,
    "tiles.json": check_tile,
}


def main():
    folder = pathlib.Path(__file__).resolve().parent
    checked = failed = 0
    for file, check in CHECKS.items():
        for vector in json.loads((folder / file).read_text(encoding="utf-8"))["vectors"]:
            for what, actual, expected in check(vector):
                checked += 1
                if actual != expected:
                    failed += 1
                    print("%s: %s: %s: %r is not %r" % (file, vector["name"], what, actual, expected))
    for what, printed in check_page(folder):
        checked += 1
        if not printed:
            failed += 1
            print("FORMATS.md: %s: not as in the vector" % what)
    print("check_vectors: %d checked, %d failed" % (checked, failed))
    return 1 if failed or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
