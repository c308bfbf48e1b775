"""CartoCSS: what is read, how blocks work together, what is refused and with which words, and what Mapnik is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carto.sandbox.cartocss import CartoCssError, StyleSheet, parse_cartocss
from carto.sandbox.cartocss_cascade import MAX_RULES, TooManyRulesError, attachments
from carto.sandbox.cartocss_filters import MATCHES, OPERATORS, Comparison, Condition
from carto.sandbox.cartocss_properties import PROPERTIES
from carto.sandbox.cartocss_values import Url
from carto.sandbox.css_colors import Color, color_of_option
from carto.sandbox.mapnik_style import MapnikLayer, UnusableTextError, map_xml

CONNINFO = r"host='/tmp/a b' dbname=db user=me password='it\'s'"
SCALE_AT_ZOOM_0 = 559082264.0287178
"""By the OGC's well-known scale set for web maps."""


def value_of(css: str, name: str) -> str | Url:
    """Parse one property inside a block and return what Mapnik gets."""
    (block,) = parse_cartocss(f"#layer {{ {css} }}").blocks
    return {each.property.name: each.value for each in block.declarations}[name]


def problems(css: str) -> list[tuple[int, int, str | None, str]]:
    with pytest.raises(CartoCssError) as caught:
        parse_cartocss(css)
    return [(each.place.line, each.place.column, each.property, each.message) for each in caught.value.problems]


# Values


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("marker-width: 10", "10"),
        ("marker-width: 10px", "10"),
        ("marker-width: .5", "0.5"),
        ("marker-width: 1e2", "100"),
        ("text-dy: -12.5", "-12.5"),
        ("marker-width: (2 + 3) * 4 - 6 / 3", "18"),
        ("marker-width: [n]", "[n]"),
        ("marker-width: '[n]'", "[n]"),
        ("marker-width: [n] * 2 + 1", "(([n] * 2) + 1)"),
        ("marker-width: -[n]", "(0 - [n])"),
        ('marker-width: ["two words"]', "[two words]"),
        ("marker-opacity: 50%", "0.5"),
        ("marker-fill: #F00", "#ff0000"),
        ("marker-fill: #12345678", "rgba(18,52,86,0.470588)"),
        ("marker-fill: Tomato", "#ff6347"),
        ("marker-fill: rgb(1, 2, 3)", "#010203"),
        ("marker-fill: rgba(1, 2, 3, 0.25)", "rgba(1,2,3,0.25)"),
        ("marker-fill: hsl(120, 100%, 50%)", "#00ff00"),
        ("marker-fill: hsla(240, 100%, 50%, 0.5)", "rgba(0,0,255,0.5)"),
        ("marker-fill: transparent", "rgba(0,0,0,0)"),
        ("marker-fill: [color]", "[color]"),
        ("marker-allow-overlap: true", "true"),
        ("marker-placement: vertex-last", "vertex-last"),
        ("marker-placement: 'line'", "line"),
        ("line-dasharray: 10, 2.5, 3", "10, 2.5, 3"),
        ("text-name: [name]", "[name]"),
        ('text-name: "[name]"', "[name]"),
        ("text-name: 'it is'", "'it is'"),
        ('text-name: "it\'s"', "'it\\'s'"),
        ("text-name: [name] + ' (' + [n] + ')'", "((([name] + ' (') + [n]) + ')')"),
        ("text-name: 'a' + 'b'", "'ab'"),
        ("text-name: 5", "5"),
        ("text-face-name: 'DejaVu Sans Bold'", "DejaVu Sans Bold"),
    ],
)
def test_a_value_becomes_what_mapnik_takes(declaration: str, expected: str) -> None:
    assert value_of(declaration + ";", declaration.split(":")[0]) == expected


def test_a_url_keeps_its_slashes_and_is_known_to_the_sheet() -> None:
    url = "http://127.0.0.1/a//b.png"
    for written in (url, f"'{url}'", f'"{url}"'):
        sheet = parse_cartocss(f"#l {{ marker-file: url({written}); // comment\n }}")
        assert sheet.urls == {url}


