// Makes the page live: casts votes without leaving it, and watches the poll.
//
// In reading order: what the page says; the votes that are not recorded yet; sending them; the
// receipt; the results; their history; the keys. Text from anywhere only ever becomes text:
// nothing here makes markup of it.

const main = document.querySelector("main");
const { poll, vote: voteUrl, results: resultsUrl, receipts: receiptsUrl } = main.dataset;
const texts = JSON.parse(main.dataset.texts);
const language = document.documentElement.lang;
const find = (selector) => main.querySelector(selector);

const SECOND = 1000;
/** How often the results are asked for. */
const REFRESH = 2 * SECOND;
/** Likewise while a vote of ours is on its way into them. */
const REFRESH_EAGERLY = 300;
/** Figures older than this are stale. */
const FRESH_FOR = 3 * REFRESH;
/** No request waits longer. */
const PATIENCE = 10 * SECOND;
/** What fails is tried again after 1 s, 2 s, 4 s, … and at the latest after this. */
const LONGEST_WAIT = 30 * SECOND;
/** A second press so soon after the first is a slip, not a second vote. */
const SLIP = 400;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (gap, name) => values[name] ?? gap);
const number = new Intl.NumberFormat(language);
const percent = new Intl.NumberFormat(language, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const inVotes = (n) => fill(n === 1 ? texts.votes_one : texts.votes, { n: number.format(n) });
const setText = (element, text) => {
  if (element && element.textContent !== text) element.textContent = text;
};

/** With jitter, so that all who failed together do not come back together. */
const backOff = (failures) =>
  Math.min(LONGEST_WAIT, SECOND * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);

const ask = (url, options) =>
  fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options });

// ── Votes that are not recorded yet ─────────────────────────────────────────────────────────────
// They stay here until they are answered, also over a reload. Another tab may send them too: the
// key makes each count once.

const store = {
  key: (name) => `spinvote:${poll}:${name}`,
  memory: new Map(),
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(this.key(name)));
    } catch {
      return this.memory.get(name) ?? null; // no storage for this page
    }
  },
  write(name, value) {
    this.memory.set(name, value);
    try {
      localStorage.setItem(this.key(name), JSON.stringify(value));
    } catch {}
  },
};

const queue = {
  all() {
    const votes = store.read("queue");
    return Array.isArray(votes) ? votes : [];
  },
  add(vote) {
    store.write("queue", [...this.all(), vote]);
  },
  remove({ id }) {
    store.write("queue", this.all().filter((vote) => vote.id !== id));
  },
};

/** Not every page has randomUUID: only https and localhost do. */
const randomId = () =>
  crypto.randomUUID?.() ??
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

// ── What became of a vote ───────────────────────────────────────────────────────────────────────

const outcome = find(".ballot .outcome");
const message = outcome?.querySelector(".message");
const choices = [...main.querySelectorAll(".choice")];
const label = (option) =>
  choices.find((choice) => choice.value === option)?.querySelector(".label").textContent ?? option;

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/** Says how `vote` stands, in `kind` one of sending, recorded, counted, waiting, refused. */
function say(kind, text, vote, ...details) {
  if (!message) return;
  for (const choice of choices) {
    if (choice.value === vote.option) choice.dataset.mine = kind;
    else delete choice.dataset.mine;
  }
  const words = element("p", fill(text, { option: label(vote.option) }));
  const small = element("p", "", { class: "detail" });
  details.forEach((detail, i) => small.append(i ? " " : "", detail));
  // What is said already is not said again: retries would make a screen reader repeat it.
  if (outcome.dataset.kind === kind && message.textContent === words.textContent + small.textContent)
    return;
  outcome.dataset.kind = kind;
  message.replaceChildren(words, ...(details.length ? [small] : []));
}

function receiptLink({ id }) {
  const link = element("a", `${texts.receipt} `, { href: receiptsUrl + encodeURIComponent(id) });
  link.append(element("code", id));
  return link;
}

const waiting = () => {
  const { length } = queue.all();
  return length > 1 ? [fill(texts.waiting, { n: number.format(length) })] : [];
};

// ── Sending ─────────────────────────────────────────────────────────────────────────────────────

let sending = false;
let failures = 0;
let nextAttempt;
let lastCast = -Infinity;

function cast(option) {
  if (performance.now() - lastCast < SLIP) return;
  lastCast = performance.now();
  const vote = { id: randomId(), option, total: seen?.total ?? null };
  queue.add(vote);
  followed = null; // what is said now is about this vote
  say("sending", texts.sending, vote);
  failures = 0;
  drain();
}

