"""The count: what each client must have had, from what is in the streams. This module knows nothing of how a relay works."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

# A relay on pub/sub that was cut off tells so within this time of the first state that it reads back, in seconds.
TOLD_WITHIN = 3.0


@dataclass
class Segment:
    """Numbers of a lane that came without a gap between them, in order of their coming.

    `since` is the time from which on nothing may be missing, `state` the number of the event that came as the job's state.
    """

    since: float
    state: int = None
    numbers: array = field(default_factory=lambda: array("L"))
    times: array = field(default_factory=lambda: array("d"))
    # Time at which a gap that was told ended it.
    gap_at: float = None


@dataclass(frozen=True)
class Watch:
    """A wish of a client: a lane by its name, or the beginning of names and `*`; with a resource only that one's."""

    lane: str
    resource: str = ""

    def names(self, lane):
        """Whether any of a lane's events may belong to it."""
        return lane.startswith(self.lane[:-1]) if self.lane.endswith("*") else lane == self.lane

    def covers(self, sent):
        """Whether an event belongs to it."""
        return self.names(sent.lane) and self.resource in ("", sent.resource)


class Record:
    """The events of a client: the segments of each lane that it watches, and the gaps that it was told of."""

    def __init__(self, name, watches, lanes):
        self.name, self.watches = name, watches
        self.lanes = {lane: [] for lane in lanes if any(watch.names(lane) for watch in watches)}
        self.gaps, self.wrongs = [], []
        # Segments of the events since the last cursor, and how many such events had to be sent again.
        self.since_cursor, self.sent_again = [], 0

    def covers(self, sent):
        """Whether an event is for this client."""
        return any(watch.covers(sent) for watch in self.watches)

    def begin_anew(self, since):
        """Notes that nothing holds together with what came before."""
        self.since_cursor.clear()
        for segments in self.lanes.values():
            segments.append(Segment(since))

    def gap(self, reason, now, watch=None):
        """Notes a gap that was told, of all lanes or those of a watch."""
        self.gaps.append(reason)
        self.since_cursor.clear()
        for lane, segments in self.lanes.items():
            if watch is None or watch.names(lane):
                segments[-1].gap_at = now
                segments.append(Segment(now))

    def took(self, lane, number, now, is_state=False):
        """Notes an event; as the state of a job where it begins a segment and says so."""
        if lane not in self.lanes:
            self.wrongs.append(f"{lane}: {number} is not watched")
            return
        segment = self.lanes[lane][-1]
        if is_state and not segment.numbers and segment.state is None:
            segment.state = number
        else:
            segment.numbers.append(number)
            segment.times.append(now)
            self.since_cursor.append(segment)

    def got_cursor(self):
        """Notes a cursor: everything up to here is behind it."""
        self.since_cursor.clear()

    def goes_back(self):
        """Forgets the events since the last cursor, which a client that goes on from there is sent again.

        A relay gives no cursor while one of several targets is still looked up.
        """
        self.sent_again += len(self.since_cursor)
        while self.since_cursor:
            segment = self.since_cursor.pop()
            segment.numbers.pop()
            segment.times.pop()

    def has(self, lane, number):
        """Whether an event came since the last gap, or is part of the state that came then."""
        segment = self.lanes[lane][-1] if self.lanes[lane] else Segment(0.0)
        return number == segment.state or number in segment.numbers


class Truth:
    """The publications in order: the numbers that each stream has in the end or, without streams, those that Redis answered for.

    An event that is none of these may have come to somebody all the same: it was not answered for, and a failover took it back, or
    nobody knows where in the order it was. Whether it comes is not judged.
    """

    def __init__(self, journal, streams, is_durable):
        self.is_durable = is_durable
        self.sent = journal.sent
        self.places = {n: place for numbers in streams.values() for place, n in enumerate(numbers)}
        self.confirmed = journal.confirmed
        self.ghosts = self.sent.keys() - self.places.keys() - self.confirmed
        self.lanes = {}
        for numbers in streams.values():
            for n in numbers:
                self.lanes.setdefault(self.sent[n].lane, []).append(n)

    def lost_by_redis(self):
        """Numbers that Redis has answered for and does not have any more."""
        return sorted(self.confirmed - self.places.keys())

    def taken_back(self, records):
        """Numbers that came to somebody and are not in the streams any more."""
        segments = (segment for record in records for segments in record.lanes.values() for segment in segments)
        came = {n for segment in segments for n in (*segment.numbers, segment.state) if n is not None}
        return came - self.places.keys()

    def milestones(self, lane, record):
        """The milestones of a lane that a client must have, in order."""
        numbers = self.lanes.get(lane, [])
        return [n for n in numbers if self.sent[n].is_milestone and record.covers(self.sent[n])]


def judge(record, truth, may_gap=False):
    """All that is wrong with what a client got; nothing where all is well. A gap is wrong unless `may_gap`."""
    found = list(record.wrongs)
    if not may_gap:
        found += [f"told of a gap: {reason}" for reason in record.gaps]
    for lane, segments in record.lanes.items():
        for place, segment in enumerate(segments):
            is_last = place == len(segments) - 1
            found += [f"{lane}: {wrong}" for wrong in judge_segment(segment, lane, record, truth, is_last)]
    return found