def test_comments_take_no_part_and_move_nothing() -> None:
    css = "/* one\n two */ #layer { // marker-width: 1;\n marker-width: 2; /* } */ marker-fill: red; bad: 1; }"
    assert problems(css) == [(3, 45, "bad", "Unrecognized rule: bad")]
    assert value_of("marker-width: 2; /* } */", "marker-width") == "2"
    assert value_of("text-name: 'a // b /* c */';", "text-name") == "'a // b /* c */'"


@pytest.mark.parametrize(
    "css",
    [
        "@w: 6; #layer { marker-width: @w * 2; }",
        "#layer { marker-width: @w * 2; } @w: 6;",
        "@w: 1; @w: 6; #layer { marker-width: @w * 2; }",
        "@half: 3; @w: @half + @half; #layer { marker-width: @w * 2; }",
        "#layer { @w: 6; marker-width: @w * 2; }",
    ],
)
def test_a_variable_stands_for_its_last_value(css: str) -> None:
    (block,) = parse_cartocss(css).blocks
    assert [each.value for each in block.declarations] == ["12"]


def test_a_variable_may_stand_in_a_filter() -> None:
    sheet = parse_cartocss("@n: 5; @c: 'x'; @z: 3; @t: true; #l[n>@n][c=@c][zoom=@z][t=@t] { marker-width: 1; }")
    assert sheet.blocks[0].condition == Condition(
        frozenset([Comparison("n", ">", 5), Comparison("c", "=", "x"), Comparison("t", "=", True)]), frozenset([3])
    )


def test_the_background_is_that_of_the_last_map_block() -> None:
    sheet = parse_cartocss("Map { background-color: red; } #l { marker-width: 1; } Map { background-color: #00f; }")
    assert sheet.background == "#0000ff"
    assert parse_cartocss("").background is None


def test_the_colors_of_plain_layers() -> None:
    assert color_of_option("red") == Color(255, 0, 0)
    assert color_of_option("#00f8") == Color(0, 0, 255, 136 / 255)
    assert color_of_option([255, 0, 0, 51]) == Color(255, 0, 0, 0.2)
    assert color_of_option([255, 0, 0, 0.5]) == Color(255, 0, 0, 0), "as on CARTO: alpha too is a byte"
    assert color_of_option([300, -1, 0]) == Color(255, 0, 0)
    for bad in ("notacolour", [1, 2], ["a", 1, 2], [True, 1, 2], "", "#12345"):
        with pytest.raises(ValueError, match="Invalid color"):
            color_of_option(bad)


# Filters


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[n = 1]", Comparison("n", "=", 1)),
        ("[n != -1.5]", Comparison("n", "!=", -1.5)),
        ("[n<2]", Comparison("n", "<", 2)),
        ("[ n <= 2 ]", Comparison("n", "<=", 2)),
        ("[n>2]", Comparison("n", ">", 2)),
        ("[n>=2]", Comparison("n", ">=", 2)),
        ("[name = 'it']", Comparison("name", "=", "it")),
        ('[name = "it\'s"]', Comparison("name", "=", "it's")),
        ("[name = word]", Comparison("name", "=", "word")),
        ("[name = '5']", Comparison("name", "=", "5")),
        ("[flag = true]", Comparison("flag", "=", True)),
        ("[name != null]", Comparison("name", "!=", None)),
        ("[name =~ 'a.*']", Comparison("name", MATCHES, "a.*")),
        ('["two words" = 1]', Comparison("two words", "=", 1)),
        ("[mapnik::geometry_type = 1]", Comparison("mapnik::geometry_type", "=", 1)),
    ],
)
def test_a_filter_is_a_comparison(written: str, expected: Comparison) -> None:
    for css in (f"#l{written} {{ marker-width: 1; }}", f"#l {{ {written} {{ marker-width: 1; }} }}"):
        assert parse_cartocss(css).blocks[0].condition == Condition(frozenset([expected]))


