"""What a grouping must put out, in plain Python: the oracle of test_random.py.

Written after the descriptions of triggers, panes and watermark holds in the Beam model (beam_runner_api.proto: Trigger,
WindowingStrategy; https://s.apache.org/beam-triggers, https://s.apache.org/beam-lateness) and, where these are silent, after
what Java's ReduceFnRunner does. Nothing of it looks like our grouper: whole bundles are merged first, holds are kept apart,
and every window is asked at every step. Times are milliseconds.

Where Java and Python differ, the model follows Python, whose transcripts are the tests of record:
  - a processing-time trigger is ready at its time, not a moment later;
  - a pane is ON_TIME if the watermark fired it, not whenever it is the first behind the window's end;
  - an empty ON_TIME pane comes where the trigger waits for the watermark somewhere;
  - AfterAny finishes when one of its parts does, AfterAll when all do.
"""
MIN = -9223372036854775
MAX = 9223372036854775
GLOBAL_MAX = 9223371950454775


class Context:
    """One window as its trigger sees it."""

    def __init__(self, model, window):
        self.merging = model.merging
        self.ended = model.watermark > window.last
        self.now = model.now
        self.window = window


class Trigger:
    """A node; its state is kept in the window, by the node itself."""

    def __init__(self, *children):
        self.children = children

    def finished(self, w):
        return self in w.finished

    def set_finished(self, w, on=True):
        (w.finished.add if on else w.finished.discard)(self)

    def clear(self, w):
        """What it has seen is forgotten; what has finished stays so."""
        w.state.pop(self, None)
        for child in self.children:
            child.clear(w)

    def reset(self, w):
        self.clear(w)
        w.finished -= set(self.all())

    def all(self):
        return [self] + [x for child in self.children for x in child.all()]

    def has_on_time(self):
        return any(child.has_on_time() for child in self.children)

    def ready(self, c):
        return not self.finished(c.window) and self.should_fire(c)

    def element(self, c):
        for child in self.children:
            child.element(c)

    def merge(self, c, parts):
        for child in self.children:
            child.merge(c, parts)


class Default(Trigger):
    def has_on_time(self):
        return True

    def should_fire(self, c):
        return c.ended

    def fire(self, c):
        pass


class Always(Trigger):
    def should_fire(self, c):
        return True

    def fire(self, c):
        pass


class Never(Trigger):
    def should_fire(self, c):
        return False

    def fire(self, c):
        raise AssertionError('never')


class Count(Trigger):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def element(self, c):
        c.window.state[self] = c.window.state.get(self, 0) + 1

    def merge(self, c, parts):
        if any(self in p.finished for p in parts):
            self.set_finished(c.window)
            self.clear(c.window)
        else:
            self.set_finished(c.window, False)
            c.window.state[self] = sum(p.state.get(self, 0) for p in parts)

    def should_fire(self, c):
        return c.window.state.get(self, 0) >= self.count

    def fire(self, c):
        self.clear(c.window)
        self.set_finished(c.window)


class Time(Trigger):
    def __init__(self, delay):
        super().__init__()
        self.delay = delay

    def element(self, c):
        c.window.state.setdefault(self, c.now + self.delay)

    def merge(self, c, parts):
        self.set_finished(c.window, False)
        times = [p.state[self] for p in parts if self in p.state]
        if times:
            c.window.state[self] = min(times)

    def should_fire(self, c):
        return c.window.state.get(self, MAX) <= c.now

    def fire(self, c):
        self.clear(c.window)
        self.set_finished(c.window)


class Watermark(Trigger):
    """early, late: triggers or None. The early part's bit says that the on-time firing has been."""

    def __init__(self, early, late):
        self.plain = early is None and late is None
        self.early, self.late = early or Never(), late
        super().__init__(*([] if self.plain else [self.early] + ([late] if late else [])))

    def has_on_time(self):
        return True

    def element(self, c):
        if self.plain:
            return
        if c.merging:
            super().element(c)
        elif not self.early.finished(c.window):
            self.early.element(c)
        elif self.late:
            self.late.element(c)

    def merge(self, c, parts):
        bit = self if self.plain else self.early
        done = all(bit in p.finished for p in parts) and c.ended
        if done:
            bit.set_finished(c.window)
            if self.late:
                self.late.merge(c, parts)
        else:
            if not self.plain:
                self.early.merge(c, parts)
            bit.set_finished(c.window, False)
            if self.late:
                self.late.reset(c.window)
        self.set_finished(c.window, done and not self.late)

    def should_fire(self, c):
        if self.plain:
            return c.ended
        if not self.early.finished(c.window):
            return c.ended or self.early.ready(c)
        return bool(self.late) and self.late.ready(c)

    def fire(self, c):
        w = c.window
        if self.plain:
            self.set_finished(w)
        elif self.early.finished(w):
            repeat(self.late, c)
        elif not c.ended:
            repeat(self.early, c)
        else:
            self.early.reset(w)
            self.early.set_finished(w)
            if self.late:
                self.late.reset(w)
            else:
                self.set_finished(w)


