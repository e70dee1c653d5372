"""``python -m dolmen.gateway``."""

import sys

from dolmen.gateway.app import main

sys.exit(main(sys.argv[1:]))