@pytest.mark.parametrize(
    ("written", "zooms"),
    [
        ("[zoom = 3]", [3]),
        ("[zoom < 3]", [0, 1, 2]),
        ("[zoom <= 3]", [0, 1, 2, 3]),
        ("[zoom > 28]", [29, 30]),
        ("[zoom >= 28]", [28, 29, 30]),
        ("[zoom >= 3][zoom <= 5][zoom != 4]", [3, 5]),
    ],
)
def test_a_zoom_filter_lists_zooms(written: str, zooms: list[int]) -> None:
    (block,) = parse_cartocss(f"#l{written} {{ marker-width: 1; }}").blocks
    assert sorted(block.condition.zooms) == zooms


def test_blocks_that_can_never_hold_are_left_out() -> None:
    assert (
        parse_cartocss("#l[n = 1][n = 2] { marker-width: 1; } #l[zoom > 3][zoom < 2] { marker-width: 1; }").blocks == ()
    )


COLUMN_VALUES: dict[str, list[Any]] = {"n": [-1, 0, 1, 1.5, 2, 3], "cat": ["a", "b", "c"], "flag": [True, False]}
comparisons = st.sampled_from(sorted(COLUMN_VALUES)).flatmap(
    lambda column: st.builds(
        Comparison,
        st.just(column),
        st.sampled_from(["=", "!="] if column == "flag" else sorted(OPERATORS)),
        st.sampled_from(COLUMN_VALUES[column]),
    )
)


def holds(comparison: Comparison, feature: Mapping[str, Any]) -> bool:
    return OPERATORS[comparison.operator](feature[comparison.column], comparison.value)


edges = st.sampled_from([0, 1, 1.5, 2]), st.sampled_from(["a", "b", "c"])
pairs = st.one_of(
    *(
        st.tuples(*(st.builds(Comparison, st.just("c"), st.sampled_from(sorted(OPERATORS)), edge),) * 2)
        for edge in edges
    )
)


@given(pairs)
def test_conclusions_from_comparisons_are_true_of_every_value(pair: tuple[Comparison, Comparison]) -> None:
    one, other = pair
    for value in (
        ["", "a", "aa", "b", "bb", "c", "cc"] if isinstance(one.value, str) else [-1, 0, 0.5, 1, 1.2, 1.5, 2, 3]
    ):
        both = holds(one, {"c": value}), holds(other, {"c": value})
        assert both != (True, False) or not one.implies(other)
        assert both != (True, True) or not one.contradicts(other)


def test_conclusions_are_drawn_where_they_can_be() -> None:
    assert Comparison("n", ">", 5).implies(Comparison("n", ">=", 5))
    assert Comparison("n", "=", 5).implies(Comparison("n", "!=", 4))
    assert Comparison("n", "<", 5).contradicts(Comparison("n", ">=", 5))
    assert Comparison("n", "=", "a").contradicts(Comparison("n", "=", "b"))
    assert not Comparison("n", ">=", 5).implies(Comparison("n", ">", 5))
    assert not Comparison("n", "<=", 5).contradicts(Comparison("n", ">=", 5))
    assert not Comparison("n", "=", 5).contradicts(Comparison("m", "=", 6))
    # Whether 1 equals true or '1' is Mapnik's affair.
    assert not Comparison("n", "=", 1).contradicts(Comparison("n", "=", True))
    assert not Comparison("n", "=", 1).contradicts(Comparison("n", "=", "2"))


# Blocks that work together

