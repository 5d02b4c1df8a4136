"""The parameters of a request: three kinds of body and the query, one set of rules."""

import json
import string
import timeit
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import quote, quote_plus, unquote_to_bytes, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pushery.core.exchange import Refusal, Request
from pushery.dialects.gopusher.parameters import MAX_FIELDS, Parameters

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
BOUNDARY = "------------------------d74496d66958873e"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}".encode()

Pairs = Sequence[tuple[str, str]]


def request(body: bytes = b"", kind: bytes | None = FORM, query: str = "") -> Request:
    """A push with this body."""
    headers = {} if kind is None else {b"content-type": kind}
    return Request("POST", "/api/push/key", query, headers, body)


def sent(body: bytes = b"", kind: bytes | None = FORM, query: str = "") -> Parameters:
    """What it says."""
    return Parameters(request(body, kind, query))


def part(name: str, value: bytes, more: str = "", headers: str = "") -> bytes:
    """One part of a multipart body, as curl writes it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    return head.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def as_form(pairs: Pairs) -> Parameters:
    return sent(urlencode(pairs).encode())


def as_query(pairs: Pairs) -> Parameters:
    return sent(query=urlencode(pairs))


def as_json(pairs: Pairs) -> Parameters:
    members = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs)
    return sent(f"{{{members}}}".encode(), JSON)


def as_plain_utf8_json(pairs: Pairs) -> Parameters:
    members = ",".join(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}" for name, value in pairs)
    return sent(f"{{{members}}}".encode(), JSON)


def as_multipart(pairs: Pairs) -> Parameters:
    return sent(b"".join(part(name, value.encode()) for name, value in pairs) + END, MULTIPART)


FORMATS = [as_form, as_query, as_json, as_plain_utf8_json, as_multipart]
Format = Callable[[Pairs], Parameters]
each_format = pytest.mark.parametrize("given_as", FORMATS)


def refused(parameters: Callable[[], object], status: int = 400) -> Refusal:
    """Why it is refused."""
    with pytest.raises(Refusal) as caught:
        parameters()
    assert caught.value.status == status
    return caught.value


@each_format
def test_a_value_arrives_as_it_was_sent(given_as: Format) -> None:
    text = "grüße & 1+1=2;\t100%\r\n😀 \x00\"'"
    parameters = given_as([("content", text), ("user_tag", "^A:1$")])
    assert (parameters.required("content"), parameters.optional("user_tag")) == (text, "^A:1$")


@given(st.sampled_from(FORMATS), st.text(), st.text(min_size=1))
@example(as_multipart, "", f"--{BOUNDARY}")
@example(as_multipart, "", "\r\n--")
@example(as_json, '\\"', "\\u0000")
def test_every_text_survives_every_format(given_as: Format, first: str, second: str) -> None:
    if given_as is as_multipart and BOUNDARY in first + second:
        return  # a sender picks a boundary that its values do not contain
    parameters = given_as([("user_tag", first), ("content", second)])
    assert parameters.optional("user_tag") == first
    assert parameters.required("content") == second


@each_format
def test_an_absent_parameter_is_empty_or_refused_by_name(given_as: Format) -> None:
    parameters = given_as([("content", "x")])
    assert parameters.optional("user_tag") == ""
    refusal = refused(lambda: parameters.required("app_name"))
    assert (refusal.code, refusal.extra) == ("missing_parameter", {"parameter": "app_name"})
    assert "app_name" in refusal.message


@each_format
def test_an_empty_value_counts_as_absent(given_as: Format) -> None:
    parameters = given_as([("content", "")])
    assert parameters.optional("content") == ""
    assert refused(lambda: parameters.required("content")).code == "missing_parameter"


@each_format
def test_the_first_of_a_repeated_name_wins(given_as: Format) -> None:
    parameters = given_as([("content", "one"), ("user_tag", "A"), ("content", "two"), ("content", "three")])
    assert (parameters.required("content"), parameters.required("user_tag")) == ("one", "A")


@each_format
def test_a_repeated_name_that_is_empty_at_first_is_absent(given_as: Format) -> None:
    assert given_as([("user_tag", ""), ("user_tag", "A")]).optional("user_tag") == ""


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"content=body", FORM), (b'{"content":"body"}', JSON), (part("content", b"body") + END, MULTIPART)],
)
def test_the_body_beats_the_query(body: bytes, kind: bytes) -> None:
    parameters = sent(body, kind, query="content=query&user_tag=A")
    assert (parameters.required("content"), parameters.required("user_tag")) == ("body", "A")


def test_what_is_empty_in_the_body_is_taken_from_the_query() -> None:
    assert sent(b"content=", query="content=query").required("content") == "query"
    assert sent(b'{"content":null}', JSON, query="content=query").required("content") == "query"


def test_a_request_without_body_needs_no_content_type() -> None:
    for kind in (None, b"text/plain", JSON):
        assert sent(kind=kind, query="content=x").required("content") == "x"
        assert sent(kind=kind).optional("content") == ""


def test_a_body_without_content_type_is_read_as_a_form() -> None:
    assert sent(b"content=a+b%26c", kind=None).required("content") == "a b&c"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"content=a+b", "a b"),
        (b"content=a%2Bb", "a+b"),
        (b"content=%e2%82%AC", "€"),
        (b"content=\xe2\x82\xac", "€"),
        (b"content=100%", "100%"),
        (b"content=%zz%4", "%zz%4"),
        (b"content=a=b", "a=b"),
        (b"c%6Fntent=x", "x"),
        (b"&&content=x&", "x"),
        (b"other&content=x", "x"),
        (b"content", ""),
        (b"\xff=1&content=x", "x"),
    ],
)
def test_a_form_is_read_as_the_url_standard_says(body: bytes, value: str) -> None:
    assert sent(body).optional("content") == value
    assert sent(b"", query=body.decode("latin-1")).optional("content") == value or not body.isascii()


@pytest.mark.parametrize(
    "kind",
    [
        b"application/x-www-form-urlencoded; charset=UTF-8",
        b"Application/X-WWW-Form-Urlencoded ;charset=utf-8",
        b"application/x-www-form-urlencoded;",
    ],
)
def test_parameters_of_the_content_type_do_not_matter_to_a_form(kind: bytes) -> None:
    assert sent(b"content=x", kind).required("content") == "x"


def test_parameters_of_the_content_type_do_not_matter_to_json() -> None:
    for kind in (b"application/json; charset=utf-8", b"APPLICATION/JSON", b"application/json;charset=latin-1"):
        assert sent('{"content":"é"}'.encode(), kind).required("content") == "é"


@pytest.mark.parametrize(
    "kind",
    [b"text/plain", b"application/xml", b"application/octet-stream", b"multipart/mixed; boundary=x", b"json", b"\xff"],
)
def test_another_content_type_is_refused_with_those_that_work(kind: bytes) -> None:
    refusal = refused(lambda: sent(b"content=x", kind), status=415)
    assert refusal.code == "unsupported_media_type"
    for known in ("application/x-www-form-urlencoded", "multipart/form-data", "application/json"):
        assert known in refusal.message


def test_invalid_utf8_is_refused_by_name() -> None:
    bodies = [
        (b"content=\xff", FORM),
        (b"content=%ED%A0%80", FORM),
        (part("content", b"\xc3(") + END, MULTIPART),
    ]
    everywhere = [*(sent(body, kind) for body, kind in bodies), sent(query="content=%ff")]
    for parameters in everywhere:
        refusal = refused(partial(parameters.required, "content"))
        assert (refusal.code, refusal.extra) == ("malformed_parameter", {"parameter": "content"})


def test_invalid_utf8_in_one_parameter_does_not_spoil_another() -> None:
    parameters = sent(b"other=%ff&content=x")
    assert parameters.required("content") == "x"
    assert parameters.optional("user_tag") == ""


@pytest.mark.parametrize("value", ["0", "1", "-1.5", "true", "false", "[]", "{}", '["x"]', '{"a":1}', "1e2"])
def test_a_json_value_that_is_no_string_is_refused_by_name(value: str) -> None:
    """Above all one that Python takes for false: a push to `user_tag` 0 must not become a push to everybody."""
    parameters = sent(f'{{"user_tag":{value},"content":"x"}}'.encode(), JSON, query="user_tag=A")
    refusal = refused(lambda: parameters.optional("user_tag"))
    assert (refusal.code, refusal.extra) == ("malformed_parameter", {"parameter": "user_tag"})
    assert refused(lambda: parameters.required("user_tag")).code == "malformed_parameter"
    assert parameters.required("content") == "x"


def test_json_null_counts_as_absent() -> None:
    parameters = sent(b'{"user_tag":null,"content":null}', JSON)
    assert parameters.optional("user_tag") == ""
    assert refused(lambda: parameters.required("content")).code == "missing_parameter"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"content":"one","content":"two"}',
        rb'{ "content" : "one" , "content" : 2 }',
        rb'{"c\u006fntent":"one","content":"two"}',
        rb'{"content":"one","c\u006fntent":"two"}',
        rb'{"c\u006fntent":"one","\u0063ontent":"two"}',
        rb'{"content":"one","other":{"content":"two","content":"three"}}',
        rb'{"other":["\"content\"","content"],"content":"one"}',
    ],
)
def test_the_first_of_a_repeated_json_member_wins_however_it_is_spelled(body: bytes) -> None:
    assert sent(body, JSON).required("content") == "one"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"content":"\ud800"}',
        rb'{"content":"\udc00\ud800"}',
        rb'{"\ud800":"x"}',
        rb'{"content":"\ud800","content":"x"}',
        b'{"content":"\xff"}',
        b'{"content":"\xed\xa0\x80"}',
        b'{"content":NaN}',
        b'{"content":1e999}',
        b'{"content":"a\nb"}',
        b"\xef\xbb\xbf{}",
        '{"content":"x"}'.encode("utf-16"),
        b'{"content":"x"',
        b'{"content":"x"}}',
        b"{'content':'x'}",
        b"content=x",
        b" ",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"a":1,"a":' * 100_000,
        b'{"content":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert refused(lambda: sent(body, JSON)).code == "malformed_body"


@pytest.mark.parametrize("body", [b"[]", b'["content"]', b'"content"', b"1", b"null", b"true"])
def test_json_must_be_an_object(body: bytes) -> None:
    refusal = refused(lambda: sent(body, JSON))
    assert refusal.code == "malformed_body"
    assert "object" in refusal.message


@pytest.mark.parametrize(
    "fields",
    [
        lambda count: (b"&".join(b"n%d=x" % number for number in range(count)), FORM),
        lambda count: (b"&" * (count - 1), FORM),
        lambda count: (json.dumps({f"n{number}": "x" for number in range(count)}).encode(), JSON),
        lambda count: (b"".join(part(f"n{number}", b"x") for number in range(count)) + END, MULTIPART),
        lambda count: (b"".join(part("same", b"x") for _ in range(count)) + END, MULTIPART),
    ],
)
def test_more_parameters_than_any_route_takes_are_refused(fields: Callable[[int], tuple[bytes, bytes]]) -> None:
    sent(*fields(MAX_FIELDS))
    refusal = refused(lambda: sent(*fields(MAX_FIELDS + 1)))
    assert refusal.code == "too_many_parameters"
    assert str(MAX_FIELDS) in refusal.message


def test_the_query_may_not_have_more_parameters_either() -> None:
    assert refused(lambda: sent(query="&".join(["a=b"] * (MAX_FIELDS + 1)))).code == "too_many_parameters"


def test_a_json_body_of_very_many_members_is_refused_before_it_costs_anything() -> None:
    """Looking for repeated names once per member would take minutes for this body of a megabyte."""
    body = json.dumps({f"{number:x}": "" for number in range(90_000)}).encode()
    assert refused(lambda: sent(body, JSON)).code == "too_many_parameters"


def test_a_multipart_body_as_curl_writes_it_is_read() -> None:
    body = part("content", b"hello world") + part("user_tag", b"^A:1$") + END
    parameters = sent(body, MULTIPART)
    assert (parameters.required("content"), parameters.required("user_tag")) == ("hello world", "^A:1$")


def test_a_part_with_a_file_name_counts_like_any_other() -> None:
    body = part("content", b"from a file", '; filename="c:\\x.txt"', "Content-Type: text/plain\r\n") + END
    assert sent(body, MULTIPART).required("content") == "from a file"


@pytest.mark.parametrize(
    "disposition",
    [
        'Content-Disposition: form-data; name="content"',
        "Content-Disposition: form-data; name=content",
        'content-disposition: form-data; name="content"',
        'CONTENT-DISPOSITION:form-data;name="content"',
        'Content-Type: text/plain\r\nContent-Disposition: form-data; filename="name=x"; name="content"',
        'X-Content-Disposition: form-data; name="other"\r\nContent-Disposition: form-data; name="content"',
    ],
)
def test_a_part_is_named_by_its_content_disposition(disposition: str) -> None:
    body = f"--{BOUNDARY}\r\n{disposition}\r\n\r\nx\r\n".encode() + END
    assert sent(body, MULTIPART).required("content") == "x"


def test_a_part_without_name_names_nothing() -> None:
    body = f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\ny\r\n".encode()
    parameters = sent(body + part("content", b"z") + END, MULTIPART)
    assert parameters.required("content") == "z"


def test_a_quoted_boundary_and_the_boundarys_own_letters_are_understood() -> None:
    body = part("content", b"x") + END
    assert sent(body, f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"'.encode()).required("content") == "x"
    assert sent(body, f"multipart/form-data; Boundary={BOUNDARY}".encode()).required("content") == "x"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (part("content", b"x"), MULTIPART),
        (part("content", b"x")[:-2], MULTIPART),
        (part("content", b"x") + END[:-4], MULTIPART),
        (f"--{BOUNDARY}\r\nContent-Dispo".encode(), MULTIPART),
        (b"content=x", MULTIPART),
        (part("content", b"x") + END, b"multipart/form-data; boundary=other"),
        (part("content", b"x") + END, b"multipart/form-data; boundary=" + b"b" * 1000),
        (part("content", b"x") + END, b"multipart/form-data"),
        (f"--{BOUNDARY}\r\nno header\r\n\r\nx\r\n".encode() + END, MULTIPART),
        (f"--{BOUNDARY}\r\nA: {'b' * 100_000}\r\n\r\nx\r\n".encode() + END, MULTIPART),
        (f"--{BOUNDARY}\r\n".encode() + b"A: b\r\n" * 1000 + b"\r\nx\r\n" + END, MULTIPART),
    ],
)
def test_a_multipart_body_that_is_broken_or_ends_too_early_is_refused(body: bytes, kind: bytes) -> None:
    assert refused(lambda: sent(body, kind)).code == "malformed_body"


KINDS = st.one_of(
    st.sampled_from([FORM, JSON, MULTIPART, b"multipart/form-data; boundary=b", b"", b"application/json;"]),
    st.binary(max_size=20).map(lambda tail: b"multipart/form-data; boundary=" + tail),
    st.binary(max_size=40).map(lambda tail: b"multipart/form-data;" + tail),
    st.text(string.printable, max_size=60).map(lambda tail: b"multipart/form-data; " + tail.encode()),
    st.binary(max_size=30),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                *(b"--b", b"--", b"\r\n", b"\r", b"\n", b"--b\r\n", b"\r\n--b--"),
                *(b'Content-Disposition: form-data; name="', b"content", b'"', b";", b":", b"\\", b"*="),
                *(b"\xff", b"=", b"&", b"%", b"%e9", b"{", b"}", b"[", b",", rb"\u", rb"\ud83d"),
                *(b"null", b"1", b'"content":', b'"x"', b" "),
            ]
        ),
        max_size=30,
    ).map(b"".join),
)


@given(BODIES, KINDS, st.text(string.printable + "%&=+", max_size=40))
@example(b"x", b"multipart/form-data; boundary=" + b"b" * 300, "")
def test_whatever_is_sent_is_read_or_refused(body: bytes, kind: bytes, query: str) -> None:
    try:
        parameters = Parameters(request(body, kind, query))
        for name in ("content", "user_tag", "", "�"):
            assert isinstance(parameters.optional(name), str)
        assert parameters.required("content") != ""
    except Refusal as refusal:
        assert refusal.status in (400, 415)  # noqa: PT017  # most of what is drawn is refused
        refusal.reply()


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.text(max_size=3)), max_size=8), st.sampled_from(FORMATS))
def test_all_formats_mean_the_same(pairs: list[tuple[str, str]], given_as: Format) -> None:
    wanted: dict[str, str] = {}
    for name, value in pairs:
        wanted.setdefault(name, value)
    parameters = given_as(pairs)
    assert {name: parameters.optional(name) for name in "abc"} == {name: wanted.get(name, "") for name in "abc"}


@given(st.text(min_size=1), st.sampled_from([quote, quote_plus]))
def test_names_are_decoded_like_values(name: str, encode: Callable[[str], str]) -> None:
    assert sent(f"{encode(name)}=x".encode()).required(name) == "x"


escapes = st.sampled_from(
    [b"%", b"%%", b"=", b"%3D", b"%3d", b"%25", b"%4", b"%41", b"2", b"5", b"D", b"+", b"\r", b"\n", b"%0a", b"_", b"z"]
)


@given(st.lists(escapes | st.binary(max_size=2), max_size=12).map(b"".join))
def test_escapes_are_read_as_the_standard_library_reads_them(raw: bytes) -> None:
    body = b"content=x" + raw.replace(b"&", b"")
    expected = unquote_to_bytes(body.partition(b"=")[2].replace(b"+", b" "))
    try:
        text = expected.decode()
    except UnicodeDecodeError:
        assert refused(lambda: sent(body).required("content")).code == "malformed_parameter"
    else:
        assert sent(body).required("content") == text


@pytest.mark.parametrize("unit", [b"%41", b"%z", b"%%41", b"%\n", b"%3D", b"=%"])
def test_no_form_takes_long_to_read(unit: bytes) -> None:
    """One look-up for each escape takes ten times as long."""
    body = b"content=" + unit * (100_000 // len(unit))
    slow = min(timeit.repeat(lambda: unquote_to_bytes(body), number=3, repeat=3))
    assert min(timeit.repeat(lambda: sent(body), number=3, repeat=3)) < slow / 2
