"""The papers of the law for staff: the officer makes them, the auditor reads them, and nobody else
sees any.
"""

from __future__ import annotations

import json

from licet.access.roles import StaffRole
from licet.proof import documents
from licet.verifier import Verdict

from .served import World, api, world

__all__ = ["api", "world"]

UNKNOWN = "0" * 64


def lived_in(world: World) -> None:
    world.open("ana", allow=True)
    documents.append(world.installation)


def test_the_officer_makes_a_paper_by_the_api_and_the_auditor_reads_it(api, world) -> None:
    officer, auditor = world.staff(StaffRole.privacy_officer), world.staff(StaffRole.auditor)
    nothing = api.post("/v1/documents", json={"kind": "ropa"}, headers=officer)
    assert (nothing.status_code, "no log yet" in nothing.text) == (409, True), nothing.text
    lived_in(world)
    made = api.post("/v1/documents", json={"kind": "ropa"}, headers=officer)
    assert made.status_code == 200, made.text
    told = made.json()
    assert (told["again"], "name" in told["to_be_provided"]) == (False, True)
    again = api.post(
        "/v1/documents", json={"kind": "ropa", "position": told["position"]}, headers=officer
    )
    assert (again.json()["sha256"], again.json()["again"]) == (told["sha256"], True)
    (listed,) = api.get("/v1/documents", headers=auditor).json()["items"]
    assert (listed["sha256"], listed["made_by"].startswith("staff:")) == (told["sha256"], True)
    file = api.get(f"/v1/documents/{told['sha256']}", headers=auditor)
    assert json.loads(file.content)["entry"] is None
    text = api.get(f"/v1/documents/{told['sha256']}?format=markdown", headers=auditor)
    assert text.text.startswith("# Record of processing activities")
    assert api.get(f"/v1/documents/{UNKNOWN}", headers=auditor).status_code == 404
    assert api.post("/v1/documents", json={"kind": "ropa"}, headers=auditor).status_code == 403


def test_a_paper_that_cannot_be_asked_for_so_is_refused_with_its_place(api, world) -> None:
    officer = world.staff(StaffRole.privacy_officer)
    lived_in(world)
    for body, status in (
        ({"kind": "tax-return"}, 400),
        ({"kind": "ropa", "position": "99999"}, 400),
        ({"kind": "ropa", "releases": ["x"]}, 404),
        ({"kind": "ropa", "at": "1"}, 400),
    ):
        assert api.post("/v1/documents", json=body, headers=officer).status_code == status, body


def test_the_page_makes_a_paper_and_its_links_download_it(api, world) -> None:
    officer, auditor = world.staff(StaffRole.privacy_officer), world.staff(StaffRole.auditor)
    empty = api.post(
        "/console/documents", data={"kind": "ab2013"}, headers=officer, follow_redirects=False
    )
    assert (empty.status_code, "There is no log yet." in empty.text) == (422, True), empty.text
    lived_in(world)
    page = api.get("/console/documents", headers=officer)
    assert "None was made yet." in page.text
    assert (
        "Pick a paper." in api.post("/console/documents", data={"kind": ""}, headers=officer).text
    )
    done = api.post(
        "/console/documents", data={"kind": "ab2013"}, headers=officer, follow_redirects=False
    )
    assert (done.status_code, done.headers["location"]) == (
        303,
        "/console/documents?flash=make_document",
    )
    again = api.post(
        "/console/documents", data={"kind": "ab2013"}, headers=officer, follow_redirects=False
    )
    assert again.headers["location"] == "/console/documents?flash=again"
    shown = api.get("/console/documents?flash=make_document", headers=auditor).text
    assert "The paper is made and signed." in shown
    assert "Make and sign" not in shown
    ((sha256,),) = world.rows("SELECT encode(sha256, 'hex') FROM documents")
    for form, begins in (
        ("md", "# Documentation of training data"),
        ("html", "<!doctype html>"),
        ("json", "{"),
    ):
        file = api.get(f"/console/documents/{sha256}/{form}", headers=auditor)
        assert file.text.startswith(begins)
        assert (
            file.headers["content-disposition"]
            == f'attachment; filename="paper-{sha256[:12]}.{form}"'
        )
    assert api.get(f"/console/documents/{sha256}/exe", headers=auditor).status_code == 404


def test_a_paper_that_the_api_hands_out_is_proved_as_any_other(api, world) -> None:
    from licet import verifier

    officer = world.staff(StaffRole.privacy_officer)
    lived_in(world)
    sha256 = api.post("/v1/documents", json={"kind": "risk-assessment"}, headers=officer).json()[
        "sha256"
    ]
    documents.append(world.installation)
    raw = api.get(f"/v1/documents/{sha256}", headers=officer).content
    key = verifier.trust(documents.key(world.installation).vkey)
    log = verifier.FolderFiles(
        documents.place(world.installation).folder / documents.years(world.installation)[-1]
    )
    assert verifier.check_document(raw, [(key, log)]).answer is Verdict.proved