selector_filters = st.lists(
    st.one_of(
        comparisons,
        st.tuples(st.just("zoom"), st.sampled_from(sorted(OPERATORS)), st.integers(0, 4)).map(
            lambda parts: Comparison(*parts)
        ),
    ),
    max_size=3,
)
styles = st.lists(
    st.tuples(
        st.sampled_from(["#l", ".c", "#l.c"]),
        selector_filters,
        st.lists(
            st.tuples(st.sampled_from(["marker-width", "line-width", "text-size"]), st.integers(1, 99)), min_size=1
        ),
    ),
    min_size=1,
    max_size=6,
)
features = st.fixed_dictionaries({column: st.sampled_from(values) for column, values in COLUMN_VALUES.items()})


def written(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, str) else f"'{value}'"


def as_css(style: list[Any]) -> str:
    return "\n".join(
        selector
        + "".join(f"[{each.column} {each.operator} {written(each.value)}]" for each in filters)
        + "{"
        + "".join(f"{name}: {number};" for name, number in declarations)
        + "}"
        for selector, filters, declarations in style
    )


def by_the_rules_of_the_language(style: list[Any], feature: Mapping[str, Any]) -> dict[str, str]:
    """Apply every block that holds, the weakest first."""
    found: dict[str, str] = {}

    def strength(numbered: tuple[int, Any]) -> tuple[int, int, int, int]:
        position, (selector, filters, _) = numbered
        return "#" in selector, "." in selector, len(filters), position

    for _, (_, filters, declarations) in sorted(enumerate(style), key=strength):
        if all(holds(each, feature) for each in filters):
            found.update((name, str(number)) for name, number in declarations)
    return found


@settings(max_examples=150, deadline=None)
@given(styles, features, st.integers(0, 5))
def test_the_first_rule_that_fits_has_what_all_blocks_together_say(
    style: list[Any], feature: dict[str, Any], zoom: int
) -> None:
    rules = attachments(parse_cartocss(as_css(style)).blocks).get("", [])
    fitting = (
        rule
        for rule in rules
        if zoom in rule.condition.zooms and all(holds(each, feature) for each in rule.condition.comparisons)
    )
    first = next(fitting, None)
    drawn = {name: each.value for name, each in first.declarations.items()} if first else {}
    assert drawn == by_the_rules_of_the_language(style, {**feature, "zoom": zoom})


def test_ranges_of_one_column_make_one_rule_each() -> None:
    css = "#l { marker-width: 1; " + "".join(f"[n > {n}] {{ marker-width: {n}; }}" for n in range(20)) + "}"
    assert len(attachments(parse_cartocss(css).blocks)[""]) == 21


def test_categories_make_one_rule_each() -> None:
    css = "#l { marker-width: 1; " + "".join(f"[c = 'x{n}'] {{ marker-width: {n}; }}" for n in range(50)) + "}"
    assert len(attachments(parse_cartocss(css).blocks)[""]) == 51


def test_too_many_overlapping_filters_are_refused() -> None:
    css = "".join(f"#l[c{n} > 1] {{ marker-width: {n}; }}" for n in range(40))
    with pytest.raises(TooManyRulesError, match=str(MAX_RULES)):
        attachments(parse_cartocss(css).blocks)


def test_attachments_stand_alone_in_the_order_of_the_text() -> None:
    css = "#l::b { line-width: 1; } #l { marker-width: 2; ::a { marker-width: 3; ::c { marker-width: 4; } } }"
    found = attachments(parse_cartocss(css).blocks)
    assert list(found) == ["b", "", "a", "a/c"]
    assert [[list(rule.declarations) for rule in rules] for rules in found.values()] == [
        [["line-width"]],
        [["marker-width"]],
        [["marker-width"]],
        [["marker-width"]],
    ]


def test_selectors_with_commas_share_a_block() -> None:
    sheet = parse_cartocss("#a[n=1], .b[n=2] { [m=1], [m=2] { marker-width: 1; } }")
    found = {tuple(sorted((c.column, c.value) for c in block.condition.comparisons)) for block in sheet.blocks}
    assert found == {(("m", m), ("n", n)) for m in (1, 2) for n in (1, 2)}


# What is refused


