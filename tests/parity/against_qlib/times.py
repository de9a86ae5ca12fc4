"""Random calendars, times and segments."""

import pandas as pd

CALENDARS = 48


def calendars(rng):
    """Calendars of several shapes; about half of them know sessions of the future."""
    return [calendar(rng, at) for at in range(CALENDARS)]


def calendar(rng, at):
    shape = at % 6
    if shape == 0:  # the calendar of the contract's worked examples
        sessions = pd.bdate_range("2020-01-01", "2020-02-28").tolist()
    elif shape == 1:  # with holidays
        days = pd.bdate_range("2019-11-18", periods=rng.randint(60, 160)).tolist()
        sessions = [day for day in days if rng.random() > 0.06]
    elif shape == 2:  # every day
        sessions = pd.date_range("2020-02-20", periods=rng.randint(20, 80)).tolist()
    elif shape == 3:  # weeks, months
        sessions = pd.date_range("2015-03-31", periods=rng.randint(20, 70), freq=rng.choice(["W-FRI", "MS"])).tolist()
    elif shape == 4:  # anything
        sessions = sorted(rng.sample(pd.date_range("2021-01-01", periods=200).tolist(), rng.randint(8, 60)))
    else:  # bars of a day
        days = pd.bdate_range("2022-05-02", periods=rng.randint(4, 12)).tolist()
        sessions = [day + pd.Timedelta(hours=hour, minutes=30) for day in days for hour in (9, 10, 11, 13, 14)]
    n = len(sessions)
    return sessions, n if rng.random() < 0.5 else rng.randint(max(2, n // 2), n)


class Times:
    """Draws times around the sessions of a calendar, written in all the ways that people write them."""

    def __init__(self, rng, sessions, n_current):
        self.rng, self.sessions, self.n_current = rng, sessions, n_current
        self.n = len(sessions)
        self.intraday = any(session != session.normalize() for session in sessions)

    def index(self):
        return self.rng.randrange(self.n)

    def step(self):
        return self.rng.choice([1, 2, 3, 5, 7, 10, self.n // 4 + 1, self.n // 2, self.rng.randint(1, self.n), self.n])

    def any(self, *, none=0.0):
        """A session, a time between sessions, before or after all, or ``None``."""
        draw = self.rng.random()
        if draw < none:
            return None
        if draw > 0.93:
            return self.written(self.outside())
        return self.near(self.index())

    def outside(self):
        days = pd.Timedelta(days=self.rng.choice([1, 3, 40]))
        return self.rng.choice([self.sessions[0] - days, self.sessions[-1] + days])

    def near(self, index, *, away=0.25):
        """The session of an index, which may lie past the calendar, or a time near to it."""
        time = self.sessions[max(0, min(index, self.n - 1))] + pd.Timedelta(days=max(0, index - self.n + 1))
        if self.rng.random() < away:
            # The bars of a day lie hours apart; ends that are bare dates there are cases of their own.
            near = pd.Timedelta(hours=1) if self.intraday else pd.Timedelta(days=1)
            time += near * self.rng.choice([-1, 1, 2])
        return self.written(time)

    def written(self, time):
        draw = self.rng.random()
        if draw < 0.45:
            return time
        if draw < 0.55:
            return time.to_pydatetime()
        if time != time.normalize():
            return str(time)
        if draw < 0.65:
            return time.date()
        return self.rng.choice([str(time.date()), str(time), f"{time:%Y%m%d}", f"{time.date()} 15:00:00"])

    def pair(self, *, none=0.0):
        """A segment, its ends mostly in order, as a tuple or as a list."""
        first, last = sorted((self.index(), self.index()))
        if self.rng.random() < 0.03:
            first, last = last, first
        if self.rng.random() < 0.03:
            return self.boxed(*[self.written(self.outside())] * 2)
        return self.boxed(
            None if self.rng.random() < none else self.near(first),
            None if self.rng.random() < none else self.near(last),
        )

    def boxed(self, first, last, *, lists=0.15):
        return [first, last] if self.rng.random() < lists else (first, last)

    def whole_day(self):
        """A day without a time of day, or a month: where an end may mean all of it."""
        day = self.sessions[self.index()]
        return self.rng.choice([str(day.date()), day.date(), f"{day:%Y-%m}"])
