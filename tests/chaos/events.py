"""Publications: jobs and campaigns that live and end, each event with a number of its own."""

import json
import time
from dataclasses import dataclass, field

# Bytes by which some milestones are longer, so that buffers fill.
PAD = 3000


@dataclass(frozen=True)
class Sent:
    """An event as the publisher knows it. A lane is what order is kept in: a job, or a channel."""

    lane: str
    resource: str
    is_milestone: bool
    is_ending: bool
    at: float
    said: str


@dataclass
class Journal:
    """All events that were tried, by their numbers, and the numbers of those that Redis has answered for."""

    sent: dict = field(default_factory=dict)
    confirmed: set = field(default_factory=set)

    def enter(self, event):
        """Gives an event its number, and the payload with it."""
        number, said = len(self.sent) + 1, event.payload.get("event_type") or event.payload.get("type") or event.payload.get("status")
        self.sent[number] = Sent(event.lane, event.resource, event.is_milestone, event.is_ending, time.monotonic(), said)
        payload = {**event.payload, "n": number}
        if event.is_padded:
            payload["pad"] = "x" * PAD
        return number, json.dumps(payload)


@dataclass
class Event:
    """An event before it is sent."""

    lane: str
    resource: str
    payload: dict
    is_milestone: bool = False
    is_ending: bool = False
    is_padded: bool = False


@dataclass(frozen=True)
class Feed:
    """A stream, or a family of channels: its key, whether entries name their job, and events a second."""

    name: str
    key: str
    names_job: bool
    rate: float
    lanes: tuple
    events: object

    def channel(self, lane):
        """The channel for the events of a lane by PUBLISH."""
        return f"{self.key}:{lane.partition('/')[2]}" if self.names_job else self.key


def scraping(rng, lane):
    """Runs of a scraping job, one after the other: progress, scrapers, an ending."""
    job = int(lane.partition("/")[2])

    def event(kind, percent, **more):
        payload = {"job_id": job, "event_type": kind, "status": "running", "progress": percent, "results_count": 0}
        is_conflatable = kind in ("job_progress", "results_updated")
        is_ending = kind in ("job_completed", "job_failed")
        payload |= {"message": None, "metadata": more, "timestamp": "2026-01-01T00:00:00"}
        return Event(lane, "", payload, not is_conflatable, is_ending, not is_conflatable and rng.random() < 0.3)

    while True:
        yield event("job_started", 0, job_type="flights", source="chaos")
        for percent in range(5, 100, rng.randint(5, 20)):
            yield event("job_progress", percent)
            if rng.random() < 0.5:
                kind = rng.choice(("scraper_started", "scraper_completed", "scraper_failed"))
                yield event(kind, percent, scraper_name=f"s-{rng.randint(1, 5)}", route="ZRH-ATH", results_count=3)
            if rng.random() < 0.2:
                yield event("results_updated", percent)
        yield event(rng.choice(("job_completed", "job_failed")), 100)


def downloads(rng, lane):
    """Runs of a download: only endings are milestones."""
    job = lane.partition("/")[2]

    def event(status, percent):
        is_ending = status in ("completed", "failed")
        return Event(lane, "", {"jobId": job, "status": status, "progress": percent}, is_ending, is_ending)

    while True:
        yield event("queued", 0)
        for percent in range(10, 100, rng.randint(10, 40)):
            yield event("processing", percent)
        yield event(rng.choice(("completed", "failed")), 100)


def tasks(rng, lane):
    """Runs of a task."""
    job = lane.partition("/")[2]

    def event(kind, **more):
        is_ending = kind != "progress"
        return Event(lane, "", {"type": kind, "task_id": job, **more}, is_ending, is_ending)

    while True:
        for step in range(1, rng.randint(3, 8)):
            yield event("progress", step=step, total_steps=8, status="working")
        yield rng.choice((event("completion", status="SUCCESS"), event("error", status="FAILURE", error="chaos")))


def campaigns(rng, lane):
    """Events of four campaigns."""

    def event(kind, campaign, **more):
        payload = {"type": kind, "campaign_id": campaign, "timestamp": "2026-01-01T00:00:00Z", **more}
        is_milestone = kind != "campaign:stats_updated"
        return Event(lane, str(campaign), payload, is_milestone, False, is_milestone and rng.random() < 0.2)

    while True:
        campaign = rng.randint(1, 4)
        kind = rng.choice(("campaign:email_sent", "campaign:paused", "campaign:stats_updated", "campaign:resumed"))
        yield event(kind, campaign, sent=rng.randint(0, 1000))


def leads(rng, lane):
    """Leads, every one a milestone."""
    while True:
        lead = rng.randint(1, 3)
        yield Event(lane, str(lead), {"type": "lead:created", "lead_id": lead, "source": "chaos"}, True)


FEEDS = (
    Feed("scraping", "scraping_events", False, 30, tuple(f"scraping/{n}" for n in range(1, 7)), scraping),
    Feed("downloads", "download_updates", True, 15, tuple(f"downloads/d{n}" for n in range(1, 5)), downloads),
    Feed("tasks", "task_updates", True, 12, tuple(f"tasks/t{n}" for n in range(1, 4)), tasks),
    Feed("campaigns", "fliptechpro:campaigns", False, 20, ("channel:campaigns",), campaigns),
    Feed("leads", "fliptechpro:leads", False, 8, ("channel:leads",), leads),
)
LANES = tuple(lane for feed in FEEDS for lane in feed.lanes)
DIALECTS = "scraping,downloads,tasks,channels"