@pytest.mark.parametrize(
    ("css", "text"),
    [
        ("#layer { marker-wadus: 1; }", "style0:1:10 Unrecognized rule: marker-wadus"),
        (
            "#layer { marker-fill: <%= color %>; marker-width: <%= num %>; }",
            "style0:1:10 Invalid code: marker-fill: <%= color %>;\nstyle0:1:37 Invalid code: marker-width: <%= num %>;",
        ),
    ],
)
def test_errors_read_as_those_of_the_real_server(css: str, text: str) -> None:
    with pytest.raises(CartoCssError) as caught:
        parse_cartocss(css)
    assert str(caught.value) == caught.value.text("style0") == text
    assert caught.value.text("style3") == text.replace("style0", "style3")


DRAWS = "(the sandbox draws marker-, line-, polygon- and text- properties)"


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("#l {\n  marker-width: 1;\n  line-wadus: 2;\n}", (3, 3, "line-wadus", "Unrecognized rule: line-wadus")),
        ("#l { a/marker-width: 1; }", (1, 6, "a/marker-width", "Unrecognized rule: a/marker-width")),
        ("#l { raster-opacity: 1; }", (1, 6, "raster-opacity", f"Unsupported rule: raster-opacity {DRAWS}")),
        ("#l { comp-op: multiply; }", (1, 6, "comp-op", f"Unsupported rule: comp-op {DRAWS}")),
        ("Map { marker-width: 1; }", (1, 7, "marker-width", "Unrecognized rule: marker-width")),
        (
            "Map { -torque-frame-count: 16; }",
            (1, 7, "-torque-frame-count", f"Unsupported rule: -torque-frame-count {DRAWS}"),
        ),
        (
            "#l { marker-width: red; }",
            (1, 6, "marker-width", "Invalid value for marker-width: red (a number is required)"),
        ),
        (
            "#l { marker-opacity: 2; }",
            (1, 6, "marker-opacity", "Invalid value for marker-opacity: 2 (a number from 0 to 1 is required)"),
        ),
        ("#l { marker-fill: 5; }", (1, 6, "marker-fill", "Invalid value for marker-fill: 5 (a color is required)")),
        (
            "#l { line-cap: pointed; }",
            (1, 6, "line-cap", "Invalid value for line-cap: pointed (one of butt, round, square is required)"),
        ),
        (
            "#l { marker-file: url(/etc/passwd); }",
            (
                1,
                6,
                "marker-file",
                "Invalid value for marker-file: url(/etc/passwd) (url(...) with an http or https URL is required)",
            ),
        ),
        (
            "#l { marker-width: ramp([n], (1, 2), quantiles(3)); }",
            (
                1,
                6,
                "marker-width",
                "Invalid value for marker-width: ramp([n], (1, 2), quantiles(3)) "
                "(unsupported function ramp: turbo-carto is not supported)",
            ),
        ),
        (
            "#l { marker-width: 1 / 0; }",
            (1, 6, "marker-width", "Invalid value for marker-width: 1 / 0 (division by zero)"),
        ),
        ("#l { marker-width: @w; }", (1, 6, None, "Invalid code: marker-width: @w; (undefined variable @w)")),
        ("@a: @a; ", (1, 1, None, "Invalid code: @a: @a; (variable @a is defined by itself)")),
        ("#l[zoom = 'x'] { }", (1, 1, None, "Invalid code: #l[zoom = 'x'] (zoom is compared with numbers)")),
        ("#l[n % 2] { }", (1, 1, None, "Invalid code: #l[n % 2]")),
        ("* { marker-width: 1; }", (1, 1, None, "Invalid code: *")),
        ("layer { marker-width: 1; }", (1, 1, None, "Invalid code: layer (a layer is named as #name or .class)")),
        ("marker-width: 1;", (1, 1, None, "Invalid code: marker-width: 1; (a layer is named as #name or .class)")),
        ("#l { marker-width: 1;", (1, 1, None, "missing closing `}`")),
        ("#l { marker-width: 1; } }", (1, 25, None, "Invalid code: }")),
        ("#l { marker-width: 1 2; }", (1, 6, None, "Invalid code: marker-width: 1 2;")),
    ],
)
def test_what_is_not_drawn_is_refused_with_its_place(css: str, expected: tuple[int, int, str | None, str]) -> None:
    assert problems(css)[0] == expected


