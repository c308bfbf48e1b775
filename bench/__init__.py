"""How fast the package is, row by row, beside what limits it and beside carto-python 1.11.3: see README.md."""
