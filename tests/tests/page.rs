//! The page, in a real browser: what it promises to people.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{Answer, World, browser::Browser, eventually, raw};

const MESSAGE: &str = ".outcome .message";

// ── Vote ────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_click_votes_shows_the_receipt_and_moves_the_bar() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.shows(".total", &["0 votes"]).await;
    let before = browser.bar("cats").await;
    browser.click("button[value=cats]").await;
    let shown = browser
        .shows(
            MESSAGE,
            &["Your vote has been counted: Cats.", "Counted at", "Receipt"],
        )
        .await;
    browser
        .shows("[data-option=cats]", &["1 vote", "100.00%"])
        .await;
    browser.shows(".total", &["1 vote"]).await;
    eventually("the bar has grown", async || {
        browser.bar("cats").await > before + 100.0
    })
    .await;
    world.settles_at(1, 0).await;

    // The receipt is that of this vote.
    let link = browser
        .run("return document.querySelector('.outcome a').getAttribute('href')")
        .await;
    let receipt = world.get(link.as_str().unwrap()).await.json();
    assert_eq!(receipt["option"], "cats");
    assert!(
        shown.contains(receipt["vote_id"].as_str().unwrap()),
        "{shown}"
    );
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_key_votes_too_and_can_be_told_not_to() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.shows(".state", &["Live"]).await;
    browser.press("2").await;
    browser
        .shows(MESSAGE, &["Your vote has been counted: Dogs."])
        .await;
    eventually("the bar has grown", async || {
        browser.bar("dogs").await > 100.0
    })
    .await;
    // By Tab and Enter alone; sooner it would be a slip.
    tokio::time::sleep(Duration::from_millis(500)).await;
    browser
        .run("document.querySelector('button[value=cats]').focus()")
        .await;
    browser.press("\u{e007}").await;
    browser
        .shows(MESSAGE, &["Your vote has been counted: Cats."])
        .await;

    browser.click(".keys input").await;
    browser.press("1").await;
    browser.reload().await;
    browser.shows(".state", &["Live"]).await;
    browser.press("1").await;
    world.settles_at(1, 1).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_slip_of_the_finger_is_one_vote() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser
        .run("const cats = document.querySelector('button[value=cats]'); cats.click(); cats.click();")
        .await;
    browser.shows(MESSAGE, &["counted"]).await;
    world.settles_at(1, 0).await;
}

#[tokio::test]
async fn a_vote_that_is_refused_says_why() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser
        .run("document.querySelector('button[value=dogs]').value = '<b>birds</b>'")
        .await;
    browser.click(".choice:nth-child(2)").await;
    let shown = browser
        .shows(MESSAGE, &["Your vote was not recorded", "no such option"])
        .await;
    assert!(shown.contains("Dogs") && !shown.contains('<'), "{shown}");
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0);
    browser.complains_of_the_network_only().await;
}

#[tokio::test]
async fn a_vote_cast_offline_is_kept_even_over_a_reload_and_sent_when_back() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.shows(".state", &["Live"]).await;
    browser.set_offline(true).await;
    browser.click("button[value=cats]").await;
    browser
        .shows(MESSAGE, &["You are offline", "kept", "Cats"])
        .await;
    browser.set_offline(false).await;
    browser
        .shows(MESSAGE, &["Your vote has been counted: Cats."])
        .await;
    world.settles_at(1, 0).await;
    browser.complains_of_the_network_only().await;
}

#[tokio::test]
async fn while_redis_takes_no_votes_the_same_vote_is_sent_again_and_counts_once() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    browser.click("button[value=dogs]").await;
    browser
        .shows(
            MESSAGE,
            &["Votes cannot be recorded right now", "counts once"],
        )
        .await;
    let queue = browser
        .run("return localStorage.getItem('spinvote:default:queue')")
        .await;
    let queue: Value = serde_json::from_str(queue.as_str().unwrap()).unwrap();
    browser.reload().await;
    browser
        .shows(MESSAGE, &["Votes cannot be recorded right now"])
        .await;
    let _: () = world.command("CONFIG SET maxmemory 0").await;
    let shown = browser
        .shows(MESSAGE, &["Your vote has been counted: Dogs."])
        .await;
    assert!(
        shown.contains(queue[0]["id"].as_str().unwrap()),
        "{shown} is not {queue}"
    );
    world.settles_at(0, 1).await;
    browser.complains_of_the_network_only().await;
}