def test_all_mistakes_are_told_at_once() -> None:
    css = "#l { bad-one: 1; marker-width: red; [n = 1] { bad-two: 2; } }"
    assert [name for _, _, name, _ in problems(css)] == ["bad-one", "marker-width", "bad-two"]


@pytest.mark.parametrize(
    "css",
    [
        "#l { marker-width: " + "(" * 5000 + "1" + ")" * 5000 + "; }",
        "#l { marker-width: " + "-" * 5000 + "1; }",
        "#l { " * 3000 + "marker-width: 1;" + "}" * 3000,
        "".join(f"@v{n}: @v{n + 1};" for n in range(300)) + "#l { marker-width: @v0; }",
    ],
)
def test_deep_nesting_is_refused(css: str) -> None:
    assert any("nested more than 50 levels deep" in message for _, _, _, message in problems(css))


@pytest.mark.parametrize("start", ["'text'", "[n]", "[n] * 2"])
def test_variables_that_double_and_double_are_refused(start: str) -> None:
    css = f"@v0: {start};" + "".join(f"@v{n}: @v{n - 1} + @v{n - 1};" for n in range(1, 45))
    assert "longer than 10000 characters" in problems(css)[0][3]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="#l.[]{}();:@=<>'\"/*\\-,+ \nab1%Mapmarker-width: 1;"))
def test_any_text_is_read_or_refused(css: str) -> None:
    try:
        answer: StyleSheet | CartoCssError = parse_cartocss(css)
    except CartoCssError as error:
        answer = error
    assert isinstance(answer, StyleSheet) or answer.problems


# Mapnik's XML


def xml_of(css: str, **options: Any) -> ElementTree.Element:
    layer = MapnikLayer("layer0", options.pop("sql", "SELECT 1"), parse_cartocss(css), CONNINFO, **options)
    return ElementTree.fromstring(map_xml([layer], files={"http://127.0.0.1/a.png": Path("/files/a.png")}))


def parameters(root: ElementTree.Element) -> dict[str, str]:
    return {each.get("name", ""): each.text or "" for each in root.iter("Parameter")}


def test_every_zoom_sees_the_rules_of_its_zoom_alone() -> None:
    root = xml_of("".join(f"#l[zoom = {zoom}] {{ marker-width: {zoom + 1}; }}" for zoom in range(31)))
    for zoom in range(31):
        scale = SCALE_AT_ZOOM_0 / 2**zoom
        seen = [
            rule.find("MarkersSymbolizer").get("width")  # type: ignore[union-attr]
            for rule in root.iter("Rule")
            if float(rule.findtext("MinScaleDenominator", "0")) <= scale
            and scale < float(rule.findtext("MaxScaleDenominator", "inf"))
        ]
        assert seen == [str(zoom + 1)]


def test_zooms_with_a_gap_make_two_rules() -> None:
    root = xml_of("#l[zoom != 4] { marker-width: 1; }")
    assert len(list(root.iter("Rule"))) == 2


def test_a_layer_may_be_limited_to_zooms() -> None:
    (layer,) = xml_of("#l { marker-width: 1; }", min_zoom=2, max_zoom=5).iter("Layer")
    lowest, highest = (float(layer.get(f"{side}imum-scale-denominator", "")) for side in ("min", "max"))
    inside = [zoom for zoom in range(31) if lowest <= SCALE_AT_ZOOM_0 / 2**zoom < highest]
    assert inside == [2, 3, 4, 5]


