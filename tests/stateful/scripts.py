"""Random scripts for programs/stateful_script.c, and a model of what they must give: state and timers of the Beam model.

  - state and timers belong to a key and window; what an element or timer does is seen by the next one of the key
  - setting a timer moves it; the last word on it in a bundle counts; a timer of the past fires at once
  - a timer of event time fires when the watermark reaches it, one of processing time when the clock does, in the order of
    their times; its elements have its output time, which holds the watermark until it has fired or was cleared
  - when the watermark is behind the end of the window and the lateness, the window expires: on_window_expiration, then all
    of it is forgotten
  - when the input has ended, timers of processing time do not wait for the clock, and new ones of it are not set
"""
import os
import random
import subprocess
import tempfile

ROOT = os.environ.get('BEAMC_ROOT') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('BEAMC_BUILD') or os.path.join(ROOT, 'build', 'release')
PROGRAM = os.path.join(BUILD, 'interop', 'stateful_script')
MAX = 9223372036854775
GLOBAL_LAST = 9223371950454775


class Cell:
    """A key and window."""

    def __init__(self, last):
        self.last = last
        self.value, self.bag, self.sum, self.map, self.set, self.list = None, [], 0, {}, set(), []
        self.timers = {}  # (family, tag) -> (fire_at, hold, order)

    def text(self):
        return 'value:%s bag:%s sum:%d map:%s set:%s list:%s' % (
            '-' if self.value is None else self.value, ','.join(map(str, self.bag)), self.sum,
            ','.join('%s=%d' % kv for kv in sorted(self.map.items())), ','.join(sorted(self.set)),
            ','.join('%d@%d' % (v, t) for t, v in sorted(self.list, key=lambda x: x[0])))


class Model:
    def __init__(self, window_ms, expire):
        self.window_ms, self.expire = window_ms, expire
        self.cells = {}
        self.watermark, self.now, self.over = -MAX, 0, False
        self.out, self.order = [], 0

    def cell(self, key, at):
        start = at - at % self.window_ms if self.window_ms else 0
        if (key, start) not in self.cells:
            self.cells[key, start] = Cell(start + self.window_ms - 1 if self.window_ms else GLOBAL_LAST)
        return self.cells[key, start]

    def say(self, key, at, what, cell):
        self.out.append((key, at, '%s %s' % (what, cell.text())))

    def set_timer(self, cell, family, tag, at, hold):
        if family == 2 and self.over:
            cell.timers.pop((family, tag), None)
            return
        self.order += 1
        cell.timers[family, tag] = (at, hold, self.order)

    def element(self, key, at, commands):
        cell = self.cell(key, at)
        words = commands.split()
        while words:
            op = words.pop(0)
            args = [words.pop(0) for _ in range({'w': 1, 'b': 1, '+': 1, 'm': 2, 'd': 1, 's': 1, 'u': 1, 'l': 2, 'k': 2,
                                                 't': 3, 'h': 4, 'p': 2, 'c': 2}.get(op, 0))]
            self.command(cell, key, at, op, args)

    def command(self, cell, key, at, op, a):
        if op == 'w':
            cell.value = int(a[0])
        elif op == 'b':
            cell.bag.append(int(a[0]))
        elif op == '+':
            cell.sum += int(a[0])
        elif op == 'm':
            cell.map[a[0]] = int(a[1])
        elif op == 'd':
            cell.map.pop(a[0], None)
        elif op == 's':
            cell.set.add(a[0])
        elif op == 'u':
            cell.set.discard(a[0])
        elif op == 'l':
            cell.list.append((int(a[0]), int(a[1])))
        elif op == 'k':
            cell.list = [x for x in cell.list if not int(a[0]) <= x[0] < int(a[1])]
        elif op == 'x':
            cell.value, cell.bag, cell.sum, cell.map, cell.set, cell.list = None, [], 0, {}, set(), []
        elif op == 'q':
            cell.bag = []
        elif op == 't':
            self.set_timer(cell, int(a[0]), a[1], int(a[2]), int(a[2]))
        elif op == 'h':
            self.set_timer(cell, int(a[0]), a[1], int(a[2]), int(a[3]))
        elif op == 'p':
            self.set_timer(cell, 2, a[0], self.now + int(a[1]), at)
        elif op == 'c':
            cell.timers.pop((int(a[0]), a[1]), None)
        elif op == 'r':
            self.say(key, at, 'read', cell)

    def due(self, cell, clock):
        late = [(t, name) for name, t in cell.timers.items() if (name[0] == 2) == clock and (
            (t[0] <= self.now or self.over) if clock else t[0] <= self.watermark)]
        return min(late, key=lambda x: (x[0][0], x[0][2])) if late else None

    def fire_one(self, key, cell, clock):
        found = self.due(cell, clock)
        if not found:
            return False
        (at, hold, _), (family, tag) = found
        del cell.timers[family, tag]
        self.say(key, hold, 'fired %d %s' % (family, tag) + ('' if family == 2 else ' %d' % at), cell)
        if tag.startswith('loop') and tag != 'loop0':
            later = (self.now if family == 2 else at) + 1000
            if family == 2 or later <= cell.last:
                self.set_timer(cell, family, 'loop%d' % (int(tag[4]) - 1), later, hold if family == 2 else later)
        elif tag == 'now' and family != 2:
            self.set_timer(cell, 1, 'then', at, at)
        elif tag == 'kill':
            cell.timers.pop((1, 'x'), None)
        elif tag == 'add':
            cell.sum += 100
        return True

    def settle(self):
        """Everything that is due; what has come out, by key."""
        for (key, start), cell in list(self.cells.items()):
            if self.over:
                while self.fire_one(key, cell, True):
                    pass
            while self.fire_one(key, cell, False) or self.fire_one(key, cell, True):
                pass
            if self.watermark > cell.last:
                if self.expire and (cell.timers or cell.text() != Cell(0).text()):
                    self.say(key, cell.last, 'expired', cell)
                del self.cells[key, start]
        out, self.out = self.out, []
        by_key = {}
        for key, at, text in out:
            by_key.setdefault(key, []).append((at, text))
        return by_key


