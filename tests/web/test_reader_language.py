"""Pages in the reader's language: which one, how it is picked without a script, and both answers of
equal weight in each.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from licet.consent import catalogue_check, notice
from licet.consent.catalogue import catalogue, load_languages, stamp
from licet.policy.file import preset
from licet.proof import documents
from licet.service import policy_changes
from licet.store.connect import Pool
from licet.vault.commands import Choose
from licet.web.pages import reader_language, shared
from licet.web.pages.reader_language import COOKIE, COOKIE_SECONDS, set_off

from ..tiers import SIXTEENTH, WHOLE
from .browsing import PHONE, Site, browser, existing, site
from .served import NOTICE, ApplicationClient, World, api, url, world

__all__ = ["api", "browser", "site", "url", "world"]  # fixtures

ENGLISH = load_languages().english
ANSWERS_EQUAL = """() => {
  const looks = (e) => {
    const style = getComputedStyle(e), words = getComputedStyle(e.querySelector("b, span") || e);
    const box = e.getBoundingClientRect();
    return {width: Math.round(box.width), height: Math.round(box.height), ground: style.backgroundColor,
      border: style.borderTopColor + style.borderTopWidth, ink: words.color, size: words.fontSize, weight: words.fontWeight,
      face: words.fontFamily, align: style.textAlign};
  };
  const named = {};
  for (const radio of document.querySelectorAll('input[type=radio]')) (named[radio.name] ||= []).push(looks(radio.labels[0]));
  for (const form of document.querySelectorAll('form')) {
    const buttons = [...form.querySelectorAll('button[name=allow]')];
    if (buttons.length) named[form.action + Object.keys(named).length] = buttons.map(looks);
  }
  return Object.values(named);
}"""


@pytest.fixture
def ana(world: World) -> World:
    return with_ana(world)


def with_ana(world: World) -> World:
    """The world with an account that is to decide, asked in every language."""
    policy_changes.publish_notices(
        world.installation, actor="test"
    )  # in every language that they ship in
    world.open("ana")
    world.clock.set(NOTICE)
    return world


def page(world: World, api: Any, path: str, **headers: str) -> Any:
    answer = api.get(path, headers={**world.browser("ana"), **headers})
    assert answer.status_code == 200, path
    return answer


def test_a_page_speaks_the_language_of_its_reader_and_says_so(pool: Pool, tmp_path: Path) -> None:
    ana = with_ana(World(pool, tmp_path / "data", person_requests_per_minute=10**6))
    with ApplicationClient(ana.app) as api:
        for language in load_languages().names:
            words = catalogue(language)
            for path in ("/settings", "/chats", "/notice", "/feedback"):
                answer = page(ana, api, path, **{"accept-language": f"{language}, en;q=0.1"})
                assert f'<html lang="{language}" dir="{words.direction}">' in answer.text, (
                    language,
                    path,
                )
                assert answer.headers["content-language"] == language
                assert words.say("site.settings") in answer.text, (language, path)
                assert "\ue000" not in answer.text, (language, path)
            assert (words.direction == "rtl") == (language in ("ar", "he"))


def test_a_receipt_is_english_that_says_so_within_a_page_in_another_language(
    ana: World, api: Any
) -> None:
    ana.tell(Choose(account=ana.accounts["ana"], at=ana.clock.now, allow=True, via="notice"))
    documents.append(ana.installation)
    words = catalogue("de")
    of_receipt = f"/settings/receipts/{ana.accounts['ana'].hex}-{ana.rows('SELECT max(seq) FROM choices')[0][0]}"
    said = page(ana, api, of_receipt, **{"accept-language": "de"}).text
    receipt, rest = said.partition('<article lang="en" dir="ltr">')[2].split("</article>")
    assert all(word in receipt for word in ("Kept for", "5 years", "improve models"))
    assert words.say("receipt.proves") in rest
    assert words.say("receipt.english") in unmarked_text(said)
    english = page(ana, api, of_receipt, **{"accept-language": "en"}).text
    assert words.say("receipt.english") not in english


def unmarked_text(page: str) -> str:
    return re.sub(r"</?span[^>]*>", "", page)


def test_the_notice_and_the_record_of_what_was_shown_are_those_of_the_language(
    ana: World, api: Any
) -> None:
    german = {"accept-language": "de"}
    english = notice.list_shipped_sources(preset("article-2025"), ["en"])[0]
    source = re.sub(
        r"(?m)^title: (.*)$",
        r"title: 'Auf Deutsch: \1'",
        english.replace("language: en", "language: de"),
    )
    policy_changes.publish_notices(ana.installation, [source], actor="test")
    shown = page(ana, api, "/notice", **german).text
    assert '<article class="notice" lang="de" dir="ltr">' in shown
    assert "Auf Deutsch: " in shown
    showing = re.search(r'name="showing" value="([0-9a-f]+)"', shown)
    assert showing is not None
    form = {"act": "save", "allow": "no", "terms": "yes", "showing": showing[1]}
    api.post("/notice", headers={**ana.browser("ana"), **german}, data=form, follow_redirects=False)
    sha = ana.rows(
        "SELECT n.sha256 FROM notices n WHERE n.language = 'de' ORDER BY n.position DESC"
    )[0][0].hex()
    record = page(ana, api, "/settings", **german).text
    assert (
        catalogue("de").say("settings.record.notice", hash=sha[:12], language="Deutsch") in record
    )


def test_who_has_no_notice_in_their_language_sees_the_english_one_as_english(
    ana: World, api: Any
) -> None:
    with ana.installation.pool.connection() as tx:
        tx.execute("DELETE FROM notices WHERE language = 'ar'")
    shown = page(ana, api, "/notice", **{"accept-language": "ar"}).text
    assert '<html lang="ar" dir="rtl">' in shown
    assert '<article class="notice" lang="en" dir="ltr">' in shown
    text = notice.parse_notice(
        notice.fill(
            notice.list_shipped_sources(preset("article-2025"), ["en"])[0], preset("article-2025")
        )
    )
    for words in (text.yes, text.no):
        assert f'<span lang="en" dir="ltr">{words}</span>' in shown
    assert catalogue("ar").say("notice.choice.hint") in shown


def test_a_language_is_picked_without_a_script_and_kept_in_a_cookie_that_holds_nothing_else(
    ana: World, api: Any
) -> None:
    browser = ana.browser("ana")
    plain = page(ana, api, "/settings", **{"accept-language": "de"})
    assert "set-cookie" not in plain.headers, "nothing is kept of who picked nothing"
    form = re.search(
        r'<footer class="language"><form method="get" action="([^"]+)">(.*?)</form>',
        plain.text,
        re.DOTALL,
    )
    assert form is not None and form[1] == "/settings"
    assert '<option value="de" lang="de" dir="ltr" selected>Deutsch</option>' in form[2]
    assert set(re.findall(r'<option value="([^"]+)"', form[2])) == set(load_languages().names)
    picked = page(ana, api, "/settings?lang=ja", **{"accept-language": "de"})
    assert '<html lang="ja"' in picked.text
    (kept,) = [v for k, v in picked.headers.multi_items() if k == "set-cookie"]
    parts = {part.strip().lower() for part in kept.split(";")}
    assert {
        f"{COOKIE.lower()}=ja",
        "httponly",
        "secure",
        "samesite=lax",
        "path=/",
        f"max-age={COOKIE_SECONDS}",
    } <= parts
    later = {**browser, "cookie": f"{browser['cookie']}; {COOKIE}=ja", "accept-language": "de"}
    assert '<html lang="ja"' in api.get("/chats", headers=later).text
    for unknown in ("xx", "../en", ""):
        other = page(ana, api, f"/settings?lang={unknown}", **{"accept-language": "de"})
        assert '<html lang="de"' in other.text
        assert "set-cookie" not in other.headers


def test_who_is_not_signed_in_picks_a_language_too(world: World, api: Any) -> None:
    for path, status in (("/", 200), ("/settings", 401)):
        answer = api.get(f"{path}?lang=ar", headers={"accept": "text/html"})
        assert answer.status_code == status
        assert '<html lang="ar" dir="rtl">' in answer.text
        assert '<footer class="language">' in answer.text


def test_a_component_speaks_its_hosts_language_and_neither_reads_nor_sets_the_cookie(
    ana: World, api: Any
) -> None:
    browser = ana.browser("ana")
    asked = {
        **browser,
        "cookie": f"{browser['cookie']}; {COOKIE}=ja",
        "accept-language": "ar",
        "licet-fragment": "1",
    }
    answer = api.get("/settings", headers=asked)
    assert answer.text.startswith('<div class="licet-page" id="licet-content" lang="ar" dir="rtl"')
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert '<footer class="language">' not in answer.text


def test_an_answer_given_in_one_language_counts_as_in_any_other(ana: World, api: Any) -> None:
    ana.tell(Choose(account=ana.accounts["ana"], at=ana.clock.now, allow=True, via="notice"))
    for language in load_languages().names:
        words = catalogue(language)
        purposes = words.join_names(
            [words.purpose(name) for name in ("improve_models", "safety_classifiers")]
        )
        said = page(ana, api, "/settings", **{"accept-language": language}).text
        assert words.say("settings.now.granted", purposes=purposes) in said.replace("&#34;", '"')


# What is said in English


def test_english_among_another_language_is_set_off_where_an_element_can_stand() -> None:
    html = (
        '<title>\ue000A\ue001</title><p title="\ue000B\ue001">x \ue000C \ue000D\ue001 <b>E</b>\ue001</p>'
        "<option>\ue000F\ue001</option>"
    )
    off = '<span lang="en" dir="ltr">'
    assert set_off(html) == (
        f'<title>A</title><p title="B">x {off}C D <b>E</b></span></p><option>F</option>'
    )
    assert set_off("<p>nothing</p>") == "<p>nothing</p>"
    assert set_off("a\ue001b") == "ab"
    assert set_off("a\ue000b") == f"a{off}b</span>"
    assert reader_language.strip_marks("\ue000A\ue001") == "A"


def test_a_page_in_a_language_of_one_sentence_is_english_that_says_so(tmp_path: Path) -> None:
    file = {
        "sentences": {"home.what": "Licet konservas."},
        "of": {"home.what": stamp(ENGLISH["home.what"])},
    }
    (tmp_path / "eo.json").write_text(json.dumps(file), "utf-8")
    words = load_languages(tmp_path).catalogue("eo", marked=True)
    html = shared.public_page(
        words,
        title=words.say("site.name"),
        lines=[words.say("home.what"), words.say("home.person")],
    )
    assert "<p>Licet konservas.</p>" in html
    assert f'<p><span lang="en" dir="ltr">{ENGLISH["home.person"]}</span></p>' in html
    assert f"<title>{ENGLISH['site.name']}</title>" in html


# As it is seen


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_both_answers_weigh_the_same_in_every_language_and_nothing_runs_out_of_a_phone(
    site: Site,
) -> None:
    policy_changes.publish_notices(site.town.installation, actor="test")
    site.town.open("eve", age=None)
    existing(site)
    visited = site.visit("eve", "/notice", viewport=PHONE)
    for language in (
        load_languages().names if WHOLE else load_languages().names[SIXTEENTH % 4 :: 4]
    ):  # others each day
        for path in ("/notice", "/settings"):
            visited.goto(f"{site.url}{path}?lang={language}")
            assert visited.evaluate("() => document.documentElement.lang") == language
            wide = visited.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{path} is {wide} px too wide in {language}"
            pairs = visited.evaluate(ANSWERS_EQUAL)
            assert len(pairs) == 2, "one pair a question"
            for yes, no in pairs:
                assert yes | {"height": 0} == no | {"height": 0}, f"{path} in {language}"
                lines = abs(yes["height"] - no["height"])
                assert lines <= LINE_PIXELS, (
                    f"{path} in {language}: {yes['height']} and {no['height']} px"
                )


# a label may break into one line more than the other, with its explanation into one more
LINE_PIXELS = 60


def test_the_lengths_that_the_check_allows_are_those_that_fit() -> None:
    assert catalogue_check.length_max("Keep out") == len("Keep out") + 12
    assert catalogue_check.length_max("x" * 25) == 45
    assert catalogue_check.length_max("x" * 100) == pytest.approx(220)
