"""``python -m dolmen.datanode``."""

import sys

from dolmen.datanode.app import main

sys.exit(main(sys.argv[1:]))