/// Puts itself between the page and the network, as a captive portal or a broken gateway does: the
/// first vote that is sent after `window.inBetween` was set gets that answer.
const IN_BETWEEN: &str = r#"
    const network = window.fetch;
    window.sent = [];
    window.preferences = [];
    window.fetch = (url, options) => {
      if (url.includes('/api/votes/')) window.preferences.push(options.headers?.Prefer);
      if (!url.endsWith('/api/vote')) return network(url, options);
      const id = JSON.parse(options.headers['Idempotency-Key']);
      window.sent.push([id, Date.now()]);
      const answer = window.inBetween;
      window.inBetween = null;
      return answer ? answer(id, options) : network(url, options);
    };
    window.answering = (status, type, body, more = {}) => async id => new Response(
      status === 204 ? null : typeof body === 'string' ? body : JSON.stringify(body(id)),
      { status, headers: { 'Content-Type': type, ...more } });
    window.problem = (status, more) =>
      answering(status, 'application/problem+json', () => ({ status, detail: 'Because.' }), more);
"#;

#[tokio::test]
async fn only_an_answer_of_the_service_itself_settles_a_vote() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.before_each_page(IN_BETWEEN).await;
    browser.go("/").await;
    let ours = "id => ({ vote_id: id, option: 'cats' })";
    let mut votes = 0;
    for answer in [
        "answering(200, 'text/html', '<h1>Log in</h1>')",
        "answering(201, 'text/html', '<h1>Log in</h1>')",
        "answering(204, 'text/plain', '')",
        &format!("answering(200, 'application/json', {ours})"),
        &format!("answering(201, 'text/plain', {ours})"),
        "answering(201, 'application/json', 'not JSON')",
        "answering(201, 'application/json', id => null)",
        "answering(201, 'application/json', id => ({ vote_id: 'other', option: 'cats' }))",
        "answering(201, 'application/json', id => ({ vote_id: id, option: 'dogs' }))",
        "(id, options) => network('/vote', { redirect: options.redirect })",
        "answering(403, 'text/html', '<h1>Forbidden</h1>')",
        "answering(404, 'application/json', id => ({ detail: 'none' }))",
        "answering(422, 'application/problem+json', id => ({ status: 422 }))",
        "answering(422, 'application/problem+json', id => ({ status: 400, detail: 'x' }))",
        "problem(408)",
        "problem(425)",
        "problem(429)",
        "problem(500)",
        "problem(503)",
        "answering(502, 'text/html', '<h1>Bad gateway</h1>')",
        "async () => { throw new TypeError('no network') }",
    ] {
        tokio::time::sleep(Duration::from_millis(450)).await; // sooner it would be a slip
        browser
            .run(&format!("window.sent = []; window.inBetween = {answer}"))
            .await;
        browser.click("button[value=cats]").await;
        eventually(&format!("{answer}: the vote is sent again"), async || {
            browser.run("return sent.length").await == 2
        })
        .await;
        browser
            .shows(MESSAGE, &["Your vote has been counted: Cats."])
            .await;
        let once = "return sent.length === 2 && sent[0][0] === sent[1][0]";
        assert_eq!(browser.run(once).await, true, "{answer}");
        votes += 1;
        assert_eq!(
            world.number("select count(*) from vote_events").await,
            votes,
            "{answer}"
        );
    }
    let preferences = browser.run("return [...new Set(preferences)]").await;
    assert_eq!(preferences, json!(["wait=10"]));

    for status in [400, 403, 404, 409, 413, 422] {
        tokio::time::sleep(Duration::from_millis(450)).await;
        browser
            .run(&format!("sent = []; inBetween = problem({status})"))
            .await;
        browser.click("button[value=cats]").await;
        browser
            .shows(MESSAGE, &["Your vote was not recorded: Cats.", "Because."])
            .await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(browser.run("return sent.length").await, 1, "{status}");
    }
    world.settles_at(votes, 0).await;
    browser.complains_of_the_network_only().await;
}

