"""What a `nexus+http://` URL says, and what is wrong with one, without telling its key."""

from pathlib import Path
from typing import Final

import pytest

from grove_sm.connect import check_urls, open_stores
from grove_sm.domain.errors import ValidationError
from grove_sm.nexus.url import KEY_VARIABLE, NexusUrl
from grove_sm.settings import Settings
from grove_sm.urls import hide_secrets

SECRET: Final = "sk-pr1vate"  # noqa: S105 - of servers that live as long as a test


def parse(url: str) -> NexusUrl:
    return NexusUrl.parse(url, setting="stores.claims")


@pytest.mark.parametrize(
    ("url", "name", "server", "zone"),
    [
        ("nexus+http://h:2026/z", "nexus+http://h:2026/z", "http://h:2026", "z"),
        ("nexus+https://h/z-1/", "nexus+https://h/z-1", "https://h", "z-1"),
        ("nexus+http://[::1]:7/a.b_c", "nexus+http://[::1]:7/a.b_c", "http://[::1]:7", "a.b_c"),
        (f"nexus+http://h/z?key={SECRET}", "nexus+http://h/z", "http://h", "z"),
    ],
)
def test_what_a_url_says(url: str, name: str, server: str, zone: str) -> None:
    found = parse(url)
    assert (found.name, found.server, found.zone) == (name, server, zone)
    assert parse(found.name).name == name


def test_the_key_is_in_the_url_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert parse("nexus+http://h/z").key is None
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    assert parse("nexus+http://h/z").key == SECRET
    found = parse("nexus+http://h/z?key=another%2Bone")
    assert found.key == "another+one"
    assert "another" not in repr(found)
    assert found.hide("with another+one in it") == "with *** in it"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        (f"nexus+http://{SECRET}@h/z", "must look like"),
        (f"nexus+http://u:{SECRET}@h/z", "must look like"),
        (f"nexus+http://h:{SECRET}/z", "must look like"),
        (f"nexus+http://h/z#{SECRET}", "must look like"),
        (f"nexus+http:///z?key={SECRET}", "must look like"),
        (f"nexus+http://h/z?{SECRET}", "must look like"),
        (f"nexus+http://h/z?key={SECRET}%0A", "a key of visible ASCII"),
        (f"nexus+http://h/z?key={SECRET}&nokey=1", "no options but key and ca (got 'nokey')"),
        ("nexus+http://h", "must name a zone"),
        ("nexus+http://h/", "must name a zone"),
        ("nexus+http://h/a/b", "must name a zone"),
        ("nexus+http://h/..", "must name a zone"),
        ("nexus+http://h/a..b", "must name a zone"),
        ("nexus+http://h/%2E%2E", "must name a zone"),
        (f"nexus+http://h/{'z' * 129}", "must name a zone"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_quoting_the_key(
    url: str, rule: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError) as caught:
        check_urls("memory://", {"claims": url}, tmp_path)
    assert caught.value.field == "stores.claims"
    assert rule in str(caught.value)
    told = [str(caught.value), repr(caught.value.to_document()), hide_secrets(url)]
    told.append(repr(Settings.model_construct(journal="memory://", stores={"claims": url})))
    if f"h:{SECRET}" not in url and f"#{SECRET}" not in url and f"?{SECRET}" not in url:
        assert SECRET not in "".join(told)
    assert SECRET not in "".join(told[:2])


def test_a_journal_cannot_be_there(tmp_path: Path) -> None:
    with pytest.raises(
        ValidationError, match="must begin with sqlite:///, postgresql:// or memory://"
    ):
        check_urls("nexus+http://h/z", {}, tmp_path)


def test_collections_in_one_zone_share_a_store(tmp_path: Path) -> None:
    urls = {
        "claims": "nexus+http://h/z",
        "bounties": f"nexus+http://h/z/?key={SECRET}",
        "handoffs": "nexus+http://h/another",
    }
    opened = open_stores(urls, tmp_path, busy_timeout=1.0)
    try:
        assert opened["claims"] is opened["bounties"] is not opened["handoffs"]
    finally:
        for store in opened.values():
            store.close()
