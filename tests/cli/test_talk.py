"""A client's side of the Pusher protocol, as values: what it answers, what it makes of events, and when it gives up."""

import json

import pytest

from pushery.cli.credentials import Credentials
from pushery.cli.sockets import Refused
from pushery.cli.talk import Event, Step, Talk, Wanted

GREETING = (
    '{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1234.1234\\",\\"activity_timeout\\":120}"}'
)
PROVES = Credentials("278d425bdf160c739803", "7ad3773142a6692b25b8")


def frame(event: str, data: object, channel: str = "") -> str:
    return json.dumps({"event": event, "data": data, "channel": channel})


def test_subscriptions_are_signed_as_the_protocols_own_examples_are() -> None:
    member = '{"user_id":10,"user_info":{"name":"Mr. Channels"}}'
    step = Talk(Wanted(["private-foobar", "presence-foobar", "open"], PROVES, member)).hear(GREETING)
    private, presence, public = (json.loads(reply)["data"] for reply in step.replies)
    assert private["auth"].endswith(":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4")
    assert presence["auth"].endswith(":31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80")
    assert presence["channel_data"] == member
    assert public == {"channel": "open"}
    assert step.notes == ["connected as 1234.1234"]


def test_it_signs_in_first_and_subscribes_then() -> None:
    talk = Talk(Wanted(["a"], PROVES, user='{"id":"12345"}'))
    (signin,) = map(json.loads, talk.hear(GREETING).replies)
    proof = "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    assert signin["data"] == {"auth": f"{PROVES.key}:{proof}", "user_data": '{"id":"12345"}'}
    (subscribe,) = map(json.loads, talk.hear(frame("pusher:signin_success", "{}")).replies)
    assert subscribe["event"] == "pusher:subscribe"


def test_a_ping_of_the_server_is_answered() -> None:
    (pong,) = Talk(Wanted(["a"])).hear(frame("pusher:ping", "{}")).replies
    assert json.loads(pong)["event"] == "pusher:pong"


def test_data_that_is_json_is_decoded_and_other_text_stays() -> None:
    talk = Talk(Wanted(["a"]))
    assert talk.hear(frame("e", '{"b":1}', "a")).events == [Event("a", "e", {"b": 1})]
    assert talk.hear(frame("e", "plain", "a")).events == [Event("a", "e", "plain")]


def test_what_cannot_be_decrypted_stays_as_it_is_and_says_so() -> None:
    talk = Talk(Wanted(["private-encrypted-a"], encryption_key=bytes(32)))
    for data in ('{"nonce":"","ciphertext":"x"}', "plain"):
        (event,) = talk.hear(frame("e", data, "private-encrypted-a")).events
        assert event.sealed


def test_an_error_before_all_is_subscribed_is_the_end_and_later_it_is_told() -> None:
    talk = Talk(Wanted(["a"]))
    refusal = frame("pusher:error", {"code": 4001, "message": "application does not exist"})
    assert talk.hear(refusal) == Step(), "the close that follows says it"
    talk.hear(GREETING)
    with pytest.raises(Refused, match="no such luck"):
        talk.hear(frame("pusher:error", {"code": None, "message": "no such luck"}))
    talk.hear(frame("pusher_internal:subscription_succeeded", "{}", "a"))
    assert talk.hear(frame("pusher:error", {"message": "slow"})).notes == ["the server says: slow"]


@pytest.mark.parametrize("text", ["hello", b"\xff", "[]", '{"data":1}', '{"event":1}'])
def test_what_is_not_the_protocol_is_refused(text: str | bytes) -> None:
    with pytest.raises(Refused, match="does not speak the Pusher protocol"):
        Talk(Wanted(["a"])).hear(text)
