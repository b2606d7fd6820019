"""The page's server over HTTP and WebSocket: who sees what, who may command, and who holds up whom."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import urllib.error
import urllib.request

import aiohttp
import pytest

import kine_console.server as server_module
from kine_console.access import Access
from kine_console.server import AddressError, ConsoleServer, ServerSettings
from kine_console.state import ConsoleState

TOKEN = "the-right-token-of-today"
COMMANDS = [
    ("stop", {}),
    ("end_instruction", {}),
    ("enable", {}),
    ("reset", {}),
    ("disable", {}),
    ("home", {}),
    ("instruct", {"text": "pick up the bread"}),
    ("approve", {"kinematics": "slowly", "instruction_id": 1}),
    ("record_start", {"instruction": "pick up the bread"}),
    ("record_stop", {"verdict": "success"}),
    ("record_discard", {"reason": "bumped"}),
]


def get(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_the_page_and_all_it_needs_come_from_this_server(rig):
    status, page, headers = get(rig.server.url)
    assert status == 200 and "<title>KineVLA console</title>" in page
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "http://" not in page and "https://" not in page, "nothing is loaded from elsewhere"
    for name in ("console.css", "app.js", "link.js", "arm.js", "plot.js", "panels.js", "icon.svg"):
        assert get(f"{rig.server.url}page/{name}")[0] == 200, name
    assert len(json.loads(get(f"{rig.server.url}rm75.json")[1])["joints"]) == 7
    assert json.loads(get(f"{rig.server.url}health")[1])["ok"] is True


@pytest.mark.parametrize("name", ["..%2faccess.py", "%2e%2e/access.py", "access.py", ".", "no.js"])
def test_nothing_but_the_page_is_served(rig, name: str):
    assert get(f"{rig.server.url}page/{name}")[0] in (403, 404)


def test_a_page_of_another_site_can_neither_read_nor_command(rig):
    assert get(rig.server.url, Host="evil.example")[0] == 403
    assert get(f"{rig.server.url}ws", Origin="http://evil.example")[0] == 403
    assert get(rig.server.url, Host="localhost")[0] == 200


@pytest.mark.parametrize("token", ["", "the-wrong-token-of-today", None, 5, ["x"]])
def test_without_the_right_token_nothing_but_the_stop_reaches_the_robot(rig, browse, token):
    async def scene(browser) -> None:
        for name, arguments in COMMANDS:
            answer = await browser.ask(name, token, **arguments)
            assert answer["ok"] is (name == "stop")
            assert name == "stop" or "token" in answer["message"]
        assert (await browser.ask("check_token", token))["ok"] is False

    browse(rig, scene)
    assert rig.names == ["stop"]


def test_with_the_right_token_every_command_reaches_the_robot(rig, browse):
    async def scene(browser) -> None:
        assert (await browser.ask("check_token", TOKEN))["ok"] is True
        for name, arguments in COMMANDS:
            answer = await browser.ask(name, TOKEN, **arguments)
            assert answer == {"answer": answer["answer"], "ok": True, "message": f"{name} done"}
        # The right token once does not open the connection for good.
        assert (await browser.ask("enable", "wrong"))["ok"] is False

    browse(rig, scene)
    assert rig.names == [name for name, _ in COMMANDS]
    assert rig.asked[6].arguments == {"text": "pick up the bread"}


def post(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, data=b"", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_stop_passes_without_token_and_without_a_web_socket(rig):
    status, text = post(f"{rig.server.url}stop")
    assert (status, json.loads(text)) == (200, {"ok": True, "message": "stop done"})
    assert rig.names == ["stop"]
    assert rig.state.changes(0)[1]["events"][0]["what"] == "stop"
    assert get(f"{rig.server.url}stop")[0] == 405


def test_a_page_of_another_site_cannot_press_stop(rig):
    url = f"{rig.server.url}stop"
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ):
        assert post(url, **headers)[0] == 403, headers
    assert rig.names == []
    own = rig.server.url.rstrip("/")
    assert post(url, **{"Origin": own, "Sec-Fetch-Site": "same-origin"})[0] == 200


def test_the_right_token_gets_in_after_wrong_ones_from_the_same_address(rig, browse):
    async def scene(guesser, operator) -> None:
        for _ in range(30):
            assert (await guesser.ask("check_token", "a-wrong-token-of-today"))["ok"] is False
        for browser in (operator, guesser):  # also who mistyped it, at once
            assert (await browser.ask("check_token", TOKEN))["ok"] is True
        assert (await operator.ask("enable", TOKEN))["ok"] is True

    browse(rig, scene, 2)
    assert rig.names == ["enable"]


def test_when_all_places_are_taken_the_token_still_gets_in_and_a_stop_still_passes(make_rig, browse):
    rig = make_rig(max_viewers=3)

    async def scene(*guests) -> None:
        for guest in guests:
            await guest.until(lambda g=guest: g.hello)
        async with aiohttp.ClientSession() as session:
            late = await session.ws_connect(rig.server.url + "ws")
            await late.send_json({"id": 1, "command": "stop", "token": ""})
            assert (await late.receive_json(timeout=30))["ok"] is True
            for number in range(5):
                await late.send_json({"id": number, "command": "check_token", "token": "wrong" * 4})
            await late.send_json({"id": 9, "command": "check_token", "token": TOKEN})
            while (await late.receive_json(timeout=30)).get("answer") != 9:
                pass
            assert rig.server.viewers == 4
            assert not any(guest.socket.closed for guest in guests)
            await late.close()

    browse(rig, scene, 3)
    assert rig.names == ["stop"]


def test_who_shows_the_token_later_gives_a_place_free(make_rig, browse):
    rig = make_rig(max_viewers=1)

    async def scene(operator) -> None:
        assert (await operator.ask("check_token", TOKEN))["ok"] is True
        async with aiohttp.ClientSession() as session:
            guest = await session.ws_connect(rig.server.url + "ws")
            assert "hello" in await guest.receive_json(timeout=30)
            await guest.close()

    browse(rig, scene)


def test_those_who_wait_for_a_place_do_not_keep_the_operator_out(make_rig, browse, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_WAITING", 16)
    rig = make_rig(max_viewers=1)

    async def scene(guest) -> None:
        await guest.until(lambda: guest.hello)
        async with aiohttp.ClientSession() as session:
            crowd = [await session.ws_connect(rig.server.url + "ws") for _ in range(60)]
            operator = await session.ws_connect(rig.server.url + "ws")
            await operator.send_json({"id": 1, "command": "check_token", "token": TOKEN})
            while (await operator.receive_json(timeout=30)).get("answer") != 1:
                pass
            for socket_ in crowd:
                await socket_.close()

    browse(rig, scene)


def test_hundreds_of_idle_connections_keep_neither_a_stop_nor_the_operator_out(rig, browse):
    async def scene(operator) -> None:
        await operator.until(lambda: operator.hello)
        port = int(rig.server.url.rsplit(":", 1)[1].strip("/"))
        idle = []
        try:
            for _ in range(800):
                idle.append(socket.create_connection(("127.0.0.1", port)))
                await asyncio.sleep(0)
            assert (await operator.ask("stop"))["ok"] is True
            assert (await asyncio.to_thread(post, f"{rig.server.url}stop"))[0] == 200
            assert rig.server.connections_cut > 100
        finally:
            for one in idle:
                one.close()

    browse(rig, scene)
    assert rig.names == ["stop", "stop"]


def test_a_flood_of_messages_of_others_does_not_delay_a_stop(rig, browse):
    flood = b"".join(b"\x81\x82\0\0\0\0{}" for _ in range(2000))  # masked frames as a browser sends them

    async def scene(operator) -> None:
        await operator.until(lambda: operator.hello)
        port, over = int(rig.server.url.rsplit(":", 1)[1].strip("/")), asyncio.Event()

        async def shout() -> None:
            while not over.is_set():
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                )
                with contextlib.suppress(OSError):
                    while not over.is_set():
                        writer.write(flood)
                        await writer.drain()
                        await asyncio.sleep(0.001)
                writer.close()

        shouting = [asyncio.create_task(shout()) for _ in range(3)]
        worst_s = 0.0
        for _ in range(20):
            started_s = time.monotonic()
            assert (await operator.ask("stop"))["ok"] is True
            worst_s = max(worst_s, time.monotonic() - started_s)
            await asyncio.sleep(0.05)
        over.set()
        await asyncio.gather(*shouting, return_exceptions=True)
        print(f"worst of 20 stops beside three floods: {1000 * worst_s:.0f} ms")
        assert rig.server.traffic.too_loud >= 3

    browse(rig, scene)


def test_a_flood_of_stops_is_answered_by_few_calls_each_sent_after_it_was_asked_for(rig, browse):
    async def scene(browser) -> None:
        numbers = [await browser.send("stop") for _ in range(300)]
        await browser.until(lambda: browser.answers.get(numbers[-1]))
        assert browser.answers[numbers[-1]]["ok"] is True

    browse(rig, scene)
    assert 2 <= rig.names.count("stop") < 100


def test_a_stop_does_not_wait_for_the_other_commands(rig, browse):
    rig.slow = {"home", "enable", "reset"}

    async def scene(browser, second) -> None:
        for name in ("home", "enable", "reset"):
            await browser.send(name, TOKEN)
        await browser.until(lambda: len(rig.asked) == 3)
        assert (await browser.ask("stop", TOKEN))["ok"] is True
        assert (await second.ask("stop", TOKEN))["ok"] is True
        assert len(browser.answers) == 1, "home, enable and reset are still being done"

    browse(rig, scene, 2)
    assert rig.names[3:] == ["stop", "stop"]


def test_a_flood_of_requests_is_cut_off_but_a_stop_passes(rig, browse):
    async def scene(browser) -> None:
        for _ in range(200):
            await browser.send("enable", TOKEN)
        assert (await browser.ask("stop", TOKEN))["ok"] is True
        assert any("too many requests" in answer["message"] for answer in browser.answers.values())

    browse(rig, scene)
    assert rig.names.count("enable") < 50
    assert rig.names.count("stop") == 1


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "7", "[" * 16000, '{"command": 5}', '{"seen": "x"}', '{"seen": 99999999}', '{"id": {}}'],
    ids=["cut", "list", "number", "deep", "command", "text seen", "unsent seen", "id"],
)
def test_nonsense_is_survived(rig, browse, text: str):
    async def scene(browser) -> None:
        await browser.socket.send_str(text)
        rounds = browser.rounds
        await browser.until(lambda: browser.rounds > rounds + 2, "the rounds going on")

    browse(rig, scene)
    assert rig.asked == []


def test_several_viewers_see_the_same_and_each_others_commands(rig, browse):
    rig.state.take_status("kinevla: policy", 0, "idle", {})

    async def scene(first, second) -> None:
        await first.ask("enable", TOKEN)
        for browser in (first, second):
            await browser.until(lambda b=browser: b.news.get("events"))
            assert browser.news["events"][0]["what"] == "enable"
            assert browser.news["statuses"]["kinevla: policy"]["message"] == "idle"
            await browser.until(lambda b=browser: b.news.get("viewers") == 2)

    browse(rig, scene, 2)


def test_one_viewer_too_many_is_told_so(make_rig):
    rig = make_rig(max_viewers=1)

    async def scene() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(rig.server.url + "ws") as first:
                await first.receive(timeout=30)
                async with session.ws_connect(rig.server.url + "ws") as second:
                    message = await second.receive(timeout=30)
                    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4003)
                    assert "1 viewers are connected already" in message.extra
                assert not first.closed
            for _ in range(1000):  # the place is free again
                if rig.server.viewers == 0:
                    break
                await asyncio.sleep(0.01)
            async with session.ws_connect(rig.server.url + "ws") as third:
                assert (await third.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT

    asyncio.run(scene())


def test_the_newest_picture_of_each_camera_arrives(rig, browse):
    async def scene(browser) -> None:
        for number in range(60):
            rig.feeds[0].put(b"front %d" % number)
            rig.feeds[1].put(b"wrist %d" % number)
            await asyncio.sleep(0.01)
        await browser.until(lambda: {p[2] for p in browser.pictures} >= {b"front 59", b"wrist 59"})
        for camera in (0, 1):
            numbers = [number for index, number, _ in browser.pictures if index == camera]
            assert numbers == sorted(set(numbers)), "never an older one, none twice"

    browse(rig, scene)


def test_no_picture_is_encoded_while_nobody_looks(rig):
    rig.feeds[0].put(b"front")
    time.sleep(0.3)
    assert rig.feeds[0].number == 0


def test_a_picture_that_cannot_be_shown_says_why_and_the_next_one_is_shown(rig, browse):
    async def scene(browser) -> None:
        rig.feeds[0].put(b"broken")
        await browser.until(lambda: rig.feeds[0].error)
        assert "yuv" in rig.feeds[0].error
        rig.feeds[0].put(b"good")
        await browser.until(lambda: browser.pictures)
        assert rig.feeds[0].error == ""

    browse(rig, scene)


def test_a_viewer_that_takes_nothing_holds_up_nobody_and_is_let_go(make_rig, browse):
    rig = make_rig(gone_s=1.5)

    async def scene(quick) -> None:
        async with aiohttp.ClientSession() as session:
            _stuck = await session.ws_connect(rig.server.url + "ws")  # reads nothing, sees nothing
            await quick.until(lambda: rig.server.viewers == 2)
            started_s = time.monotonic()
            number = 0
            while rig.server.viewers == 2:
                assert time.monotonic() - started_s < 30, "the stuck viewer is still there"
                number += 1
                rig.feeds[0].put(b"%d" % number + b"x" * 50_000)
                await asyncio.sleep(0.01)
            assert len(quick.pictures) > 5
            rig.feeds[0].put(b"last")
            await quick.until(lambda: quick.pictures[-1][2] == b"last")
            assert (await quick.ask("stop", TOKEN))["ok"] is True
        assert rig.server.traffic.too_slow == 1

    browse(rig, scene)


def test_a_slow_viewer_gets_fewer_pictures_but_new_ones(rig, browse):
    async def scene(browser) -> None:
        await browser.until(lambda: browser.rounds == 2)
        for number in range(50):  # it says nothing of having seen anything: no third round
            rig.feeds[0].put(b"%d" % number)
            await asyncio.sleep(0.02)
        assert browser.rounds == 2
        before = len(browser.pictures)
        await browser.socket.send_json({"seen": 2})
        await browser.until(lambda: len(browser.pictures) > before)
        await browser.socket.send_json({"seen": 3})
        await browser.until(lambda: browser.pictures[-1][2] == b"49")
        assert len(browser.pictures) - before <= 4, "the pictures in between are left out"

    browse(rig, scene, seeing=False)


def test_a_new_viewer_gets_the_last_minute(rig, browse):
    rig.state.take_joints(["joint_1"], [0.25])
    rig.state.take_plan({"chunk_id": 3}, {"total": 0.04, "age": 0.1})

    async def scene(browser) -> None:
        await browser.until(lambda: browser.hello)
        assert browser.hello["history"]["joints"][0][1] == 0.25
        assert browser.hello["history"]["latencies"][0][1:] == [0.04, 0.1]
        assert browser.hello["cameras"] == ["front", "wrist"]

    browse(rig, scene)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "the port is taken"), ("203.0.113.7", "annot assign"), ("no.such.host.invalid", "")],
)
def test_an_address_that_cannot_be_used_is_one_clear_error(host: str, expected: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = ConsoleServer(ServerSettings(host=host, port=port), ConsoleState(), [], Access(TOKEN), None)
        with pytest.raises(AddressError) as error:
            server.start()
    assert str(error.value).startswith(f"cannot serve the console at {host}:{port}: ")
    assert expected in str(error.value)


def test_the_server_ends_with_viewers_connected_and_frees_its_port(make_rig, browse):
    rig = make_rig()
    port = int(rig.server.url.rsplit(":", 1)[1].strip("/"))

    async def scene(browser) -> None:
        await browser.until(lambda: browser.rounds > 1)
        await asyncio.to_thread(rig.server.stop)
        await browser.until(lambda: browser.socket.closed or browser.reader.done())

    browse(rig, scene)
    with socket.create_server(("127.0.0.1", port)):
        pass
