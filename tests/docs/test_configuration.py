"""The table of settings says what the code does."""

import re

from cloaca.runner.config import ALIASES, SETTINGS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_table_has_each_setting_with_its_default_and_its_rule():
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+?) \|", PAGE, re.MULTILINE)
    assert rows == [(name, repr(setting.default), setting.rule) for name, setting in SETTINGS.items()]


def test_each_alias_is_named():
    for alias, name in ALIASES.items():
        assert re.search(rf"`{alias}` (is another name )?of\s+`{name}`|`{alias}` of `{name}`", PAGE)
