"""What an import does in its own process: download, unpack, read with GDAL, load into PostgreSQL."""
