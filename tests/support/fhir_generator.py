#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes synthetic FHIR R4 patients: one transaction bundle a file. Nobody in them is real.

The same seed gives the same bytes. The text is awkward on purpose, because a record must come back
byte by byte: numbers such as 1.10 and 1E+0, names outside ASCII, escapes where none is needed, white
space of every legal kind, and now and then a resource of tens of kilobytes.

usage: fhir_generator.py DIR [--patients N] [--seed S]
"""
import argparse
import base64
import json
import pathlib
import random
import uuid

GIVEN = ["Zoë", "Åsa", "José", "Mária", "Søren", "Đặng", "Нина", "Ελένη", "美咲", "Łukasz", "Aoife", "Emma", "Noah"]
FAMILY = ["Núñez", "O'Brien", "Müller", "Kowalczyk", "Þórsdóttir", "Иванова", "佐藤", "Nguyễn", "Smith", "de la Cruz"]
CITIES = ["Łódź", "São Paulo", "Zürich", "Springfield", "Århus", "京都市", "Málaga"]
CONDITIONS = [("44054006", "Diabetes mellitus type 2"), ("38341003", "Hypertensive disorder"),
              ("195967001", "Asthma"), ("10509002", "Acute bronchitis \"with\" cough\\sputum")]
OBSERVATIONS = [("29463-7", "Body weight", "kg", 40, 140), ("8302-2", "Body height", "cm", 140, 210),
                ("2339-0", "Glucose", "mg/dL", 60, 250), ("8310-5", "Body temperature", "Cel", 35, 41),
                ("2160-0", "Creatinine", "mg/dL", 0, 3)]
DRUGS = [("860975", "Metformin 500 MG"), ("314076", "Lisinopril 10 MG"), ("745679", "Albuterol 0.09 MG/ACTUAT")]


class Number(str):
    """A JSON number with its own spelling."""


class Writer:
    """JSON in one of several hands; each keeps the value and none the spelling."""

    def __init__(self, rng: random.Random, hand: str):
        self.rng, self.hand = rng, hand

    def space(self) -> str:
        if self.hand != "odd":
            return ""
        return self.rng.choice(["", "", " ", "  ", "\t", "\n", "\r\n", " \n\t "])

    def string(self, text: str) -> str:
        if self.hand == "escaped":
            return json.dumps(text).replace("/", "\\/")
        if self.hand == "odd" and not text.isascii():
            out = "".join(f"\\u{ord(c):04X}" if c.isalpha() and ord(c) < 0x10000 else json.dumps(c)[1:-1] for c in text)
            return f'"{out}"'
        return json.dumps(text, ensure_ascii=False)

    def line(self, depth: int) -> str:
        return "\n" + "  " * depth if self.hand == "pretty" else self.space()

    def write(self, value, depth: int = 0) -> str:
        if isinstance(value, Number):
            return str(value)
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, bool) or value is None or isinstance(value, int):
            return json.dumps(value)
        colon = ": " if self.hand == "pretty" else self.space() + ":" + self.space()
        if isinstance(value, dict):
            parts, brackets = [json.dumps(k) + colon + self.write(v, depth + 1) for k, v in value.items()], "{}"
        else:
            parts, brackets = [self.write(v, depth + 1) for v in value], "[]"
        if not parts:
            return brackets[0] + self.space() + brackets[1]
        inner = ("," + self.line(depth + 1)).join(part + self.space() for part in parts)
        return brackets[0] + self.line(depth + 1) + inner + self.line(depth) + brackets[1]


class Patient:
    """One synthetic patient and what was recorded about them."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.id = self.uuid()

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def day(self, first: int = 2010, last: int = 2024) -> str:
        return f"{self.rng.randint(first, last)}-{self.rng.randint(1, 12):02}-{self.rng.randint(1, 28):02}"

    def instant(self) -> str:
        return f"{self.day()}T{self.rng.randint(0, 23):02}:{self.rng.randint(0, 59):02}:00.{self.rng.randint(0, 999):03}+01:00"

    def number(self, low: int, high: int) -> Number:
        whole = self.rng.randint(low, high)
        return Number(self.rng.choice([f"{whole}.{self.rng.randint(1, 9)}0", f"{whole}", f"{whole}.00",
                                       f"{whole}.{self.rng.randint(0, 99):02}", f"{whole}E+0", f"{whole}.5e-1"]))

    def resource(self, kind: str, **members) -> dict:
        return {"resourceType": kind, "id": self.uuid(), **members}

    def reference(self) -> dict:
        return {"reference": f"urn:uuid:{self.id}"}

    def code(self, system: str, code: str, display: str) -> dict:
        return {"coding": [{"system": system, "code": code, "display": display}], "text": display}

    def patient(self) -> dict:
        rng = self.rng
        given, family = rng.choice(GIVEN), rng.choice(FAMILY)
        return {
            "resourceType": "Patient", "id": self.id,
            "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Synthetic patient; not a real person.</div>'},
            "identifier": [
                {"system": "urn:example:mrn", "value": f"MRN-{rng.randint(10**7, 10**8 - 1)}"},
                {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"999-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"}],
            "name": [{"use": "official", "family": family, "given": [given, rng.choice(GIVEN)]}],
            "telecom": [{"system": "phone", "value": f"+1 555 01{rng.randint(10, 99)}", "use": "home"}],
            "gender": rng.choice(["female", "male", "other", "unknown"]),
            "birthDate": self.day(1930, 2020),
            "address": [{"line": [f"{rng.randint(1, 999)} Rue de l’Église"], "city": rng.choice(CITIES), "country": "XX",
                         "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/geolocation",
                                        "valueDecimal": self.number(-89, 89)}]}],
            "multipleBirthBoolean": rng.random() < 0.1,
        }

    def observation(self) -> dict:
        code, display, unit, low, high = self.rng.choice(OBSERVATIONS)
        return self.resource("Observation", status="final", code=self.code("http://loinc.org", code, display),
                             subject=self.reference(), effectiveDateTime=self.instant(),
                             valueQuantity={"value": self.number(low, high), "unit": unit,
                                            "system": "http://unitsofmeasure.org", "code": unit})

    def condition(self) -> dict:
        return self.resource("Condition", code=self.code("http://snomed.info/sct", *self.rng.choice(CONDITIONS)),
                             subject=self.reference(), onsetDateTime=self.instant(), note=[])

    def encounter(self) -> dict:
        return self.resource("Encounter", status="finished", subject=self.reference(),
                             period={"start": self.instant(), "end": self.instant()}, **{"class": {"code": "AMB"}})

    def medication(self) -> dict:
        drug = self.code("http://www.nlm.nih.gov/research/umls/rxnorm", *self.rng.choice(DRUGS))
        return self.resource("MedicationRequest", status="active", intent="order", subject=self.reference(),
                             medicationCodeableConcept=drug, authoredOn=self.instant(), dosageInstruction=[{
                                 "doseAndRate": [{"doseQuantity": {"value": self.number(0, 4), "unit": "tablet"}}]}])

    def document(self, size: int) -> dict:
        data = base64.b64encode(self.rng.randbytes(size)).decode()
        return self.resource("DocumentReference", status="current", subject=self.reference(), date=self.instant(),
                             content=[{"attachment": {"contentType": "application/pdf", "data": data, "size": size}}])

    def panel(self, results: int) -> dict:
        """A long list of small things, where spacing has the most places to hide."""
        return self.resource("DiagnosticReport", status="final", subject=self.reference(), issued=self.instant(),
                             result=[{"reference": f"urn:uuid:{self.uuid()}", "display": f"№ {i}"} for i in range(results)])

    def resources(self) -> list:
        rng = self.rng
        makers = [self.observation, self.observation, self.observation, self.condition, self.encounter, self.medication]
        made = [self.patient()] + [rng.choice(makers)() for _ in range(rng.randint(12, 40))]
        made.append(self.document(rng.choice([300, 3000, 36000])))
        made.append(self.panel(rng.choice([0, 3, 400])))
        return made


def bundle(rng: random.Random) -> str:
    """A transaction bundle; every resource is written in a hand of its own."""
    entries = []
    for resource in Patient(rng).resources():
        text = Writer(rng, rng.choice(["compact", "pretty", "odd", "escaped"])).write(resource, 3)
        url = f'"urn:uuid:{resource["id"]}"'
        request = f'{{"method": "POST", "url": "{resource["resourceType"]}"}}'
        entries.append(f'    {{\n      "fullUrl": {url},\n      "resource": {text},\n      "request": {request}\n    }}')
    return ('{\n  "resourceType": "Bundle",\n  "type": "transaction",\n  "entry": [\n' + ",\n".join(entries) + "\n  ]\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes synthetic FHIR R4 patient bundles.")
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.dir.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.patients):
        rng = random.Random(arguments.seed * 1_000_003 + number)
        path = arguments.dir / f"patient-{number + 1:04}.json"
        path.write_text(bundle(rng), encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
