"""What a user reads about an arm that does not answer."""

from __future__ import annotations

from realman_driver.link_news import PATIENCE_S, LinkNews


class Told:
    """The news with a clock that is set by hand, and what was said."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.said: list[tuple[str, str]] = []
        self.news = LinkNews(lambda level, text: self.said.append((level, text)), lambda: self.now_s)

    def fail_for(self, duration_s: float, *reasons: str) -> None:
        end_s = self.now_s + duration_s
        while self.now_s < end_s:
            for reason in reasons:
                self.news.failed(reason)
            self.now_s += 0.5

    def levels(self) -> list[str]:
        return [level for level, _ in self.said]


def test_an_arm_that_comes_up_with_its_driver_causes_no_warning() -> None:
    told = Told()
    told.fail_for(PATIENCE_S - 1.0, "refused", "did not answer")
    told.news.connected()
    assert told.levels() == ["info"]


def test_each_cause_that_lasts_is_a_warning_once_however_they_alternate() -> None:
    told = Told()
    told.fail_for(20 * PATIENCE_S, "refused", "did not answer")
    assert told.levels() == ["info", "warning", "warning"]
    assert "did not answer" in told.said[-1][1]


def test_after_a_connection_the_next_failure_is_news_again() -> None:
    told = Told()
    told.fail_for(2 * PATIENCE_S, "refused")
    told.news.connected()
    told.fail_for(2 * PATIENCE_S, "refused")
    assert told.levels() == ["info", "warning"] * 2