def repeat(trigger, c):
    trigger.fire(c)
    if trigger.finished(c.window):
        trigger.reset(c.window)


class Repeatedly(Trigger):
    def should_fire(self, c):
        return self.children[0].ready(c)

    def fire(self, c):
        repeat(self.children[0], c)


class Each(Trigger):
    def current(self, w):
        return next((child for child in self.children if not child.finished(w)), None)

    def element(self, c):
        if c.merging:
            super().element(c)
        elif self.current(c.window):
            self.current(c.window).element(c)

    def merge(self, c, parts):
        before = True
        for child in self.children:
            if before:
                child.merge(c, parts)
                before = child.finished(c.window)
            else:
                child.reset(c.window)
        self.set_finished(c.window, before)

    def should_fire(self, c):
        current = self.current(c.window)
        return current is not None and current.ready(c)

    def fire(self, c):
        self.current(c.window).fire(c)
        if c.merging:
            self.clear(c.window)
        self.set_finished(c.window, self.current(c.window) is None)


class Any(Trigger):
    rule = staticmethod(any)

    def merge(self, c, parts):
        super().merge(c, parts)
        self.set_finished(c.window, self.rule(child.finished(c.window) for child in self.children))

    def should_fire(self, c):
        return any(child.ready(c) for child in self.children)

    def fire(self, c):
        for child in self.children:
            if child.ready(c):
                child.fire(c)
        self.set_finished(c.window, self.rule(child.finished(c.window) for child in self.children))


class All(Any):
    rule = staticmethod(all)

    def element(self, c):
        for child in self.children:
            if not child.finished(c.window):
                child.element(c)

    def should_fire(self, c):
        return all(child.finished(c.window) or child.ready(c) for child in self.children)


class OrFinally(Any):
    def fire(self, c):
        main, last = self.children
        if last.ready(c):
            last.fire(c)
            main.clear(c.window)
            self.set_finished(c.window)
        else:
            main.fire(c)
            self.set_finished(c.window, main.finished(c.window))


# --- windows ---


def assign(fn, t):
    kind = fn[0]
    if kind == 'global':
        return [(MIN, GLOBAL_MAX + 1)]
    if kind == 'fixed':
        start = t - (t - fn[2]) % fn[1]
        return [(start, start + fn[1])]
    if kind == 'sliding':
        last = t - (t - fn[3]) % fn[2]
        return [(s, s + fn[1]) for s in range(last, t - fn[1], -fn[2])]
    return [(t, t + fn[1])]


class Window:
    def __init__(self, span):
        self.span = span
        self.last = span[1] - 1
        self.values = []
        self.fresh = 0
        self.finished, self.state = set(), {}
        self.hold = self.extra = None
        self.pane = None  # index, non-speculative index, timing of the last one
        self.ended = self.closed = False


