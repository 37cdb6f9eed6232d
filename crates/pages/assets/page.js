// Makes the page live: casts votes without leaving it, and watches the poll.
//
// In reading order: how the page puts things; the votes that are still waiting; sending them; the
// receipt; the results; their history; the keys. Text stays text, wherever it comes from: nothing
// here turns it into markup.

const main = document.querySelector("main");
const { poll, vote: voteUrl, results: resultsUrl, receipts: receiptsUrl } = main.dataset;
const texts = JSON.parse(main.dataset.texts);
const language = document.documentElement.lang;
const find = (selector) => main.querySelector(selector);

const SECOND = 1000;
/** How often the results are fetched. */
const REFRESH = 2 * SECOND;
/** The service may serve results this old, so a vote that was just counted shows up after it. */
const RESULTS_CACHED_FOR = 300;
/** Figures older than this are stale. */
const FRESH_FOR = 3 * REFRESH;
/** No request waits longer. */
const PATIENCE = 10 * SECOND;
/** A failed request is repeated after 1 s, 2 s, 4 s, … but never later than this. */
const LONGEST_WAIT = 30 * SECOND;
/** A Retry-After is honoured up to this long. */
const LONGEST_RETRY_AFTER = 300 * SECOND;
/** How long the service may hold a request for a receipt: the most that the API allows. */
const RECEIPT_WAIT = 10 * SECOND;
/** How often one receipt is requested. Without waiting on the service's side: about 90 s. */
const RECEIPT_REQUESTS = 8;
/** A second press this soon after the first is a slip, not a second vote. */
const SLIP = 400;
/** An option with votes has a bar that can be seen, in per cent of the width. */
const SHORTEST_BAR = 0.5;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (gap, name) => values[name] ?? gap);
const number = new Intl.NumberFormat(language);
const percent = new Intl.NumberFormat(language, {
  style: "percent",
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});
/** The API's percentage. A few votes among very many are not nothing, and all but a few not all. */
function share({ count, percentage }, total) {
  if (count > 0 && percentage < 0.01) return `<${percent.format(0.0001)}`;
  if (count < total && percentage > 99.99) return `>${percent.format(0.9999)}`;
  return percent.format(percentage / 100);
}
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
const inVotes = (n) => fill(n === 1 ? texts.votes_one : texts.votes, { n: number.format(n) });
const setText = (element, text) => {
  if (element && element.textContent !== text) element.textContent = text;
};

/** With jitter, so that pages that failed together do not all come back at once. */
const backOff = (failures) =>
  Math.min(LONGEST_WAIT, SECOND * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);

/** How long an answer asks us to wait: in seconds, or until a date. */
function retryAfter(answer) {
  const value = answer?.headers.get("Retry-After") ?? "";
  const wait = /^\d+$/.test(value) ? value * SECOND : Date.parse(value) - Date.now();
  return Math.min(Math.max(wait || 0, 0), LONGEST_RETRY_AFTER);
}

const ask = (url, options) =>
  fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options });

// ── Votes that are still waiting ────────────────────────────────────────────────────────────────
// A vote waits here until an answer settles it. The browser's storage keeps it over a reload, where
// the browser has any to give: it may be switched off, full, or missing. Another tab may send the
// same vote; its key makes it count once.