#[tokio::test]
async fn a_vote_is_not_sent_before_the_time_that_the_service_asked_for() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.before_each_page(IN_BETWEEN).await;
    for after in ["'3'", "new Date(Date.now() + 5000).toUTCString()"] {
        browser.go("/").await;
        browser
            .run(&format!(
                "inBetween = problem(429, {{ 'Retry-After': {after} }})"
            ))
            .await;
        browser.click("button[value=cats]").await;
        browser
            .shows(MESSAGE, &["Votes cannot be recorded right now"])
            .await;
        // An impatient person changes nothing about that.
        tokio::time::sleep(Duration::from_millis(450)).await;
        browser.press("1").await;
        browser.shows(MESSAGE, &["2 votes are waiting."]).await;
        eventually("both are sent", async || {
            browser.run("return sent.length").await == 3
        })
        .await;
        let waited = browser.run("return sent[1][1] - sent[0][1]").await;
        assert!(waited.as_i64() >= Some(2_900), "{after}: {waited} ms");
        browser
            .shows(MESSAGE, &["Your vote has been counted"])
            .await;
    }
    world.settles_at(4, 0).await;
}

#[tokio::test]
async fn a_vote_counts_once_where_the_browser_stores_nothing() {
    let world = World::start().await;
    let mut votes = 0;
    for refusal in [
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }",
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError') } })",
        "Object.defineProperty(window, 'localStorage', { value: undefined })",
        "Object.defineProperty(window, 'localStorage', { value: null })",
    ] {
        let browser = Browser::open(&world).await;
        browser.shows(".state", &["Live"]).await;
        // Nor can a vote that was stored before be taken out again.
        browser
            .run(&format!(
                "localStorage.setItem('spinvote:default:queue',
                    '[{{\"id\":\"left over {votes}\",\"option\":\"dogs\"}}, null, 7, {{\"id\":1}}]')"
            ))
            .await;
        browser.before_each_page(refusal).await;
        let left_over = i64::from(refusal.starts_with("Storage"));
        browser.go("/").await;
        let _: () = world.command("CONFIG SET maxmemory 1").await;
        browser.click("button[value=cats]").await;
        browser
            .shows(
                MESSAGE,
                &["Votes cannot be recorded right now", "Keep this page open"],
            )
            .await;
        let _: () = world.command("CONFIG SET maxmemory 0").await;
        browser
            .shows(MESSAGE, &["Your vote has been counted: Cats."])
            .await;
        votes += 1 + left_over;
        let sent = "return performance.getEntriesByType('resource')\
            .filter(entry => entry.name.endsWith('/api/vote')).length";
        let before = browser.run(sent).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(browser.run(sent).await, before, "{refusal}: still sending");
        assert_eq!(
            world.number("select count(*) from vote_events").await,
            votes,
            "{refusal}"
        );
        browser.complains_of_the_network_only().await;
    }
}

#[tokio::test]
async fn a_key_is_a_uuid_also_where_the_browser_makes_none() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    for script in ["", "delete Crypto.prototype.randomUUID"] {
        browser.before_each_page(script).await;
        browser.go("/").await;
        browser.click("button[value=cats]").await;
        browser
            .shows(MESSAGE, &["Your vote has been counted"])
            .await;
        let id = browser.text(".outcome code").await;
        let parts: Vec<_> = id.split('-').collect();
        let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert!(parts[2].starts_with('4'), "{id}");
        assert!(parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
    }
}

#[tokio::test]
async fn a_phone_shows_nothing_about_keys() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    let keys = "return [...document.querySelectorAll('.keys, .choice kbd')]\
        .filter(element => element.checkVisibility()).length";
    assert_eq!(browser.run(keys).await, 3);
    browser.become_a_phone().await;
    browser.go("/").await;
    assert_eq!(browser.run(keys).await, 0);
    // What cannot be switched off is off.
    browser.press("1").await;
    browser.click("button[value=dogs]").await;
    browser
        .shows(MESSAGE, &["Your vote has been counted"])
        .await;
    world.settles_at(0, 1).await;
}

// ── Watch ───────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn what_one_browser_votes_another_sees_within_five_seconds() {
    let world = World::start().await;
    let (one, other) = tokio::join!(Browser::open(&world), Browser::open_in(&world, "de-AT"));
    other.shows(".total", &["0 Stimmen"]).await;
    one.click("button[value=cats]").await;
    let started = Instant::now();
    other
        .shows("[data-option=cats]", &["1 Stimme", "100,00 %"])
        .await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    other.shows(".history", &["5 Minuten: 1"]).await;
    one.has_no_complaint().await;
    other.has_no_complaint().await;
}

