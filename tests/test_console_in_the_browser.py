"""An operator at the page: a real Chromium, the whole simulated robot, the shipped checkpoint.

Runs when it is asked for: `make test-browser`, which installs Debian's chromium and playwright and sets
KINE_BROWSER_TEST=1. With KINE_CONSOLE_PICTURES=FOLDER the pictures of the documentation are taken on the way.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from console_viewer import read_token, wait_for_rest

from kine_sim import rm75
from kine_sim.tasks import TASKS
from kinevla_policy.free_ports import free_tcp_port
from running_stack import PATIENT_POLICY, RunningStack, start_stack

PICTURES = os.environ.get("KINE_CONSOLE_PICTURES", "")
if not PICTURES and os.environ.get("KINE_BROWSER_TEST") != "1":
    pytest.skip("only when asked for: make test-browser", allow_module_level=True)
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed: make test-browser", allow_module_level=True)
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: make test-browser")

OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
TASK = TASKS[4]
PATIENCE_MS = 120_000
SCREEN = {"width": 1440, "height": 900}


@dataclass
class Desk:
    """The stack, the page of an operator, how to open further pages, and where recordings go."""

    stack: RunningStack
    page: Any
    open_page: Callable[[], Any]
    token: str
    episodes: Path

    def picture(self, name: str, page: Any = None) -> None:
        """For the documentation, when asked for."""
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            (page or self.page).screenshot(path=str(Path(PICTURES) / f"{name}.png"))

    def wait(self, script: str) -> None:
        """Until the JavaScript expression is true in the operator's page.

        Not by `wait_for_function`: the page's content security policy forbids what that does.
        """
        end_s = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(f"Boolean({script})"):
            assert time.monotonic() < end_s, f"not within {PATIENCE_MS / 1000:.0f} s: {script}"
            time.sleep(0.05)

    def assert_fits(self) -> None:
        """The page needs no scrolling on its screen, and the pictures keep their shape."""
        size = self.page.evaluate("(({scrollWidth: a, scrollHeight: b}) => [a, b])(document.documentElement)")
        assert size == [SCREEN["width"], SCREEN["height"]]
        over = self.page.evaluate(
            "document.querySelector('.do').scrollHeight - document.querySelector('.do').clientHeight"
        )
        assert over <= 0, f"the right column is {over} pixels too long"
        for box in self.page.locator(".picture").all():
            shape = box.bounding_box()
            assert abs(shape["width"] / shape["height"] - 4 / 3) < 0.02, shape

    def see(self, selector: str, text: str) -> None:
        """Until the element holds the text."""
        playwright_api.expect(self.page.locator(selector)).to_contain_text(text, timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("browser")
    port = free_tcp_port()
    settings = yaml.safe_load(PATIENT_POLICY.read_text())
    settings["kinevla"]["ros__parameters"]["require_approval"] = True
    (folder / "policy.yaml").write_text(yaml.safe_dump(settings))
    options = ["--task", str(TASK.number), "--seed", "3", "--policy-config", str(folder / "policy.yaml")]
    options += ["--console", "--console-port", str(port), "--console-token-file", str(folder / "token")]
    options += ["--record", "--record-folder", str(folder / "episodes")]
    running = start_stack(folder, *options)
    try:
        token = read_token(folder / "token")
        with playwright_api.sync_playwright() as player:
            browser = player.chromium.launch(executable_path=CHROMIUM, headless=True, args=OPTIONS)

            def open_page() -> Any:
                page = browser.new_page(viewport=SCREEN)
                page.set_default_timeout(PATIENCE_MS)
                page.errors = []
                page.on("pageerror", lambda error: page.errors.append(str(error)))
                for attempt in range(300):
                    try:
                        page.goto(f"http://127.0.0.1:{port}/")
                        break
                    except playwright_api.Error:  # not listening yet
                        if attempt == 299:
                            raise
                        time.sleep(0.3)
                return page

            yield Desk(running, open_page(), open_page, token, folder / "episodes")
            browser.close()
    finally:
        running.client.close()
        running.process.stop()
        print(running.process.tail(40))


def arm_state(desk: Desk) -> str:
    return desk.stack.client.diagnostic("realman_driver: arm").get("state", "")


def wait_for_arm(desk: Desk, state: str) -> None:
    """Until the driver itself reports the state, not only the page."""
    alive = desk.stack.process.alive
    desk.stack.client.wait_for(f"the arm's state {state}", lambda: arm_state(desk) == state, 60, alive)


def pixels(page: Any, camera: str) -> bytes:
    """What the page shows of a camera, made small."""
    return bytes(
        page.evaluate(
            """(name) => {
                const image = document.querySelector(`[data-camera=${name}] img`);
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [64, 48];
                const g = canvas.getContext('2d');
                g.drawImage(image, 0, 0, 64, 48);
                return Array.from(g.getImageData(0, 0, 64, 48).data);
            }""",
            camera,
        )
    )


def uncut(page: Any, what: str) -> bool:
    """Whether a box shows the whole of its text."""
    return bool(
        page.locator(what).evaluate(
            "(e) => e.scrollHeight <= e.clientHeight + 2 && e.scrollWidth <= e.clientWidth + 2"
        )
    )


def test_whoever_opens_the_page_sees_the_robot_and_cannot_command_it(desk: Desk):
    page = desk.page
    desk.see("#pill-arm b", "disabled")
    desk.see("#pill-policy b", "ready")
    desk.see("#control-word", "View only")
    desk.see("#which", "SIMULATED")
    for camera in ("front", "wrist"):
        desk.wait(f"document.querySelector('[data-camera={camera}] img').naturalWidth > 100")
        assert len(set(pixels(page, camera))) > 20, f"the {camera} picture is empty"
    desk.see("#plan-empty", "No plan yet")
    for button in page.locator("button[data-command]").all():
        assert button.is_disabled()
    assert page.locator("#stop").is_enabled(), "who sees the arm may stop it"
    desk.assert_fits()


def test_the_arm_is_drawn_where_it_is(desk: Desk):
    desk.wait("window.kineConsole.arm()?.joints && window.kineConsole.news.joints")
    found = desk.page.evaluate("[window.kineConsole.arm().joints, window.kineConsole.arm().tool()]")
    assert np.allclose(found[1], rm75.tool_pose(found[0])[:3, 3], atol=1e-4)
    assert np.allclose(found[0], desk.stack.joints()[:7], atol=5e-3)


def test_a_wrong_token_cannot_command_not_even_past_the_page(desk: Desk):
    page = desk.open_page()
    page.fill("#token", "a-wrong-token-of-my-own")
    page.click("text=Take control")
    expect = playwright_api.expect(page.locator("#answer-token"))
    expect.to_contain_text("the control token is wrong", timeout=PATIENCE_MS)
    assert page.locator("button[data-command=enable]").is_disabled()
    answers = page.evaluate(
        """() => new Promise((resolve) => {
            const socket = new WebSocket(`ws://${location.host}/ws`), answers = [];
            const ask = (command, id) => socket.send(JSON.stringify(
                {id, command, token: 'guess', arguments: command === 'instruct' ? {text: 'x'} : {}}));
            socket.onopen = () => ['instruct', 'enable'].forEach(ask);
            socket.onmessage = (event) => {
                const message = typeof event.data === 'string' ? JSON.parse(event.data) : {};
                if ('answer' in message && answers.push(message.ok) === 2) resolve(answers);
            };
        })"""
    )
    assert answers == [False] * 2
    time.sleep(1.0)
    assert arm_state(desk) == "CONNECTED"
    assert not [r for r in desk.stack.received() if r["command"] == "movej_canfd"]
    page.close()


def test_an_instruction_is_approved_and_done_until_stop_is_pressed_and_the_arm_holds(desk: Desk):
    page, client = desk.page, desk.stack.client
    page.fill("#token", desk.token)
    page.click("text=Take control")
    desk.see("#control-word", "You are in control")
    page.click("button[data-command=enable]")
    desk.see("#pill-arm b", "enabled")

    desk.see("#judge-says", "goal not reached yet")
    assert TASK.instruction in page.inner_text("#judge-sentence")
    page.click("#suggestions summary")
    assert all(TASK.object in text for text in page.locator("#suggestions button").all_inner_texts())
    page.click(f"#suggestions button:has-text('{TASK.instruction}')")
    assert page.input_value("#instruction") == TASK.instruction
    assert uncut(page, "#instruction"), "the sentence is cut"
    page.keyboard.press("Enter")
    page.wait_for_selector("#approval:not([hidden])")
    proposed = page.input_value("#approval-text")
    assert proposed == page.inner_text("#kinematics-reasoning") != ""
    assert uncut(page, "#approval-text"), "the last line of the reasoning is cut"
    start = np.array(desk.stack.joints())
    time.sleep(1.0)
    assert np.abs(np.array(desk.stack.joints()) - start).max() < 5e-3, "it moved without approval"

    page.fill("#approval-text", "flap with the wings")
    page.click("button[data-command=approve]")
    desk.see("#answer-approve", "Refused: 'flap'")
    desk.picture("console-approve")
    desk.assert_fits()
    page.fill("#approval-text", proposed)
    pictures = {camera: pixels(page, camera) for camera in ("front", "wrist")}
    page.click("button[data-command=approve]")
    client.wait_for("three chunks", lambda: len(client.chunks) >= 3, 120, desk.stack.process.alive)
    desk.wait("window.kineConsole.news.plan.chunk_id >= 2")
    shown = "document.querySelector('#goal-codes').textContent"
    # In one look: they change with every chunk.
    desk.wait(f"{shown}.startsWith(String(window.kineConsole.news.plan.goal_codes[0]))")
    assert page.inner_text("#goal-reasoning")
    for camera, before in pictures.items():
        now = pixels(page, camera)
        changed = np.mean(np.frombuffer(now, np.uint8) != np.frombuffer(before, np.uint8))
        assert changed > 0.02, f"the {camera} picture stands still"
    assert uncut(page, "#pill-policy i"), "the tile cuts the sentence"
    assert page.locator("button[data-command=home]").is_enabled()
    assert page.locator("button[data-command=end_instruction]").is_enabled()
    desk.picture("console-working")
    desk.assert_fits()

    page.keyboard.press("Escape")
    desk.see("#pill-arm b", "STOPPED")
    wait_for_arm(desk, "STOPPED")
    held, chunks = wait_for_rest(desk.stack.joints), len(client.chunks)
    time.sleep(1.5)
    assert np.abs(np.array(desk.stack.joints())[:7] - held).max() < 2e-3, "the arm did not hold"
    assert len(client.chunks) == chunks
    assert np.abs(held - start[:7]).max() > 0.05, "the arm had not moved at all"
    desk.see("#arm-hint", "Press Reset")
    for command in ("instruct", "home", "end_instruction"):
        playwright_api.expect(page.locator(f"button[data-command={command}]")).to_be_disabled(
            timeout=PATIENCE_MS
        )
    desk.see("#events", "ENABLED -> STOPPED")
    page.click("#counters-reset")
    desk.see("#counters", "Nothing refused, nothing dropped")
    desk.picture("console-stopped")


def test_who_only_looks_stops_the_arm_even_where_no_place_is_left_for_a_viewer(desk: Desk):
    desk.page.click("button[data-command=reset]")
    desk.see("#pill-arm b", "disabled")
    desk.page.click("button[data-command=enable]")
    desk.see("#pill-arm b", "enabled")
    guests = [desk.open_page() for _ in range(9)]
    playwright_api.expect(guests[-1].locator("#banner")).to_contain_text("viewers", timeout=PATIENCE_MS)
    guests[-1].keyboard.press("Escape")
    desk.see("#pill-arm b", "STOPPED")
    wait_for_arm(desk, "STOPPED")
    for guest in guests:
        guest.close()


@pytest.mark.parametrize("silence_s", [0, 10], ids=["same-connection", "new-connection"])
def test_when_the_link_breaks_the_page_says_so_and_commands_nothing_until_it_is_back(
    desk: Desk, silence_s: float
):
    page = desk.page
    console = next(
        child
        for child in psutil.Process(desk.stack.process.pid).children(recursive=True)
        if any("console_node" in word for word in child.cmdline())
    )
    console.send_signal(signal.SIGSTOP)
    try:
        desk.see("#banner", "NO LINK TO THE CONSOLE")
        desk.see("#stop-hint", "NO LINK")
        assert all(button.is_disabled() for button in page.locator("button[data-command]").all())
        desk.picture("console-no-link")
        desk.assert_fits()
        time.sleep(silence_s)
    finally:
        console.send_signal(signal.SIGCONT)
    desk.wait("document.querySelector('#banner').hidden")
    desk.see("#control-word", "You are in control")
    desk.see("#stop-hint", "Esc or Space")
    desk.see("#events", "link to the console lost")
    assert page.errors == []


def test_on_a_phone_the_instruction_is_above_both_cameras(desk: Desk):
    page = desk.open_page()
    page.set_viewport_size({"width": 390, "height": 844})
    places = [page.locator(what).bounding_box()["y"] for what in ("#instruction", ".camera >> nth=0")]
    assert places == sorted(places)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    desk.picture("console-phone", page)
    page.close()


def test_reset_and_enable_bring_the_arm_back_and_space_and_the_red_button_stop_it_again(desk: Desk):
    page = desk.page
    for way in ("Space", "the red button"):
        page.click("button[data-command=reset]")
        desk.see("#pill-arm b", "disabled")
        page.click("button[data-command=enable]")
        desk.see("#pill-arm b", "enabled")
        if way == "Space":
            page.fill("#instruction", "")
            page.type("#instruction", "put it")
            assert page.input_value("#instruction") == "put it"
            wait_for_arm(desk, "ENABLED")
            time.sleep(1.0)
            assert arm_state(desk) == "ENABLED", "a space in a text field is no stop"
            page.evaluate("document.activeElement.blur()")
            page.keyboard.press("Space")
        else:
            page.click("#stop")
        desk.see("#pill-arm b", "STOPPED")
        wait_for_arm(desk, "STOPPED")
    assert page.errors == []


def test_an_episode_is_recorded_while_the_arm_works_and_kept_with_the_operators_verdict(desk: Desk):
    page, client = desk.page, desk.stack.client
    page.click("button[data-command=reset]")
    desk.see("#pill-arm b", "disabled")
    page.click("button[data-command=enable]")
    desk.see("#pill-arm b", "enabled")
    page.fill("#instruction", TASK.instruction)
    page.fill("#operator", "Ada")
    page.click("button[data-command=record_start]")
    desk.see("#pill-recorder b", "RECORDING")
    page.press("#instruction", "Enter")
    page.wait_for_selector("#approval:not([hidden])")
    chunks = len(client.chunks)
    page.click("button[data-command=approve]")
    client.wait_for("three more", lambda: len(client.chunks) >= chunks + 3, 120, desk.stack.process.alive)
    desk.picture("console-recording")
    desk.assert_fits()
    page.fill("#record-note", "only a try")
    page.click("button[data-verdict=failure]")
    desk.see("#pill-recorder b", "ready")
    page.wait_for_selector("#record-idle:not([hidden])")
    [episode] = desk.episodes.rglob("episode.json")
    kept = json.loads(episode.read_text())
    assert (kept["instruction"], kept["operator_name"], kept["verdict"]) == (
        TASK.instruction,
        "Ada",
        "failure",
    )
    assert page.errors == []