def judge_segment(segment, lane, record, truth, is_last):
    """Faults within one segment, in words."""
    numbers = [n for n in segment.numbers if n not in truth.ghosts]
    unknown = [n for n in numbers if n not in truth.places]
    if unknown:
        return [f"{n} was taken back by Redis, which had answered for it" for n in unknown]
    if not truth.is_durable:
        numbers = without_recalled(numbers, segment, truth)
    foreign = [f"{n} is none of its events" for n in numbers if not record.covers(truth.sent[n])]
    got = [n for n in numbers if truth.sent[n].is_milestone]
    holes = missing(got, segment, lane, record, truth, is_last)
    return foreign + twice(numbers) + out_of_order(got, truth) + holes + backwards(numbers, segment, truth)


def without_recalled(numbers, segment, truth):
    """The numbers without states that a relay on pub/sub reads back from Redis, which are no news.

    A relay that missed the opening of a run takes its events for remarks behind the ending that it reads back, and says that
    ending. One that was cut off may say a newer state a moment before it tells the gap.
    """
    found, newest = [], truth.places.get(segment.state, -1)
    for n, at in zip(segment.numbers, segment.times):
        is_told = segment.gap_at is not None and segment.gap_at - at < TOLD_WITHIN
        is_old = truth.places.get(n, -1) <= newest and (truth.sent[n].is_ending or n == segment.state)
        if n in truth.places and not is_old and not is_told:
            found.append(n)
            newest = max(newest, truth.places[n])
    return found


def twice(numbers):
    """Events that came more than once."""
    return [f"{n} came {times} times" for n, times in Counter(numbers).items() if times > 1]


def out_of_order(got, truth):
    """Milestones behind later ones."""
    pairs = zip(got, got[1:])
    return [f"{later} came before {earlier}" for later, earlier in pairs if truth.places[later] > truth.places[earlier]]


def missing(got, segment, lane, record, truth, is_last):
    """Milestones between the first and the last that must be there, and are not."""
    must = truth.milestones(lane, record)
    have = {*got, segment.state}
    if truth.is_durable and segment.state in truth.places:
        # A state makes up for no newer milestone, whenever that was published. Without streams a gap may have told of it.
        due = [n for n in must if truth.places[n] > truth.places[segment.state]]
    else:
        due = [n for n in must if truth.sent[n].at > segment.since]
    first = min((truth.places[n] for n in (*got[:1], *due[:1])), default=None)
    if first is None:
        return []
    last = truth.places[must[-1]] if is_last else max((truth.places[n] for n in got), default=-1)
    return [f"{n} is missing" for n in must if first <= truth.places[n] <= last and n not in have]


def backwards(numbers, segment, truth):
    """Events that set a job back: progress behind later progress or behind a later ending, or anything older than the state."""
    found = []
    floor = {}
    for n in numbers:
        sent, place = truth.sent[n], truth.places[n]
        if place <= truth.places.get(segment.state, -1):
            found.append(f"{n} is not newer than the state {segment.state}")
        if not sent.is_milestone and place < floor.get(sent.resource, -1):
            found.append(f"{n} goes backwards")
        if not sent.is_milestone or sent.is_ending:
            floor[sent.resource] = max(place, floor.get(sent.resource, -1))
    return found


def spoilt(numbers, truth):
    """The milestones of a segment as a relay would leave them that drops one, repeats one or swaps two, by name."""
    # An old ending may be a state that was read back, where there are no streams.
    def is_judged(n):
        return truth.sent[n].is_milestone and (truth.is_durable or not truth.sent[n].is_ending)

    places = [at for at, n in enumerate(numbers) if n in truth.places and is_judged(n)]
    if len(places) < 3:
        return {}
    before, at, _ = places[len(places) // 2 - 1 :][:3]
    dropped, repeated, swapped = array("L", numbers), array("L", numbers), array("L", numbers)
    del dropped[at]
    repeated.insert(at, numbers[at])
    swapped[before], swapped[at] = swapped[at], swapped[before]
    return {"dropped": dropped, "repeated": repeated, "swapped": swapped}


def blind_spots(record, truth):
    """Proves the count on what a client got: spoils each segment in each way. Gives what was proved, and what was not noticed."""
    proved, unnoticed = 0, []
    for lane, segments in record.lanes.items():
        for place, segment in enumerate(segments):
            is_last, numbers, times = place == len(segments) - 1, segment.numbers, segment.times
            for how, spoilt_numbers in spoilt(numbers, truth).items():
                segment.numbers = spoilt_numbers
                # Times long before any gap.
                segment.times = array("d", [0.0] * len(spoilt_numbers))
                proved += 1
                if not judge_segment(segment, lane, record, truth, is_last):
                    unnoticed.append(f"{lane}: an event that is {how} is not noticed")
            segment.numbers, segment.times = numbers, times
    return proved, unnoticed
