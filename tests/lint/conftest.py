# SPDX-License-Identifier: Apache-2.0
"""The lint rules import tree.py from beside them."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
