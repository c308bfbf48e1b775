"""Why imports fail: CARTO's codes, with the texts that its answers explain them by."""

from __future__ import annotations

from typing import NamedTuple

ALL_SKIPPED = 1022
STUCK = 6671
UNKNOWN = 99999


class ImportFailed(Exception):
    """An import that came to nothing.

    Attributes:
        code: CARTO's error code, such as 1005 for an empty file.
        detail: What was wrong with this source, for the log; may be empty.
        http_status: What the remote server answered, when that was the reason.
    """

    def __init__(self, code: int, detail: str = "", http_status: int | None = None) -> None:
        super().__init__(code, detail, http_status)
        self.code = code
        self.detail = detail
        self.http_status = http_status

    def __str__(self) -> str:
        title = TEXTS[self.code].title if self.code in TEXTS else ""
        return f"import error {self.code}: " + (self.detail or title)


class ErrorText(NamedTuple):
    """The parts of ``get_error_text``; the advice is a piece of HTML."""

    title: str
    what_about: str
    source: str = "user"


TEXTS = {
    1: ErrorText("Install error", "Something that imports need is not installed on the server.", "cartodb"),
    1000: ErrorText("File I/O error", "The file could not be read or stored. Please upload it again.", "cartodb"),
    1001: ErrorText("Download error", "The server of this URL did not send the file. Please try the URL in a browser."),
    1002: ErrorText("Unsupported/Unrecognized file type", "There is no file in it of a format that can be imported."),
    1003: ErrorText("Decompression error", "The archive is damaged, or it is no archive. Please compress it again."),
    1004: ErrorText("XLS/XLSX Error", "The spreadsheet cannot be read. Please save it again, or as CSV."),
    1005: ErrorText("Empty file", "There are no rows in it. Please check the file."),
    1006: ErrorText(
        "Invalid SHP file",
        "A Shapefile is a .shp, a .shx, a .dbf and a .prj of the same name; one is missing or damaged.",
    ),
    1011: ErrorText("Error retrieving data from datasource", "The item is gone, or you may not read it."),
    1012: ErrorText("Error connecting to datasource", "The source does not answer, or refuses you.", "external"),
    1014: ErrorText("Invalid name", "No free table name could be made of this one. Please rename the file."),
    1015: ErrorText("No results", "The query of this source gave no rows."),
    1017: ErrorText("GDrive file was deleted", "The source of this dataset is gone."),
    1018: ErrorText("File is password protected", "The archive is encrypted. Please upload it without a password."),
    1019: ErrorText("Too Many Layers", "A KML file may have 50 layers at most. Please split it."),
    1020: ErrorText("Download timeout", "The server of this URL is too slow. Please download the file and upload it."),
    1022: ErrorText("All tables were skipped", "Tables of these names exist, and the import was told to skip such."),
    1100: ErrorText("Download file not found", "There is nothing at this URL (404). Please check it."),
    1101: ErrorText("Forbidden file URL", "The server of this URL wants a password (401 or 403)."),
    1102: ErrorText(
        "Unknown server URL",
        "This host does not exist, or may not be reached: a sandbox reads from this machine alone unless "
        "the account's import limit <code>remote_hosts</code> is set.",
    ),
    1103: ErrorText("Partial file error", "The transfer ended before the file did. Please try again."),
    1500: ErrorText("Connector error", "The remote database could not be reached, or refused the query."),
    1501: ErrorText("Connectors disabled", "This kind of database cannot be imported from here."),
    1502: ErrorText("Connector invalid parameters", "The description of the remote database is not complete."),
    2001: ErrorText("Unable to load data", "The data could not be read into the database. Please check the file."),
    2002: ErrorText("Encoding detection error", "This is no text in a known encoding. Please save it as UTF-8."),
    2003: ErrorText("Malformed CSV", "The rows or quotes of this file do not add up. Please check its structure."),
    2004: ErrorText("Too many columns", "There are more columns than a table may have. Please remove some."),
    2005: ErrorText("Duplicated column", "Two columns have the same name. Please rename one."),
    2006: ErrorText("Encoding error", "There are characters that its encoding does not have. Please save it as UTF-8."),
    2008: ErrorText("Malformed XLS", "The Excel file is damaged, or too old. Please save it as XLSX."),
    2010: ErrorText("Incompatible CARTO table", "The table could not be given the columns that every dataset has."),
    2011: ErrorText("Invalid cartodb_id column", "<code>cartodb_id</code> has to be whole, unique and never empty."),
    2012: ErrorText("Incompatible schemas", "Every column of the table has to be in the new file, with the same type."),
    2013: ErrorText("Cannot overwrite table", "Other things in the database depend on this table."),
    2014: ErrorText("Invalid geometries", "There are broken geometries. Please repair them."),
    3007: ErrorText("JSON may not be valid GeoJSON", "A JSON file has to be GeoJSON. Please validate it."),
    3008: ErrorText("Unknown SRID", "The geometries are in a reference system that is not in spatial_ref_sys."),
    3009: ErrorText("SHP Normalization error", "The encoding or the projection of this Shapefile is not known."),
    3101: ErrorText("Missing projection (.prj) file", "Please add the .prj file, or save the Shapefile in EPSG:4326."),
    3201: ErrorText(
        "Geometry Collection not supported",
        "A table holds geometries of one kind: points, lines or polygons. Please split the file.",
    ),
    3202: ErrorText("Empty KML", "This file only links to another KML. Please import that one."),
    6666: ErrorText("Dataset too big", "The file is larger than this account may import. Please split it."),
    6667: ErrorText("Import timed out", "The import took longer than this account's statements may.", "cartodb"),
    6668: ErrorText("Too many table rows", "The dataset has more rows than this account may import."),
    6669: ErrorText("Too many concurrent imports", "Please wait until one of the imports that run has ended."),
    6671: ErrorText("Stuck import job", "The server stopped while the import ran. Please start it again.", "cartodb"),
    8001: ErrorText("Over account storage limit, please upgrade", "Please remove datasets, or raise the quota."),
    8003: ErrorText("Error creating table from SQL query", "The query failed. Please try it with the SQL API."),
    99999: ErrorText("Unknown", "Something unexpected happened; the server's log says more.", "cartodb"),
}

HTTP_HINTS = {
    401: "The server asks for a user name and a password.",
    403: "The server does not allow this file to be read.",
    404: "There is no such file on the server.",
    410: "The file is gone from the server.",
    429: "The server had too many requests.",
    500: "The server of this URL failed.",
    503: "The server of this URL is out of service.",
}