class Model:
    def __init__(self, fn, trigger, accumulating=True, combiner='end', lateness=0, closing='nonempty', on_time='always'):
        self.fn, self.trigger, self.accumulating = fn, trigger, accumulating
        self.combiner, self.lateness, self.closing, self.on_time = combiner, lateness, closing, on_time
        self.merging = fn[0] == 'sessions'
        self.watermark = self.output = MIN
        self.now = 0
        self.windows = {}  # open ones and, until they expire, closed ones
        self.out = []
        self.dropped = 0

    def expiry(self, w):
        return max(w.last, min(w.last + self.lateness, GLOBAL_MAX))

    # what happens

    def bundle(self, elements):
        """[(timestamp, value)]"""
        todo = [(Window(span), t, v) for t, v in elements for span in assign(self.fn, t)]
        late = [x for x in todo if self.expiry(x[0]) < self.watermark]
        self.dropped += len(late)
        todo = [x for x in todo if x not in late]
        if self.merging:
            self.merge({w.span for w, _, _ in todo})
        touched = []
        for w, t, v in todo:
            w = self.find(w.span)
            if w.closed:
                self.dropped += 1
                continue
            self.add(w, t, v)
            if w not in touched:
                touched.append(w)
        for w in touched:
            self.look(w, False)
        return self.settle()

    def advance(self, watermark):
        self.watermark = max(self.watermark, watermark)
        for w in sorted(self.windows.values(), key=lambda w: (w.last, w.span)):
            if not w.ended and self.watermark > w.last and self.lateness_left(w):
                w.ended = True
                self.look(w, True)
        for w in list(self.windows.values()):
            if self.watermark > self.expiry(w):
                if not w.closed:
                    self.emit(w, True, True)
                del self.windows[w.span]
        return self.settle()

    def tick(self, ms):
        before, self.now = self.now, self.now + ms
        for w in list(self.windows.values()):
            times = [w.state[x] for x in self.trigger.all() if isinstance(x, Time) and x in w.state]
            if any(before < t <= self.now for t in times):
                self.look(w, False)
        return self.settle()

    def lateness_left(self, w):
        return self.expiry(w) > w.last

    def settle(self):
        holds = [h for w in self.windows.values() for h in (w.hold, w.extra) if h is not None]
        self.output = max(self.output, min([self.watermark] + holds))
        out, self.out = self.out, []
        return out

    # its parts

    def find(self, span):
        """The window that an element of @p span goes to; a closed one only if it is exactly that."""
        for w in self.windows.values():
            if self.merging and not w.closed and w.span[0] <= span[0] and span[1] <= w.span[1]:
                return w
        if span not in self.windows:
            self.open(span)
        return self.windows[span]

    def open(self, span):
        self.windows[span] = Window(span)
        self.windows[span].ended = self.watermark > span[1] - 1

    def merge(self, new):
        """All open windows, and those of new elements, as sessions. A closed window counts as new beside others."""
        groups = []
        for s in sorted(new | {s for s, w in self.windows.items() if not w.closed}):
            if groups and s[0] < groups[-1][1]:
                groups[-1][1] = max(groups[-1][1], s[1])
                groups[-1][2].append(s)
            else:
                groups.append([s[0], s[1], [s]])
        for start, end, members in groups:
            parts = [self.windows[s] for s in members if s in self.windows and not self.windows[s].closed]
            span = (start, end)
            if len(members) > 1 and not parts and not all(s in self.windows for s in members):
                self.open(span)
            elif len(members) > 1 and parts and [p.span for p in parts] != [span]:
                self.become(span, parts)

    def become(self, span, parts):
        w = Window(span)
        for p in parts:
            del self.windows[p.span]
            w.values += p.values
            w.fresh += p.fresh
        self.windows[span] = w
        w.ended = self.watermark > w.last
        if self.combiner == 'end':
            self.add_hold(w, w.last)
        else:
            holds = [p.hold for p in parts if p.hold is not None]
            w.hold = None if not holds else min(holds) if self.combiner == 'earliest' else max(holds)
        w.extra = None
        self.hold_expiry(w)
        w.finished = set()
        self.trigger.merge(Context(self, w), parts)
        w.closed = self.trigger.finished(w)

    def add_hold(self, w, t):
        if t < self.output or w.last < self.watermark:
            return False
        w.hold = t if w.hold is None else (max if self.combiner == 'latest' else min)(w.hold, t)
        return True

    def hold_expiry(self, w):
        if self.expiry(w) >= self.watermark:
            w.extra = self.expiry(w)

    def add(self, w, t, value):
        w.values.append(value)
        w.fresh += 1
        if not self.add_hold(w, w.last if self.combiner == 'end' else min(t, w.last)):
            self.hold_expiry(w)
        self.trigger.element(Context(self, w))

    def look(self, w, by_watermark):
        c = Context(self, w)
        if not w.closed and self.trigger.ready(c):
            self.trigger.fire(c)
            w.closed = self.trigger.finished(w)
            self.emit(w, w.closed, by_watermark)

    def emit(self, w, last, by_watermark):
        early_so_far = w.pane is None or w.pane[2] == 'early'
        index = 0 if w.pane is None else w.pane[0] + 1
        speculative = 0 if w.pane is None else w.pane[1] + 1
        if self.watermark <= w.last and early_so_far:
            timing, speculative = 'early', -1
        elif by_watermark and early_so_far and self.output <= w.last:
            timing = 'on_time'
        else:
            timing = 'late'
        if w.fresh or (timing == 'on_time' and self.on_time == 'always' and self.trigger.has_on_time()) or (
                last and self.closing == 'always'):
            t = min([w.last] + [h for h in (w.hold, w.extra) if h is not None])
            self.out.append({'start': w.span[0], 'end': w.span[1], 'values': sorted(w.values), 'timestamp': t,
                             'index': index, 'nonspeculative': speculative, 'timing': timing, 'first': w.pane is None,
                             'last': last})
            w.pane = (index, speculative, timing)
        w.fresh = 0
        w.hold = w.extra = None
        if not last and self.closing == 'always':
            self.hold_expiry(w)
        if last or not self.accumulating:
            w.values = []