/** Sends what waits, in order, until nothing does or the service cannot be reached. */
async function drain() {
  if (sending) return;
  clearTimeout(nextAttempt);
  sending = true;
  try {
    for (let vote; (vote = queue.all()[0]); ) {
      const wait = await send(vote);
      if (wait) {
        nextAttempt = setTimeout(drain, wait);
        return;
      }
      failures = 0;
    }
  } finally {
    sending = false;
  }
}

/** Sends one vote. Returns after how long to send it again; nothing if it is settled. */
async function send(vote) {
  if (!navigator.onLine) {
    say("waiting", texts.offline, vote, ...waiting());
    return LONGEST_WAIT; // or as soon as the browser says that it is back
  }
  let answer;
  try {
    answer = await ask(voteUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": `"${vote.id}"` },
      body: JSON.stringify({ option: vote.option }),
    });
  } catch {
    // No answer: whether it was recorded, the same key will find out.
  }
  if (answer?.ok) {
    queue.remove(vote);
    say("recorded", texts.recorded, vote, receiptLink(vote));
    follow(vote);
    return;
  }
  if (!answer || answer.status >= 500 || answer.status === 429 || answer.status === 408) {
    say("waiting", navigator.onLine ? texts.retrying : texts.offline, vote, ...waiting());
    const asked = Number(answer?.headers.get("Retry-After")) * SECOND || 0;
    return Math.max(asked, backOff(++failures));
  }
  queue.remove(vote);
  const problem = await answer.json().catch(() => ({}));
  const reason = problem.detail
    ? element("span", String(problem.detail), { lang: "en" })
    : texts.refused_why;
  say("refused", texts.refused, vote, reason);
}

// ── The receipt ─────────────────────────────────────────────────────────────────────────────────

/** The vote that was recorded last, while it is not seen to be counted. */
let followed = null;
let receiptAttempts = 0;
let nextReceipt;

function follow(vote) {
  followed = vote;
  receiptAttempts = 0;
  clearTimeout(nextReceipt);
  // A receipt is there once the tally has moved; to ask before would mostly be in vain. But it may
  // have moved unseen: before the first figures came, or behind a cache.
  nextReceipt = setTimeout(askForReceipt, (vote.total === null ? 1 : 3) * SECOND);
  refresh();
}

async function askForReceipt() {
  const vote = followed;
  if (!vote) return;
  clearTimeout(nextReceipt);
  let counted;
  try {
    const answer = await ask(receiptsUrl + encodeURIComponent(vote.id));
    if (answer.ok) counted = (await answer.json()).counted_at;
  } catch {}
  if (followed !== vote) return;
  if (counted) {
    followed = null;
    const time = element("time", clock.format(new Date(counted)), { datetime: counted });
    const [before, after] = texts.counted_at.split("{time}");
    const when = element("span", before);
    when.append(time, after);
    say("counted", texts.counted, vote, when, receiptLink(vote));
  } else {
    nextReceipt = setTimeout(askForReceipt, backOff(++receiptAttempts));
  }
}

// ── The results ─────────────────────────────────────────────────────────────────────────────────

let etag = null;
/** The tallies as they were last seen, and when. */
let seen = null;
let seenAt = null;
let refreshFailures = 0;
let nextRefresh;
let refreshing = false;

const rows = new Map(
  [...main.querySelectorAll(".bars li")].map((row) => [
    row.dataset.option,
    {
      label: row.querySelector(".label").textContent,
      count: row.querySelector(".count"),
      share: row.querySelector(".share"),
      bar: row.querySelector(".bar rect"),
    },
  ]),
);
const total = find(".total");
const last = find(".last time");
const state = find(".state");
const summary = find(".summary");

/** Both shapes that the API gives results in: that of any poll, and the flat one of the default. */
function tallies(results) {
  const options =
    results.options ??
    [...rows.keys()].map((option) => ({
      option,
      count: results[option] ?? 0,
      percentage: results[`${option}_percentage`] ?? 0,
    }));
  return { options, total: results.total, updated: results.last_updated };
}

async function refresh() {
  if (refreshing || !rows.size) return;
  clearTimeout(nextRefresh);
  refreshing = true;
  try {
    const answer = await ask(resultsUrl, { headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.statusText);
      const results = tallies(await answer.json());
      etag = answer.headers.get("ETag");
      show(results);
    }
    remember(seen.total);
    seenAt = Date.now();
    refreshFailures = 0;
  } catch {
    refreshFailures += 1;
  }
  refreshing = false;
  showState();
  if (followed && followed.total !== null && seen?.total > followed.total) {
    followed.total = Infinity; // asked for once; from here on its own timer does
    askForReceipt();
  }
  scheduleRefresh();
}

