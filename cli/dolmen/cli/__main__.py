"""``python -m dolmen.cli``: the same as the ``dolmen`` command."""

from __future__ import annotations

from dolmen.cli.main import main

if __name__ == "__main__":
    main()