# --- scripts ---


class Script:
    def __init__(self, seed, without='', in_order=False):
        """@without: letters of commands that are left out. @in_order: elements come in the order of their times."""
        r = self.r = random.Random(seed)
        self.without, self.in_order, self.at = without, in_order, 0
        self.window_ms = r.choice([0, 0, 20000])
        self.expire = r.random() < 0.5
        self.unique, self.lines, self.expected = 0, [], []
        m = Model(self.window_ms, self.expire)
        for _ in range(r.randrange(3, 14)):
            self.step(m)
        m.over, m.watermark = True, MAX
        self.last = m.settle()

    def instant(self, m, at):
        """A time that no other timer has, in the window of @p at."""
        self.unique += 1
        t = max(0, at + self.r.choice([-4000, 0, 1000, 3000, 6000, 15000])) // 100 * 100 + self.unique
        end = at - at % self.window_ms + self.window_ms - 1 - self.unique if self.window_ms else MAX
        return min(t, end)

    def commands(self, m, at):
        r, out = self.r, []
        for _ in range(r.randrange(1, 6)):
            n, tag = r.randrange(10), r.choice(['a', 'x', 'loop1', 'loop2', 'now', 'kill', 'add'])
            kind = r.choice(['w', 'b', 'b', '+', 'm', 'm', 'd', 's', 'u', 'l', 'k', 'x', 'q', 't', 't', 't', 'h', 'p', 'c', 'r'])
            if kind in self.without:
                continue
            if kind in 'wb+':
                out.append('%s %d' % (kind, n))
            elif kind == 'm':
                out.append('m %s %d' % (r.choice('ijk'), n))
            elif kind in 'd':
                out.append('d ' + r.choice('ijk'))
            elif kind in 'su':
                out.append('%s %s' % (kind, r.choice('ijk')))
            elif kind == 'l':
                self.unique += 1
                out.append('l %d %d' % (r.randrange(10) * 1000 + self.unique, n))
            elif kind == 'k':
                out.append('k %d %d' % (r.randrange(5) * 1000, r.randrange(5, 12) * 1000))
            elif kind == 't':
                out.append('t %d %s %d' % (r.randrange(2), tag, self.instant(m, at)))
            elif kind == 'h':
                t = self.instant(m, at)
                out.append('h %d %s %d %d' % (r.randrange(2), tag, t, min(t, at)))
            elif kind == 'p':
                self.unique += 1
                out.append('p %s %d' % (tag, r.choice([0, 1000, 5000]) + self.unique))
            elif kind == 'c':
                out.append('c %d %s' % (r.randrange(3), tag))
            else:
                out.append(kind)
        return ' '.join(out + ['r'])

    def step(self, m):
        r = self.r
        kind = r.choice(['element'] * 4 + ['watermark', 'watermark', 'clock'])
        if kind == 'element':
            for i in range(r.choice([1, 1, 2, 3])):
                at = max(m.watermark, 0) + r.randrange(0, 8000)
                at = self.at = max(at, self.at + 1) if self.in_order else at
                key, commands = r.choice('abc'), self.commands(m, at)
                self.lines.append('%s %s %d %s' % ('and' if i else 'element', key, at, commands))
                m.element(key, at, commands)
                if i:
                    self.expected.append({})
        elif kind == 'watermark':
            m.watermark = max(m.watermark, 0) + r.choice([1000, 3000, 5000, 20000])
            self.lines.append('watermark %d' % m.watermark)
        else:
            ms = r.choice([500, 1000, 5000])
            m.now += ms
            self.lines.append('clock %d' % ms)
        self.expected.append(m.settle())