function scheduleRefresh() {
  clearTimeout(nextRefresh);
  if (document.hidden) return;
  const eager = followed && followed.total !== Infinity && !receiptAttempts; // for a few seconds
  const wait = refreshFailures
    ? Math.max(REFRESH, backOff(refreshFailures))
    : eager
      ? REFRESH_EAGERLY
      : REFRESH;
  nextRefresh = setTimeout(refresh, wait);
}

function show(results) {
  for (const { option, count, percentage } of results.options) {
    const row = rows.get(option);
    if (!row) continue;
    setText(row.count, inVotes(count));
    setText(row.share, percent.format(percentage / 100));
    row.bar.setAttribute("width", `${percentage}%`);
  }
  setText(total, inVotes(results.total));
  const updated = new Date(results.updated);
  if (!Number.isNaN(updated.valueOf())) {
    last.dateTime = results.updated;
    setText(last, clock.format(updated));
  }
  seen = results;
  summarize();
}

let summarized = -Infinity;
let nextSummary;

/** For those who do not see the bars: now and then, for each change would be a flood of words. */
function summarize() {
  clearTimeout(nextSummary);
  const pause = summarized + 10 * SECOND - performance.now();
  if (pause > 0) {
    nextSummary = setTimeout(summarize, pause);
    return;
  }
  summarized = performance.now();
  const parts = seen.options.map(
    ({ option, percentage }) =>
      `${rows.get(option)?.label ?? option} ${percent.format(percentage / 100)}`,
  );
  setText(summary, [...parts, inVotes(seen.total)].join(", "));
}

function showState() {
  const age = seenAt === null ? Infinity : Date.now() - seenAt;
  let kind = "live";
  let text = texts.live;
  if (document.hidden) {
    [kind, text] = ["paused", texts.paused];
  } else if (age === Infinity) {
    if (!refreshFailures) return;
    [kind, text] = ["stale", texts.no_results];
  } else if (refreshFailures && age > FRESH_FOR) {
    [kind, text] = ["stale", fill(texts.stale, { n: number.format(Math.round(age / SECOND)) })];
  }
  state.dataset.state = kind;
  setText(state, text);
}

// ── Their history, as this page has seen it ─────────────────────────────────────────────────────

const BUCKET = 5 * SECOND;
const BUCKETS = 60;
const perBucket = new Map();
let remembered = null;

/** Spreads the votes since the last look over the time since then. */
function remember(count) {
  const now = Date.now();
  if (remembered && count > remembered.count) {
    const from = Math.max(Math.floor(remembered.at / BUCKET), Math.floor(now / BUCKET) - BUCKETS);
    const span = Math.floor(now / BUCKET) - from + 1;
    for (let bucket = from; bucket < from + span; bucket += 1)
      perBucket.set(bucket, (perBucket.get(bucket) ?? 0) + (count - remembered.count) / span);
  }
  remembered = { count, at: now };
  drawHistory();
}

function drawHistory() {
  const newest = Math.floor(Date.now() / BUCKET);
  for (const bucket of perBucket.keys()) if (bucket < newest - BUCKETS) perBucket.delete(bucket);
  // The newest is not over yet: drawn, it would always seem as if the votes had just stopped.
  const counts = Array.from({ length: BUCKETS }, (_, i) => perBucket.get(newest - BUCKETS + i) ?? 0);
  const most = Math.max(...counts, 1);
  const points = counts.map(
    (count, i) => `${((i * 300) / (BUCKETS - 1)).toFixed(1)} ${(47 - (count / most) * 45).toFixed(1)}`,
  );
  find(".history .line").setAttribute("d", `M${points.join("L")}`);
  find(".history .area").setAttribute("d", `M0 48L${points.join("L")}L300 48Z`);
  const sum = [...perBucket.values()].reduce((a, b) => a + b, 0);
  setText(find(".history strong"), number.format(Math.round(sum)));
}

// ── The form, the keys, and what the browser tells us ───────────────────────────────────────────

find(".ballot")?.addEventListener("submit", (event) => {
  if (!event.submitter?.value) return;
  event.preventDefault();
  cast(event.submitter.value);
});

const keys = find(".keys input");
if (keys) {
  keys.checked = store.read("keys") ?? true;
  keys.addEventListener("change", () => store.write("keys", keys.checked));
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (!keys.checked || event.repeat || typing) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const choice = /^[1-9]$/.test(event.key) && choices[event.key - 1];
    if (choice) {
      choice.focus();
      cast(choice.value);
    }
  });
}

addEventListener("online", () => {
  drain();
  refresh();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(nextRefresh);
  else refresh();
  showState();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) refresh();
});
setInterval(showState, SECOND);
for (const time of main.querySelectorAll("time[datetime]"))
  setText(time, clock.format(new Date(time.dateTime)));

refresh();
if (message) {
  const [left] = queue.all();
  if (left) {
    say("sending", texts.sending, left);
    drain();
  }
}
