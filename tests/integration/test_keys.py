# SPDX-License-Identifier: Apache-2.0
"""KEKs: who may make and see them, and what they say of themselves."""
import pytest
from harness.client import header
from harness.stubs import keys_pb2


def list_keys(client, **page):
    return client.keys.ListKeys(keys_pb2.ListKeysRequest(header=header(), **page), timeout=10)


def test_a_key_is_made_and_described(officer_a, officer_b):
    made = officer_a.create_key("app/made").key
    seen = officer_b.describe_key("app/made")
    assert made.id == seen.id and seen.backend == "pkcs11" and seen.enabled and seen.rotation_period_days == 365
    assert [(v.version, v.state) for v in seen.versions] == [(1, "active")]


def test_a_name_is_used_once(officer_a, officer_b, refused):
    officer_a.create_key("app/once")
    refused("ALREADY_EXISTS", "", lambda: officer_a.create_key("app/once"))
    refused("ALREADY_EXISTS", "", lambda: officer_b.create_key("app/once", keys_pb2.KEY_PURPOSE_RECORDS))


@pytest.mark.parametrize("purpose", [keys_pb2.KEY_PURPOSE_UNSPECIFIED, keys_pb2.KEY_PURPOSE_SYSTEM, 4, 255])
def test_a_purpose_that_nobody_may_ask_for_is_refused(officer_a, refused, purpose):
    refused("INVALID_ARGUMENT", "purpose", lambda: officer_a.create_key("app/purpose", purpose))


@pytest.mark.parametrize("name", ["", "A", "a//b", "/a", "a/", "a b", "a" * 129, "ключ", "a/../b"])
def test_a_name_outside_the_grammar_is_refused(officer_a, refused, name):
    refused("INVALID_ARGUMENT", "name", lambda: officer_a.create_key(name))


@pytest.mark.parametrize("client", ["app", "auditor", "writer", "stranger"])
def test_only_officers_make_keys(request, refused, client):
    refused("PERMISSION_DENIED", "", lambda: request.getfixturevalue(client).create_key(f"app/by-{client}"))


def test_an_unknown_key_is_not_found(officer_a, refused):
    refused("NOT_FOUND", "", lambda: officer_a.describe_key("app/nothing-here"))
    refused("NOT_FOUND", "", lambda: officer_a.propose_rotation("app/nothing-here"))


def test_an_application_describes_nothing(app, refused):
    refused("PERMISSION_DENIED", "", lambda: app.describe_key("app/demo"))
    refused("PERMISSION_DENIED", "", lambda: app.describe_key("app/nothing-here"))


def test_list_is_sorted_paged_and_whole(officer_a, auditor):
    whole = [key.name for key in list_keys(auditor, page_size=1000).keys]
    assert whole == sorted(whole) and "app/demo" in whole and "phi/records" in whole
    names, token = [], ""
    while True:
        page = list_keys(officer_a, page_size=2, page_token=token)
        assert len(page.keys) <= 2
        names += [key.name for key in page.keys]
        token = page.next_page_token
        if not token:
            break
    assert names == whole


def test_a_page_over_the_limit_is_refused(officer_a, refused):
    refused("INVALID_ARGUMENT", "page_size", lambda: list_keys(officer_a, page_size=1001))