# --- playing ---


def read_log(path):
    """[(step, {key: [(at, text)]})], and the lines of groups."""
    steps, now, groups = [], {}, []
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            kind, rest = line.rstrip('\n').split(' ', 1)
            if kind == 'step':
                steps.append((int(rest), now))
                now = {}
            elif kind == 'out':
                key, at, text = rest.split(' ', 2)
                now.setdefault(key, []).append((int(at), text))
            else:
                groups.append(rest.split(' ', 3))
    return steps + [(None, now)], groups


def play(script, flags=(), timeout=60):
    with tempfile.TemporaryDirectory(prefix='script-') as folder:
        path, log = os.path.join(folder, 'script'), os.path.join(folder, 'log')
        with open(path, 'w', encoding='utf-8') as out:
            out.write('\n'.join(script.lines) + '\n')
        open(log, 'w', encoding='utf-8').close()
        argv = [PROGRAM, '--script=' + path, '--log=' + log, '--window_ms=%d' % script.window_ms, *flags]
        done = subprocess.run(argv + (['--expire'] if script.expire else []), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout)
        if done.returncode:
            raise AssertionError(done.stdout.strip() or 'exit code %d' % done.returncode)
        return read_log(log)


def told(items, window_ms):
    """In the order of a key's windows, which do not know of each other. Whether a window without state expires, or is not
    known any more, is the runner's business."""
    items = [x for x in items if x[1] != 'expired ' + Cell(0).text()]
    return sorted(items, key=lambda x: x[0] // window_ms if window_ms else 0)


def fault(script, flags=()):
    """None, or how the run differs from the model."""
    steps, groups = play(script, flags)
    got = dict(steps)
    marks = [s for s, _ in steps if s is not None]
    expected = {}
    for i, want in enumerate(script.expected):
        step = next(s for s in marks if s >= i)  # "and ..." has no mark of its own
        for key, items in want.items():
            expected.setdefault(step, {}).setdefault(key, []).extend(items)
    expected[None] = script.last
    for step in marks + [None]:
        for key in 'abc':
            want, have = (told(x.get(step, {}).get(key, []), script.window_ms) for x in (expected, got))
            if want != have:
                return 'step %s, key %s: expected\n  %s\ngot\n  %s' % (
                    step, key, '\n  '.join(map(str, want)) or 'nothing', '\n  '.join(map(str, have)) or 'nothing')
    return group_fault(script, steps, groups)


def group_fault(script, steps, groups):
    """The output times hold the watermark: all that came out is in a group on time, none is late."""
    grouped = [item for _, _, timing, items in groups if timing == 'on_time' for item in items.split(',')]
    late = [g for g in groups if g[2] != 'on_time']
    watermark, out = -MAX, []
    for step, got in steps:
        line = script.lines[step] if step is not None else ''
        out += ['%s %d' % (key, at) for key, items in got.items() for at, _ in items
                if at - at % 10000 + 10000 > watermark]  # a timer of the past may be late
        if line.startswith('watermark'):
            watermark = int(line.split()[1])
    missing = sorted(out)
    for item in grouped:
        if item in missing:
            missing.remove(item)
    return 'not grouped on time: %s; late: %s' % (missing, late) if missing else None