const store = {
  key: (name) => `spinvote:${poll}:${name}`,
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(this.key(name)));
    } catch {
      return null;
    }
  },
  /** Whether the value was stored. */
  write(name, value) {
    try {
      localStorage.setItem(this.key(name), JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};

const queue = {
  /** The votes cast on this page: whatever becomes of the storage, they are not lost. */
  own: new Map(),
  /** The votes settled on this page: if the storage cannot forget them, they are not sent again. */
  settled: new Set(),
  /** Whether the waiting votes would survive a reload. */
  stored: true,
  all() {
    const kept = store.read("queue");
    const votes = new Map();
    for (const vote of Array.isArray(kept) ? kept : [])
      if (typeof vote?.id === "string" && typeof vote.option === "string") votes.set(vote.id, vote);
    for (const [id, vote] of this.own) votes.set(id, vote);
    for (const id of this.settled) votes.delete(id);
    return [...votes.values()];
  },
  add(vote) {
    this.own.set(vote.id, vote);
    this.stored = store.write("queue", this.all());
  },
  settle({ id }) {
    this.own.delete(id);
    this.settled.add(id);
    this.stored = store.write("queue", this.all());
  },
};

/** A UUID. Only https and localhost have randomUUID; a page served over http in a LAN does not. */
function randomId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4: random
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // the variant of RFC 9562
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

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

/** Says how `vote` stands; `kind` is sending, waiting, recorded, counted or refused. */
function say(kind, text, vote, ...details) {
  if (!message) return;
  for (const choice of choices) {
    if (choice.value === vote.option) choice.dataset.mine = kind;
    else delete choice.dataset.mine;
  }
  const words = element("p", fill(text, { option: label(vote.option) }));
  const small = element("p", "", { class: "detail" });
  details.forEach((detail, i) => small.append(i ? " " : "", detail));
  // A message that stands already stays: otherwise a screen reader would repeat it on every retry.
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
  const details = length > 1 ? [fill(texts.waiting, { n: number.format(length) })] : [];
  return queue.stored ? details : [...details, texts.keep_open];
};

// ── Sending ─────────────────────────────────────────────────────────────────────────────────────

let sending = false;
let failures = 0;
/** When the service will take votes again, by its own account. */
let reopensAt = 0;
let nextAttempt;
let lastCast = -Infinity;

function cast(option) {
  if (performance.now() - lastCast < SLIP) return;
  lastCast = performance.now();
  const vote = { id: randomId(), option };
  queue.add(vote);
  followed = null; // the message is about this vote from now on
  say("sending", texts.sending, vote);
  failures = 0;
  drain();
}

/** Sends the waiting votes in order, until none is left or one has to wait. */
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

/**
 * The answers that settle a vote. A row applies if all of its conditions hold; only the service
 * itself gives such an answer, never the login page of a Wi-Fi or a proxy that stands in for it.
 * Whatever no row describes leaves the vote waiting, to be sent again under the same key: no answer,
 * a redirect, a page, a 2xx other than ours, any 5xx, and the 4xx that ask for another attempt.
 */
const SETTLING = [
  {
    outcome: "recorded",
    status: (status) => status === 201,
    type: "application/json",
    body: (body, vote) => body.vote_id === vote.id && body.option === vote.option,
  },
  {
    outcome: "refused",
    // 408 Request Timeout, 425 Too Early, 429 Too Many Requests.
    status: (status) => status >= 400 && status < 500 && ![408, 425, 429].includes(status),
    type: "application/problem+json",
    body: (body, _, status) => body.status === status && typeof body.detail === "string",
  },
];

/** The outcome that an answer proves, with its body; nothing if the vote has to wait. */
async function settlement(answer, vote) {
  const type = answer.headers.get("Content-Type")?.split(";")[0].trim().toLowerCase();
  const row = SETTLING.find((row) => row.status(answer.status) && row.type === type);
  const body = row && (await answer.json());
  return body && row.body(body, vote, answer.status) ? { outcome: row.outcome, body } : null;
}

/** Sends one vote. Returns how long to wait before the next attempt; nothing if it is settled. */
async function send(vote) {
  if (!navigator.onLine) {
    say("waiting", texts.offline, vote, ...waiting());
    return LONGEST_WAIT; // or until the browser says that it is online again
  }
  if (Date.now() < reopensAt) {
    say("waiting", texts.retrying, vote, ...waiting());
    return reopensAt - Date.now();
  }
  let answer;
  let settled;
  try {
    answer = await ask(voteUrl, {
      method: "POST",
      redirect: "manual", // the service never redirects a vote
      headers: { "Content-Type": "application/json", "Idempotency-Key": `"${vote.id}"` },
      body: JSON.stringify({ option: vote.option }),
    });
    settled = await settlement(answer, vote);
  } catch {
    // No answer, or none that can be read. The same key will find out whether it was recorded.
  }
  if (!settled) {
    say("waiting", navigator.onLine ? texts.retrying : texts.offline, vote, ...waiting());
    const asked = retryAfter(answer);
    if (asked) reopensAt = Date.now() + asked;
    return Math.max(asked, backOff(++failures));
  }
  queue.settle(vote);
  if (settled.outcome === "recorded") {
    say("recorded", texts.recorded, vote, receiptLink(vote));
    follow(vote);
  } else {
    // In English, unless the organizer's rules say why, in whatever language they know.
    const lang = answer.headers.get("Content-Language") ?? "en";
    say("refused", texts.refused, vote, element("span", settled.body.detail, { lang }));
  }
}

// ── The receipt ─────────────────────────────────────────────────────────────────────────────────

/** The vote that was recorded last, until it is known to be counted. */
let followed = null;
let receiptRequests = 0;
let nextReceipt;

function follow(vote) {
  followed = vote;
  receiptRequests = 0;
  askForReceipt();
}

/** The service holds the request until the vote is counted; one that cannot says 404 at once. */
async function askForReceipt() {
  const vote = followed;
  if (!vote) return;
  clearTimeout(nextReceipt);
  receiptRequests += 1;
  let answer;
  let counted;
  let replaced = false;
  try {
    answer = await ask(receiptsUrl + encodeURIComponent(vote.id), {
      headers: { Prefer: `wait=${RECEIPT_WAIT / SECOND}` },
      signal: AbortSignal.timeout(RECEIPT_WAIT + PATIENCE),
    });
    const receipt = answer.ok ? await answer.json() : {};
    if (receipt.vote_id === vote.id) {
      counted = receipt.counted_at;
      replaced = receipt.status === "replaced";
    }
  } catch {}
  if (followed !== vote) return;
  if (counted) {
    followed = null;
    const time = element("time", clock.format(new Date(counted)), { datetime: counted });
    const [before, after] = texts.counted_at.split("{time}");
    const when = element("span", before);
    when.append(time, after);
    say("counted", replaced ? texts.replaced : texts.counted, vote, when, receiptLink(vote));
    scheduleRefresh(RESULTS_CACHED_FOR);
  } else if (receiptRequests < RECEIPT_REQUESTS) {
    nextReceipt = setTimeout(askForReceipt, Math.max(retryAfter(answer), backOff(receiptRequests)));
  } else {
    followed = null; // the vote is recorded and says so; its receipt is a link
  }
}

// ── The results ─────────────────────────────────────────────────────────────────────────────────

let etag = null;
/** The latest results, and when they came. */
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

/** The API has two shapes for results: one for any poll, and a flat one for the default poll. */
function tallies(results) {
  const options =
    results.options ??
    [...rows.keys()].map((option) => ({
      option,
      count: results[option] ?? 0,
      percentage: results[`${option}_percentage`] ?? 0,
    }));
  if (!Number.isFinite(results.total)) throw new TypeError("not results");
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
  scheduleRefresh();
}

function scheduleRefresh(wait = refreshFailures ? Math.max(REFRESH, backOff(refreshFailures)) : REFRESH) {
  clearTimeout(nextRefresh);
  if (!document.hidden) nextRefresh = setTimeout(refresh, wait);
}

function show(results) {
  for (const tally of results.options) {
    const row = rows.get(tally.option);
    if (!row) continue;
    setText(row.count, inVotes(tally.count));
    setText(row.share, share(tally, results.total));
    const width = Math.max(tally.percentage, tally.count > 0 ? SHORTEST_BAR : 0);
    row.bar.setAttribute("width", `${width}%`);
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

/** For people who cannot see the bars. Announcing every change would flood them with words. */
function summarize() {
  clearTimeout(nextSummary);
  const pause = summarized + 10 * SECOND - performance.now();
  if (pause > 0) {
    nextSummary = setTimeout(summarize, pause);
    return;
  }
  summarized = performance.now();
  const parts = seen.options.map(
    (tally) => `${rows.get(tally.option)?.label ?? tally.option} ${share(tally, seen.total)}`,
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

// ── The history of the results, as seen by this page ─────────────────────────────────────────────────────

const BUCKET = 5 * SECOND;
const BUCKETS = 60;
const perBucket = new Map();
let remembered = null;

/** Spreads the votes since the last refresh evenly over the time since then. */
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
  // The newest bucket is still filling. Drawing it would look as if voting had just stopped.
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

// ── The form, the keys, and events of the browser ───────────────────────────────────────────

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
    // Where the switch is hidden, nobody could turn the keys off: there they do nothing.
    const on = keys.checked && keys.getClientRects().length > 0;
    if (!on || event.repeat || typing) return;
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
  setText(time, ("date" in time.dataset ? calendar : clock).format(new Date(time.dateTime)));

refresh();
if (message) {
  const [left] = queue.all();
  if (left) {
    say("sending", texts.sending, left);
    drain();
  }
}
