"""Bounds read out of vector tiles."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carto.tile_extent import bounds_of_features, tile_at, view_of
from tests.unit.vector_tiles import LINE, POINT, POLYGON, feature, field, geometry, layer, tile_of

#: The unit of the tile of the whole world, in degrees of longitude.
UNIT = 360 / 4096


def bounds_of(places):
    return bounds_of_features(lambda x, y, zoom: tile_of(places, x, y, zoom))


def of_one_tile(tile):
    return bounds_of_features(lambda x, y, zoom: tile)


@pytest.mark.parametrize("kind", [POINT, LINE, POLYGON])
def test_every_kind_of_geometry(kind):
    tile = layer(feature(kind, [(1024, 1024), (3072, 1024), (3072, 3072)]))
    assert of_one_tile(tile) == pytest.approx((-90, -66.51, 90, 66.51), abs=UNIT)


def test_all_layers_and_features_count():
    tile = layer(feature(POINT, [(1024, 2048)]), feature(POINT, [(2048, 2048)])) + layer(feature(POINT, [(2560, 2048)]))
    west, _, east, _ = of_one_tile(tile)
    assert (west, east) == pytest.approx((-90, 45), abs=UNIT)


def test_a_layer_may_count_in_other_units():
    west, south, east, north = of_one_tile(layer(feature(LINE, [(64, 128), (192, 128)]), extent=256))
    assert (west, east) == pytest.approx((-90, 90), abs=1)
    assert (south, north) == pytest.approx((0, 0), abs=1)


def test_what_lies_around_the_tile_is_not_in_it():
    assert of_one_tile(layer(feature(LINE, [(-64, 2048), (4160, 2048)])))[::2] == (-180, 180)


@pytest.mark.parametrize("tile", [b"", layer()])
def test_no_features_have_no_bounds(tile):
    assert of_one_tile(tile) is None


@pytest.mark.parametrize("tile", [
    b"\x1a\x05\n", b"\n\xff", b"\x1a\x80\x80",
    layer(field(4, geometry(LINE, [(1, 1), (2, 2)])[:-1])),
    layer(feature(POINT, [(1, 1)]), extent=0), layer(feature(POINT, [(1 << 1100, 1)])),
])
def test_broken_tiles_have_none(tile):
    assert of_one_tile(tile) is None


@given(st.data())
def test_any_bytes_are_a_tile_with_bounds_or_without(data):
    good = tile_of([(2, 48), (-10, 20)], 0, 0, 0)
    cut = good[:data.draw(st.integers(0, len(good)))]
    found = of_one_tile(data.draw(st.binary(max_size=40)) + cut + data.draw(st.binary(max_size=4)))
    assert found is None or -180 <= found[0] <= found[2] <= 180


@pytest.mark.parametrize("place", [(-3.7038, 40.4168), (0, 0), (151.2, -33.87), (179.9999, 10), (-180, 60)])
def test_a_lone_point_is_found_to_a_few_metres(place):
    west, south, east, north = bounds_of([place])
    assert (west, south, east, north) == pytest.approx((*place, *place), abs=1e-4)


PLACES = st.tuples(st.floats(-179, 179), st.floats(-80, 80))


@settings(max_examples=60)
@given(st.lists(PLACES, min_size=1, max_size=5), st.sampled_from([1, 0.1, 1e-2, 1e-4]))
def test_bounds_hold_all_places_and_little_more(places, scale):
    """Also of small areas, on either side of the meridians and parallels where tiles meet."""
    places = [(longitude * scale, latitude * scale) for longitude, latitude in places]
    west, south, east, north = bounds_of(places)
    longitudes, latitudes = zip(*places, strict=True)
    size = max(east - west, north - south)
    allowed = max(size, 360 / 2**18) / 50
    assert (west, east) == pytest.approx((min(longitudes), max(longitudes)), abs=allowed)
    assert (south, north) == pytest.approx((min(latitudes), max(latitudes)), abs=allowed)


def test_few_tiles_are_asked_for():
    asked = []

    def tile(x, y, zoom):
        asked.append((x, y, zoom))
        return tile_of([(-0.01, 51.5), (0.01, 51.49)], x, y, zoom)

    bounds_of_features(tile)
    assert asked[0] == (0, 0, 0)
    assert 2 <= len(asked) <= 5


@pytest.mark.parametrize(("bounds", "tile"), [
    ((-180, -60, 180, 75), (0, 0, 0)),
    ((10, 40, 20, 45), (17, 11, 5)),
    ((2, 48, 2, 48), (132528, 91125, 18)),
])
def test_the_tile_that_shows_an_area(bounds, tile):
    assert tile_at(bounds) == tile


@pytest.mark.parametrize(("bounds", "size", "zoom"), [
    ((-180, -60, 180, 75), (511, 400), 0),
    ((-180, -60, 180, 75), (1024, 1024), 2),
    ((0, 0, 11.25, 1), (256, 256), 5),
    ((0, 0, 11.25, 1), (255, 256), 4),
    ((0, 0, 1, 11), (256, 256), 5),
])
def test_a_view_has_room_for_all(bounds, size, zoom):
    assert view_of(bounds, *size)[1] == zoom


def test_the_middle_of_a_view_is_that_of_the_picture():
    """Northern degrees are longer than southern ones: from 66.51 to 0 the world map has a quarter of its height."""
    assert view_of((10, 0, 20, 66.5133), 800, 400)[0] == pytest.approx((15, 40.98), abs=0.01)