#[tokio::test]
async fn a_page_outlives_the_service_and_its_vote_counts_once() {
    let mut world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.shows(".state", &["Live"]).await;
    world.stack.app.stop();
    browser.click("button[value=cats]").await;
    browser
        .shows(
            MESSAGE,
            &["Votes cannot be recorded right now", "counts once"],
        )
        .await;
    browser.shows(".state", &["s old", "trying again"]).await;
    // Another, by a person with no patience.
    browser.press("2").await;
    browser.shows(MESSAGE, &["2 votes are waiting."]).await;

    world.stack.start_app().await.unwrap();
    browser.shows(".state", &["Live"]).await;
    browser
        .shows(MESSAGE, &["Your vote has been counted: Dogs."])
        .await;
    browser.shows(".total", &["2 votes"]).await;
    world.settles_at(1, 1).await;
    assert_eq!(world.number("select count(*) from vote_events").await, 2);
    browser.complains_of_the_network_only().await;
}

#[tokio::test]
async fn unchanged_results_are_not_sent_again() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.shows(".state", &["Live"]).await;
    let of_results = "return performance.getEntriesByType('resource')\
        .filter(entry => entry.name.endsWith('/api/results')).map(entry => entry.responseStatus)";
    eventually("three were asked for", async || {
        browser.run(of_results).await.as_array().unwrap().len() >= 3
    })
    .await;
    let statuses = browser.run(of_results).await;
    assert_eq!(statuses[0], 200);
    assert!(
        statuses.as_array().unwrap()[1..]
            .iter()
            .all(|status| status == 304),
        "{statuses}"
    );
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_hidden_page_asks_for_nothing() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.shows(".state", &["Live"]).await;
    let hide = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'));"
        )
    };
    browser.run(&hide(true)).await;
    browser.shows(".state", &["Paused"]).await;
    let asked = "return performance.getEntriesByType('resource').length";
    tokio::time::sleep(Duration::from_millis(500)).await; // what is under way arrives
    let before = browser.run(asked).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(browser.run(asked).await, before);
    world.vote("cats").await;
    browser.run(&hide(false)).await;
    browser.shows(".total", &["1 vote"]).await;
    browser.shows(".state", &["Live"]).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn bars_move_smoothly_unless_less_motion_is_asked_for() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    let duration =
        "return getComputedStyle(document.querySelector('.bar rect')).transitionDuration";
    assert_eq!(browser.run(duration).await, "0.7s");
    browser.prefer("prefers-reduced-motion", "reduce").await;
    assert_eq!(browser.run(duration).await, "0s");
    browser.click("button[value=cats]").await;
    browser.shows(MESSAGE, &["counted"]).await;
    eventually("the bar is there", async || {
        browser.bar("cats").await > 100.0
    })
    .await;
    let moving = browser.run("return document.getAnimations().length").await;
    assert_eq!(moving, 0);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn nothing_jumps() {
    let world = World::start().await;
    for _ in 0..1234 {
        world.append(&[("vote", b"dogs")]).await;
    }
    let browser = Browser::open(&world).await;
    for width in [320, 768, 1440] {
        browser.look(width, "light").await;
        browser.go("/").await;
        browser.shows(".state", &["Live"]).await;
        browser
            .run("document.querySelector('button[value=cats]').click()")
            .await;
        browser
            .shows(MESSAGE, &["Your vote has been counted: Cats."])
            .await;
        browser.shows(".total", &["votes"]).await;
        let shifts = "const done = arguments[arguments.length - 1];
            new PerformanceObserver(list => done(list.getEntries()
                .map(entry => [entry.value, ...entry.sources.map(source => source.node?.className)])))
                .observe({ type: 'layout-shift', buffered: true });
            setTimeout(() => done([]), 1000);";
        assert_eq!(browser.run_async(shifts).await, json!([]), "at {width} px");
    }
}

#[tokio::test]
async fn one_vote_of_ten_thousand_is_not_nothing() {
    let world = World::start().await;
    let sql = world.sql().await;
    let tallies = "update votes set count = case option when 'cats' then 9999 else 1 end";
    sql.batch_execute(tallies).await.unwrap();
    let browser = Browser::open(&world).await;
    for page in ["/", "/results"] {
        browser.look(320, "light").await;
        browser.go(page).await;
        browser.shows("[data-option=dogs] .share", &["0.01%"]).await;
        browser
            .shows("[data-option=cats] .share", &["99.99%"])
            .await;
        eventually("it has a bar", async || browser.bar("dogs").await >= 1.0).await;
    }
    sql.batch_execute("update votes set count = 0 where option = 'dogs'")
        .await
        .unwrap();
    for language in ["en", "de", "es"] {
        let browser = Browser::open_in(&world, language).await;
        browser.look(320, "light").await;
        for page in ["/", "/results"] {
            browser.go(page).await;
            browser.shows("[data-option=cats] .share", &["100"]).await;
            let fits = "const share = document.querySelector('.share');
                const range = document.createRange();
                range.selectNodeContents(share);
                return range.getClientRects().length === 1 && share.scrollWidth <= share.clientWidth";
            assert_eq!(browser.run(fits).await, true, "{language} {page}");
        }
    }
}