def test_symbolizers_stand_in_the_order_of_their_first_property() -> None:
    root = xml_of("#l { line-width: 1; polygon-fill: red; text-size: 4; text-name: [n]; line-color: blue; }")
    (rule,) = root.iter("Rule")
    assert [each.tag for each in rule] == ["LineSymbolizer", "PolygonSymbolizer", "TextSymbolizer"]
    assert rule[0].attrib == {"stroke-width": "1", "stroke": "#0000ff"}


def test_labels_need_a_name_and_have_a_font() -> None:
    assert not list(xml_of("#l { text-size: 10; }").iter("TextSymbolizer"))
    (text,) = xml_of("#l { text-name: [a] + '<b>'; }").iter("TextSymbolizer")
    assert text.text == "([a] + '<b>')"
    assert text.attrib == {"face-name": "DejaVu Sans Book"}


def test_a_marker_is_a_shape_or_a_downloaded_file() -> None:
    (shape,) = xml_of("#l { marker-type: arrow; }").iter("MarkersSymbolizer")
    assert shape.get("file") == "shape://arrow"
    css = "#l { marker-file: url(http://127.0.0.1/a.png); marker-type: arrow; }"
    (image,) = xml_of(css).iter("MarkersSymbolizer")
    assert image.get("file") == "/files/a.png"


def test_filters_are_expressions_that_values_cannot_leave() -> None:
    css = """#l[name = "x' or '1'='1"][n > 1.5][ok = true][gone = null][name =~ '\\d+'] { marker-width: 1; }"""
    (rule,) = xml_of(css).iter("Rule")
    assert rule.findtext("Filter") == (
        "([gone] = null) and ([n] > 1.5) and ([name] = 'x\\' or \\'1\\'=\\'1') and ([name].match('\\\\d+')) "
        "and ([ok] = true)"
    )


def test_sql_and_styles_cannot_leave_their_elements() -> None:
    sql = 'SELECT \'</Parameter><Parameter name="host">evil\' AS "<&>" FROM t WHERE a < 5 && b'
    root = xml_of("#l[a = '</Filter><Filter>'] { text-name: '</TextSymbolizer>'; }", sql=sql)
    assert parameters(root)["table"] == f"({sql}) as cdbq"
    assert parameters(root)["host"] == "'/tmp/a b'"
    assert [each.tag for each in root] == ["Style", "Layer"]


@pytest.mark.parametrize(("character", "name"), [("\0", "U+0000"), ("\ud800", "U+D800")])
def test_what_xml_cannot_hold_is_refused(character: str, name: str) -> None:
    for css, sql in (
        ("#l { marker-width: 1; }", f"SELECT '{character}'"),
        (f"#l[a = '{character}'] {{ line-width: 1; }}", ""),
    ):
        with pytest.raises(UnusableTextError, match=re.escape(name)):
            xml_of(css, sql=sql)


def test_the_connection_is_quoted_for_mapnik_and_limited_in_time() -> None:
    found = parameters(xml_of("#l { marker-width: 1; }", statement_timeout_ms=1500))
    assert found["dbname"] == "'db' options='-c statement_timeout=1500'"
    assert found["user"] == "'me'"
    assert found["password"] == "'it\\'s'"


def test_neither_layers_nor_pictures_show_the_password() -> None:
    layer = MapnikLayer("layer0", "SELECT 1", StyleSheet(), "dbname=db password=secret")
    assert "secret" not in repr(layer)


def test_every_property_is_in_the_document_with_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("doc")
    import make_cartocss

    assert sorted(make_cartocss.PROPERTIES) == sorted(PROPERTIES)
    assert make_cartocss.document() == make_cartocss.DOCUMENT.read_text(encoding="utf-8")
    for title, example in {**make_cartocss.LANGUAGE, **make_cartocss.PROPERTIES}.items():
        sheet = parse_cartocss(example.css.replace("{server}", "http://127.0.0.1"))
        if title in PROPERTIES:
            assert title in {each.property.name for block in sheet.blocks for each in block.declarations}
        assert (make_cartocss.IMAGES / make_cartocss.picture_name(title)).is_file()
