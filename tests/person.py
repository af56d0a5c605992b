"""A person in a browser of their own, who is sent to the notice by a link, reads it, and says yes.
Alone: `person.py LINK`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from licet.consent import rendered_page

NO_BROWSER = 75


def allows(link: str) -> None:
    """Opens the link and answers; a process apart, as a browser's driver leaves a loop behind in
    the one that it was in.
    """
    done = subprocess.run(
        [sys.executable, __file__, link], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode == NO_BROWSER:
        from .web.browsing import absent

        absent("no browser")
    assert done.returncode == 0, done.stderr


def main(link: str) -> int:
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(
                executable_path=rendered_page.find_chromium(os.environ)
            )
        except Error:
            return NO_BROWSER
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(link)
        page.get_by_label("I accept").check()
        # to each question
        for answer in page.locator("label.answer", has_text=re.compile(r"^\s*Use my chats")).all():
            answer.check()
        page.get_by_role("button", name=re.compile("Save my answer|Finish signing up")).click()
        page.get_by_text("may be used", exact=False).first.wait_for()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