#[tokio::test]
async fn the_results_do_not_claim_a_vote_that_is_not_known() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    for id in ["anything", "%FF", ""] {
        browser.go(&format!("/results?vote={id}")).await;
        let shown = browser.shows(MESSAGE, &["No vote with this id has been counted yet."]);
        assert!(!shown.await.contains("recorded"), "{id}");
    }
    browser.has_no_complaint().await;
}

// ── Without a script ────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn without_a_script_the_form_votes_and_the_results_are_a_page() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.switch_scripts_off().await;
    browser.go("/").await;
    assert_eq!(
        browser.text(".results").await,
        "",
        "no figures that never come"
    );
    browser.click("button[value=dogs]").await;
    eventually("the results are shown", async || {
        browser.path().await.starts_with("/results?vote=")
    })
    .await;
    browser
        .shows(MESSAGE, &["Your vote has been counted: Dogs.", "Receipt"])
        .await;
    browser
        .shows("[data-option=dogs]", &["1 vote", "100.00%"])
        .await;
    assert!(browser.bar("dogs").await > 100.0);
    browser.reload().await;
    browser.click("a.button").await;
    eventually("it leads back", async || browser.path().await == "/").await;
    world.settles_at(0, 1).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn without_a_script_a_vote_that_redis_does_not_take_can_be_sent_again() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.switch_scripts_off().await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    browser.go("/").await;
    browser.click_through("button[value=cats]").await;
    browser
        .shows("main", &["could not be recorded yet", "it counts once"])
        .await;
    browser.click_through("main form button").await;
    browser.shows("main", &["could not be recorded yet"]).await;
    let _: () = world.command("CONFIG SET maxmemory 0").await;
    browser.click_through("main form button").await;
    browser
        .shows(MESSAGE, &["Your vote has been counted: Cats."])
        .await;
    world.settles_at(1, 0).await;
    browser.complains_of_the_network_only().await;
}

async fn form(world: &World, body: &'static str, headers: &[(&str, &str)]) -> Answer {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = http
        .post(format!("{}/vote", world.stack.url()))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn a_form_sent_twice_under_one_id_counts_once() {
    let world = World::start().await;
    for _ in 0..2 {
        let answer = form(
            &world,
            "option=cats&vote_id=form-01a20e6a-b471-7572-a0c7-55483757e707",
            &[],
        )
        .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(
            answer.header("location"),
            "/results?vote=form-01a20e6a-b471-7572-a0c7-55483757e707"
        );
    }
    let other = form(
        &world,
        "option=dogs&vote_id=form-01a20e6a-b471-7572-a0c7-55483757e707",
        &[("Accept", "text/html")],
    )
    .await;
    assert_eq!(other.status, 422);
    assert!(
        other.body.contains("This vote cannot be counted"),
        "{other:?}"
    );
    world.settles_at(1, 0).await;
    let page = world
        .get("/results?vote=form-01a20e6a-b471-7572-a0c7-55483757e707")
        .await;
    assert!(
        page.body.contains("Your vote has been counted: Cats."),
        "{page:?}"
    );
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_bad_form_is_refused_with_a_page_that_says_what_to_do() {
    let world = World::start().await;
    for (body, status) in [
        ("", 422),
        ("option=birds", 422),
        ("option=<b>", 422),
        ("option=cats&option=dogs", 422),
        ("colour=red", 422),
    ] {
        let answer = form(&world, body, &[("Accept", "text/html")]).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(
            answer.body.contains("Nothing was recorded"),
            "{body}: {answer:?}"
        );
    }
    let large = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2000000";
    let status = raw::begin(world.url(), "/vote", large, "option=").await;
    assert_eq!(status, 413);
    // A browser that comes by the address alone is shown the way.
    let led = world.get("/vote").await;
    assert_eq!((led.status.as_u16(), led.header("location")), (303, "/"));
    let deleted = Answer::of(world.request(Method::DELETE, "/vote")).await;
    assert_eq!(deleted.status, 405);
    assert_eq!(deleted.header("allow"), "GET, POST, HEAD, OPTIONS");
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0);
}

#[tokio::test]
async fn a_form_on_another_site_cannot_vote() {
    let world = World::start().await;
    for origin in ["https://evil.example", "null"] {
        let headers = [("Origin", origin), ("Accept", "text/html")];
        let answer = form(&world, "option=cats", &headers).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("That is not allowed"), "{answer:?}");
    }
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0);
    let own = world.stack.url();
    assert_eq!(
        form(&world, "option=cats", &[("Origin", &own)])
            .await
            .status,
        303
    );
}

