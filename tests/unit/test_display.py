"""Tables for notebooks: small, and everything in them escaped."""

from html.parser import HTMLParser

import pytest

from carto.datasets import Dataset
from carto.display import Listing, html_table
from carto.file_import import FileImportJob
from carto.sync_tables import SyncTableJob
from carto.visualizations import Visualization
from tests.unit.viz_objects import dataset, map_

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

EVIL = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """The tags and cells of a page, as a browser sees them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert attributes == []
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def made(resource_class, content):
    resource = resource_class(None)
    resource.update_from_dict(content)
    return resource


@pytest.mark.parametrize(("resource_class", "make"), [(Dataset, dataset), (Visualization, map_)])
def test_one_is_a_table_of_its_properties(resource_class, make):
    content = make(name=EVIL, description=EVIL, tags=[EVIL, "b"], privacy=EVIL, url=EVIL)
    page = Page(made(resource_class, content)._repr_html_())
    assert "script" not in page.tags
    assert page.rows[0] == ["", EVIL]
    properties = dict(page.rows[1:])
    assert properties["tags"] == f"{EVIL}, b"
    assert (properties["description"], properties["privacy"]) == (EVIL, EVIL)


def test_a_dataset_shows_its_table():
    properties = dict(Page(made(Dataset, dataset())._repr_html_()).rows[1:])
    assert (properties["rows"], properties["bytes"], properties["geometry"]) == ("1520", "131072", "ST_Point")
    assert Page(made(Dataset, {"id": "1"})._repr_html_()).rows[1] == ["id", "1"]


@pytest.mark.parametrize(("resource_class", "make"), [(Dataset, dataset), (Visualization, map_)])
def test_a_list_is_a_table(resource_class, make):
    listing = Listing(made(resource_class, make(name=f"{EVIL}{number}", tags=None)) for number in range(3))
    page = Page(listing._repr_html_())
    assert "script" not in page.tags
    assert page.rows[0] == ["name", "privacy", "updated_at", "tags", "id"]
    assert [row[0] for row in page.rows[1:]] == [f"{EVIL}{number}" for number in range(3)]
    assert page.rows[1][3] == ""


def test_a_long_list_is_cut_and_says_so():
    text = Listing(made(Dataset, dataset(name=f"d{number}")) for number in range(1000))._repr_html_()
    assert len(Page(text).rows) == 61
    assert "<caption>1000 in all, the first 60 shown</caption>" in text


def test_a_long_text_is_cut():
    assert html_table(["a"], [["x" * 1000]]).count("x") == 200


def test_a_slice_is_shown_like_the_list():
    listing = Listing(made(Dataset, dataset(name=f"d{number}")) for number in range(5))
    assert [row[0] for row in Page(listing[1:3]._repr_html_()).rows[1:]] == ["d1", "d2"]
    assert listing[0].name == "d0"


def test_jobs_have_columns_of_their_own():
    job = made(lambda client: FileImportJob(None, client), {"item_queue_id": "1", "state": "importing"})
    assert Page(Listing([job])._repr_html_()).rows[1][:2] == ["1", "importing"]


def test_secrets_in_urls_are_masked():
    url = "https://bob:hunter22@example.com/stores.csv?api_key=hunter33&page=2"
    job = made(lambda client: SyncTableJob(None, None, client), {"id": "1", "url": url})
    row = Page(Listing([job])._repr_html_()).rows[1]
    assert row[4] == "https://***@example.com/stores.csv?api_key=***&page=2"


@pytest.mark.parametrize("listing", [Listing(), Listing([1, 2])])
def test_what_has_no_columns_is_left_to_the_notebook(listing):
    assert listing._repr_html_() is None
