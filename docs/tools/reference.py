"""The reference pages of the command line and of the settings, made from the code.

python docs/tools/reference.py            writes docs/reference/commands.md and settings.md
python docs/tools/reference.py --check    says which of them is not what the code gives; exit code 1
"""

import sys
from collections.abc import Sequence

from cells import ROOT
from commands_page import command_page
from settings_page import settings_page

PAGES = ROOT / "docs" / "reference"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them; return the exit code."""
    wrong = []
    for name, text in {"commands.md": command_page(), "settings.md": settings_page()}.items():
        path = PAGES / name
        if arguments[:1] == ["--check"]:
            wrong += (
                [] if path.is_file() and path.read_text(encoding="utf-8") == text else [str(path.relative_to(ROOT))]
            )
        else:
            path.write_text(text, encoding="utf-8")
    if wrong:
        print(f"{', '.join(wrong)}: not what the code gives; run: python docs/tools/reference.py", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