// ── For everybody ───────────────────────────────────────────────────────────────────────────────

/// Every kind of page.
const PAGES: [&str; 9] = [
    "/",
    "/results",
    "/results?vote=none",
    "/polls",
    "/polls/words",
    "/polls/words/results",
    "/polls/none",
    "/api/votes/none",
    "/docs",
];

/// A poll with as many options as there may be, long ones in several scripts, hours, and one vote per voter.
async fn open_a_poll_of_many_words(world: &World) {
    let texts = [
        "السؤال طويل جدا ويحتاج إلى أكثر من سطر واحد على شاشة صغيرة حتى يقرأه الجميع بسهولة",
        "תשובה ארוכה מאוד שצריכה יותר משורה אחת על מסך קטן כדי שכולם יוכלו לקרוא אותה",
        "คำตอบที่ยาวมากซึ่งต้องใช้มากกว่าหนึ่งบรรทัดบนหน้าจอขนาดเล็กเพื่อให้ทุกคนอ่านได้",
        "一个非常长的答案在小屏幕上需要不止一行才能让每个人都能轻松阅读而不需要滚动",
        "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle",
    ];
    let options: Vec<_> = (0..50).map(|i| format!("{} {i}", texts[i % 5])).collect();
    let poll = json!({
        "poll": "words", "question": format!("ما رأيك؟ {}", texts[0]), "options": options,
        "closes_at": "2100-01-01T00:00:00Z", "one_vote_per_voter": true,
    });
    let request = world
        .request(Method::POST, "/api/polls")
        .body(poll.to_string());
    let created = Answer::of(request.bearer_auth(&world.stack.secrets().organizer_token)).await;
    assert_eq!(created.status, 201, "{created:?}");
}

