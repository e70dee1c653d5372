"""The bench is run as a script from this directory; its tests find it in the same place."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