#[tokio::test]
async fn people_vote_once_in_any_script_and_may_change_it() {
    let world = World::start().await;
    open_a_poll_of_many_words(&world).await;
    let browser = Browser::open(&world).await;
    browser.go("/polls/words").await;
    browser
        .shows("main", &["Each person has one vote", "Voting closes on"])
        .await;
    let directions = browser
        .run(
            "return [...document.querySelectorAll('.choice .label')].slice(0, 4)
                .map(label => getComputedStyle(label).direction)",
        )
        .await;
    assert_eq!(directions, json!(["rtl", "rtl", "ltr", "ltr"]));
    for choice in [1, 2, 3] {
        browser.click(&format!(".choice:nth-child({choice})")).await;
        browser
            .shows(MESSAGE, &["Your vote has been counted"])
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let results = world.results("/api/polls/words/results").await;
    assert_eq!(
        (&results["voters"], &results["changes"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(results["options"][2]["count"], 1);
    browser.go("/polls").await;
    browser.shows("main", &["Open now", "ما رأيك؟"]).await;
}

#[tokio::test]
async fn nothing_scrolls_sideways_on_the_smallest_phone() {
    let world = World::start().await;
    open_a_poll_of_many_words(&world).await;
    for language in ["en", "de", "es"] {
        let browser = Browser::open_in(&world, language).await;
        browser.look(320, "light").await;
        browser.click("button[value=cats]").await;
        for page in PAGES {
            browser.go(page).await;
            let overflow = browser.overflow().await;
            assert!(overflow <= 0, "{language} {page}: {overflow} px too wide");
        }
    }
}

#[tokio::test]
async fn axe_finds_no_violation_in_light_and_dark() {
    let world = World::start().await;
    open_a_poll_of_many_words(&world).await;
    let browser = Browser::open(&world).await;
    for scheme in ["light", "dark"] {
        for width in [320, 1440] {
            browser.look(width, scheme).await;
            for page in PAGES {
                browser.go(page).await;
                if page == "/" {
                    browser
                        .run("document.querySelector('button[value=cats]').click()")
                        .await;
                    browser
                        .shows(MESSAGE, &["Your vote has been counted"])
                        .await;
                }
                // Of the page alone: what axe does to it is not its doing.
                browser.complains_of_the_network_only().await;
                let violations = browser.violations().await;
                assert_eq!(violations, json!([]), "{page}, {width} px, {scheme}");
                browser.complaints().await;
            }
        }
    }
}

#[tokio::test]
async fn what_a_reader_hears_is_there() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.click("button[value=cats]").await;
    browser.shows(MESSAGE, &["counted"]).await;
    let live = browser
        .run("return [...document.querySelectorAll('[role=status]')].map(region => region.textContent)")
        .await;
    assert!(
        live[0]
            .as_str()
            .unwrap()
            .starts_with("Your vote has been counted: Cats."),
        "{live}"
    );
    let summary = "return document.querySelector('.summary').textContent";
    eventually("the results are said", async || {
        browser.run(summary).await == "Cats 100.00%, Dogs 0.00%, 1 vote"
    })
    .await;
    // The focus can be seen, wherever it goes.
    for _ in 0..8 {
        browser.press("\u{e004}").await;
        let outline = browser
            .run(
                "return document.activeElement === document.body
                ? '' : getComputedStyle(document.activeElement).outlineStyle",
            )
            .await;
        assert!(
            ["solid", ""].contains(&outline.as_str().unwrap()),
            "{outline}"
        );
    }
    browser.has_no_complaint().await;
}

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = world.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn every_page_speaks_the_language_of_its_reader() {
    let world = World::start().await;
    for (accepted, tag, question, nothing) in [
        (
            "en-GB,en;q=0.9",
            "en",
            "Cats or dogs?",
            "There is nothing here",
        ),
        (
            "de-CH,de;q=0.9,en;q=0.5",
            "de",
            "Katzen oder Hunde?",
            "Hier ist nichts",
        ),
        ("fr,es;q=0.8", "es", "¿Gatos o perros?", "Aquí no hay nada"),
        ("ja", "en", "Cats or dogs?", "There is nothing here"),
    ] {
        let headers = [("Accept-Language", accepted), ("Accept", "text/html")];
        for (path, text) in [
            ("/", question),
            ("/results", question),
            ("/polls/none", nothing),
        ] {
            let answer = ask(&world, path, &headers).await;
            assert!(
                answer.body.contains(&format!("<html lang=\"{tag}\">")),
                "{path} {accepted}"
            );
            assert!(
                answer.body.contains(text),
                "{path} {accepted}: {}",
                answer.body
            );
            assert!(
                answer.header("vary").contains("Accept-Language"),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_is_a_page_for_people_and_a_problem_for_programs() {
    let world = World::start().await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in ["/nothing", "/polls/none", "/api/votes/none", "/api/nothing"] {
        let page = ask(&world, path, &[("Accept", browser)]).await;
        assert_eq!(page.status, 404);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.body.contains("There is nothing here"), "{path}");
        assert!(page.header("vary").contains("Accept"), "{path}");
        ask(&world, path, &[("Accept", "application/json")])
            .await
            .problem(404);
    }
    let page = ask(&world, "/api/vote", &[("Accept", browser)]).await;
    assert_eq!(page.status, 405);
    assert_eq!(page.header("allow"), "POST, OPTIONS");
    assert!(page.body.contains("<h1>"));

    world
        .sql()
        .await
        .batch_execute("alter table votes rename to gone")
        .await
        .unwrap();
    let page = ask(&world, "/results", &[("Accept", browser)]).await;
    assert_eq!(page.status, 503);
    assert_eq!(page.header("retry-after"), "2");
    assert!(page.body.contains("We will be right back"), "{}", page.body);
    assert!(!page.body.contains("relation"), "{}", page.body);
    ask(
        &world,
        "/results",
        &[("Accept", "application/problem+json")],
    )
    .await
    .problem(503);
}

// ── On the wire ─────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn the_page_is_small_and_what_it_loads_is_kept_for_ever() {
    let world = World::start().await;
    let page = ask(&world, "/", &[]).await;
    assert_eq!(page.header("cache-control"), "no-cache");
    let files: Vec<_> = page
        .body
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    let mut total = page.body.len();
    for file in files {
        let asset = Answer::of(world.request(Method::HEAD, file)).await;
        assert_eq!(asset.status, 200, "{file}");
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable",
            "{file}"
        );
        if !file.ends_with(".png") {
            total += asset.header("content-length").parse::<usize>().unwrap();
        }
    }
    assert!(total <= 60 * 1024, "{total} bytes");
    world
        .get("/assets/page.0000000000000000.css")
        .await
        .problem(404);
}

#[tokio::test]
async fn each_encoding_is_smaller_and_has_its_own_tag() {
    let world = World::start().await;
    let page = ask(&world, "/", &[]).await;
    let style = page
        .body
        .split('"')
        .find(|text| text.ends_with(".css"))
        .unwrap();
    for path in ["/docs", style, "/openapi.json"] {
        let plain = ask(&world, path, &[]).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let mut tags = vec![plain.header("etag").to_owned()];
        for encoding in ["br", "gzip"] {
            let headers = [("Accept-Encoding", encoding)];
            let head = Answer::of(
                world
                    .request(Method::HEAD, path)
                    .header("Accept-Encoding", encoding),
            )
            .await;
            assert_eq!(head.header("content-encoding"), encoding, "{path}");
            let length: usize = head.header("content-length").parse().unwrap();
            assert!(length < plain.body.len() / 2, "{path} {encoding}: {length}");
            assert!(head.header("vary").contains("Accept-Encoding"), "{path}");
            let tag = head.header("etag").to_owned();
            let again = [headers[0], ("If-None-Match", &tag)];
            assert_eq!(
                ask(&world, path, &again).await.status,
                304,
                "{path} {encoding}"
            );
            let other = [("If-None-Match", &*tag)];
            assert_eq!(
                ask(&world, path, &other).await.status,
                200,
                "{path} {encoding}"
            );
            tags.push(tag);
        }
        tags.dedup();
        assert_eq!(tags.len(), 3, "{path}");
    }
}

#[tokio::test]
async fn the_policy_of_a_page_allows_only_what_is_ours() {
    let world = World::start().await;
    for path in ["/", "/results", "/docs", "/polls/none"] {
        let page = ask(&world, path, &[("Accept", "text/html")]).await;
        let policy = page.header("content-security-policy");
        for directive in [
            "default-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "object-src 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        for loose in ["unsafe", "http:", "https:", "*", "data:"] {
            assert!(!policy.contains(loose), "{path}: {policy}");
        }
        for inline in ["<style", "style=", "onclick=", "javascript:"] {
            assert!(!page.body.contains(inline), "{path}: {inline}");
        }
    }
    // And the browser holds the page to it.
    let browser = Browser::open(&world).await;
    let ran = browser
        .run(
            "const script = document.createElement('script');
             try { script.textContent = 'window.ran = true'; } catch { script.append('window.ran = true'); }
             document.body.append(script);
             return window.ran ?? false;",
        )
        .await;
    assert_eq!(ran, false);
}

#[tokio::test]
async fn the_page_of_the_api_has_every_operation_of_its_document() {
    let world = World::start().await;
    let front = world.get("/").await;
    assert!(
        front.body.contains(r#"href="/docs""#),
        "the page leads there"
    );
    let page = world.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.body.len() < 100_000, "{} bytes", page.body.len());
    assert!(page.body.contains(r#"href="/openapi.json""#));
    let document = world.get("/openapi.json").await.json();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                page.body.contains(&format!("<section id=\"{id}\">")),
                "{id}"
            );
            assert!(page.body.contains(path), "{path}");
            operations += 1;
        }
    }
    assert!(operations > 8, "{operations}");
}

#[tokio::test]
async fn the_commands_on_the_page_of_the_api_work() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.go("/docs").await;
    let commands = browser
        .run("return [...document.querySelectorAll('pre code')].map(code => code.textContent)")
        .await;
    let commands: Vec<String> = serde_json::from_value(commands).unwrap();
    let mut accepted = 0;
    for command in &commands {
        let output = tokio::process::Command::new("sh")
            .args([
                "-c",
                &format!("{command} --silent --output /dev/null --write-out '%{{http_code}}'"),
            ])
            .env("URL", world.url())
            .env("TOKEN", &world.stack.secrets().organizer_token)
            .output()
            .await
            .unwrap();
        let status = String::from_utf8(output.stdout).unwrap();
        assert!(
            ["200", "201", "303", "404"].contains(&status.as_str()),
            "{command}: {status}"
        );
        accepted += usize::from(status != "404");
    }
    // All but two receipts of votes that were never cast, and the end of a poll that is not there.
    assert_eq!(accepted + 3, commands.len(), "{commands:?}");
}
