//! The pages for organizers: over HTTP, as a browser without a script sends it, and in a browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{
    Answer, Client, World,
    browser::Browser,
    eventually,
    organizer::{Fields, Organizer, sign_in},
};

const PETS: Fields<'_> = &[
    ("poll", "pets"),
    ("question", "Which <b>pet</b>?"),
    ("options", "cats\r\ndogs\r\n"),
    ("opens_at", ""),
    ("closes_at", ""),
];

async fn definition(world: &World, poll: &str) -> Value {
    let answer = world.get(&format!("/api/polls/{poll}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn an_organizer_creates_changes_closes_and_deletes_polls() {
    let world = World::start().await;
    let organizer = Organizer::at(&world).await;
    let created = organizer.post("/organize/polls", PETS).await;
    assert_eq!(created.status, 303, "{created:?}");
    assert_eq!(created.header("location"), "/organize/polls/pets?saved");
    assert_eq!(
        definition(&world, "pets").await["options"],
        json!(["cats", "dogs"])
    );

    let page = organizer.get("/organize/polls/pets?saved").await;
    assert!(page.body.contains("Saved.") && page.body.contains("Which &lt;b&gt;pet&lt;/b&gt;?"));
    assert!(
        !organizer
            .get("/organize/polls/pets")
            .await
            .body
            .contains("Saved.")
    );
    assert!(
        organizer
            .get("/organize")
            .await
            .body
            .contains("href=\"/organize/polls/pets\"")
    );

    let vote = json!({ "option": "cats" }).to_string();
    let voted = world.post("/api/polls/pets/vote", vote.clone()).await;
    assert_eq!(voted.status, 201, "{voted:?}");

    let etag = world.get("/api/polls/pets").await;
    let revision = etag.header("etag").trim_matches('"').to_owned();
    let change: Fields<'_> = &[
        ("question", "Which pet?"),
        ("options", "cats\ndogs\nbirds"),
        ("opens_at", ""),
        ("closes_at", "2099-12-31T17:00"),
        ("revision", &revision),
    ];
    let changed = organizer.post("/organize/polls/pets", change).await;
    assert_eq!(changed.status, 303, "{changed:?}");
    let document = definition(&world, "pets").await;
    assert_eq!(document["question"], "Which pet?");
    assert_eq!(document["closes_at"], "2099-12-31T17:00:00Z");
    assert_eq!(document["options"].as_array().unwrap().len(), 3);

    // The form was made before that change.
    let outdated = organizer.post("/organize/polls/pets", change).await;
    assert_eq!(outdated.status, 412, "{outdated:?}");
    assert!(outdated.body.contains("Somebody else has changed"));

    let closed = organizer.post("/organize/polls/pets/close", &[]).await;
    assert_eq!(closed.status, 303, "{closed:?}");
    let late = world.post("/api/polls/pets/vote", vote.clone()).await;
    late.problem(409);
    let page = organizer.get("/organize/polls/pets").await;
    assert!(page.body.contains("Open again"), "{page:?}");
    let opened = organizer.post("/organize/polls/pets/open", &[]).await;
    assert_eq!(opened.status, 303, "{opened:?}");
    let voted = world.post("/api/polls/pets/vote", vote).await;
    assert_eq!(voted.status, 201, "{voted:?}");

    eventually("both are counted", async || {
        world.get("/api/polls/pets/results").await.json()["total"] == 2
    })
    .await;
    for (path, kind, first) in [
        (
            "/organize/polls/pets/votes.ndjson",
            "application/x-ndjson",
            "{\"",
        ),
        ("/organize/polls/pets/votes.csv", "text/csv", "vote_id,"),
    ] {
        let log = organizer.get(path).await;
        assert!(log.header("content-type").starts_with(kind), "{log:?}");
        let file = path.replace("/organize/polls/pets/votes", "pets");
        assert_eq!(
            log.header("content-disposition"),
            format!("attachment; filename=\"{file}\"")
        );
        assert!(log.body.starts_with(first), "{log:?}");
        assert_eq!(log.body.matches("cats").count(), 2, "{log:?}");
    }
    let refused = organizer.post("/organize/polls/pets/delete", &[]).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("This poll has votes"));

    let empty: Fields<'_> = &[("poll", "empty"), ("question", "?"), ("options", "a\nb")];
    assert_eq!(organizer.post("/organize/polls", empty).await.status, 303);
    let deleted = organizer.post("/organize/polls/empty/delete", &[]).await;
    assert_eq!(deleted.header("location"), "/organize", "{deleted:?}");
    assert_eq!(world.get("/api/polls/empty").await.status, 404);
    assert_eq!(organizer.get("/organize/polls/empty").await.status, 404);
}

#[tokio::test]
async fn what_was_typed_is_not_lost_when_something_is_wrong_with_it() {
    let world = World::start().await;
    let organizer = Organizer::at(&world).await;
    for (field, value, status, says) in [
        ("poll", "Pets!", 422, "poll: must consist of lower-case"),
        (
            "poll",
            "default",
            409,
            "There is a poll &quot;default&quot; already",
        ),
        (
            "options",
            "only",
            422,
            "options: must be an array of 2 to 50",
        ),
        ("opens_at", "tomorrow", 422, "opens_at: must be a time"),
        ("colour", "red", 422, ""),
    ] {
        let mut fields: Vec<_> = PETS.iter().copied().filter(|it| it.0 != field).collect();
        fields.push((field, value));
        let answer = organizer.post("/organize/polls", &fields).await;
        assert_eq!(answer.status, status, "{field}: {answer:?}");
        assert!(answer.body.contains(says), "{field}: {answer:?}");
        if field != "colour" {
            assert!(
                answer.body.contains("Which &lt;b&gt;pet&lt;/b&gt;?"),
                "{answer:?}"
            );
            assert!(answer.body.contains(value), "{answer:?}");
            assert!(answer.body.contains("role=\"alert\""), "{answer:?}");
        }
    }
    assert_eq!(world.get("/api/polls/pets").await.status, 404);
}

#[tokio::test]
async fn nobody_else_organizes() {
    let world = World::start().await;
    let wrong = sign_in(&world, "not-a-token-of-ours", &[]).await;
    assert_eq!(wrong.status, 403, "{wrong:?}");
    assert_eq!(wrong.header("set-cookie"), "");
    assert!(
        wrong
            .body
            .contains("This is not the token of an organizer.")
    );

    let organizer = Organizer::at(&world).await;
    let stranger = Organizer {
        client: Client::of(world.url()),
        cookie: format!(
            "organizer=4102444800.{}7.{}",
            "0".repeat(31),
            "0".repeat(64)
        ),
        form_key: organizer.form_key.clone(),
    };
    for path in [
        "/organize/polls",
        "/organize/polls/default",
        "/organize/polls/default/close",
        "/organize/polls/default/delete",
    ] {
        let answer = stranger.post(path, PETS).await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        assert!(answer.body.contains("/organize/sign-in"), "{path}");
        // With the cookie, as a form on another site of the same host would send it, and without the key.
        for fields in [PETS, &[("form_key", "0")]] {
            let answer = organizer.post_without_key(path, fields).await;
            assert_eq!(answer.status, 403, "{path}: {answer:?}");
        }
        let request = world
            .request(Method::POST, path)
            .header("Cookie", &organizer.cookie)
            .header("Origin", "https://evil.example")
            .form(&[("form_key", &organizer.form_key)]);
        assert_eq!(Answer::of(request).await.status, 403, "{path}");
    }
    for path in [
        "/organize/polls/default",
        "/organize/polls/default/votes.csv",
        "/organize/polls/default/votes.ndjson",
    ] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    assert_eq!(
        definition(&world, "default").await["closes_at"],
        Value::Null
    );
    assert_eq!(world.get("/api/polls/pets").await.status, 404);

    // Signing out takes the cookie away; it is good for the pages alone, and the API does not know it.
    let out = organizer.post("/organize/sign-out", &[]).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    let request = world.request(Method::POST, "/api/polls");
    Answer::of(request.header("Cookie", &organizer.cookie).body("{}"))
        .await
        .problem(401);
}

#[tokio::test]
async fn the_cookie_is_for_our_pages_alone_and_for_a_day_s_work() {
    let world = World::start_with(|stack| stack.variable("environment", "production")).await;
    let token = world.stack.secrets().organizer_token.clone();
    let answer = sign_in(&world, &token, &[]).await;
    let cookie = answer.header("set-cookie");
    for attribute in [
        "; Path=/organize",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Secure",
        "; Max-Age=43200",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn tokens_cannot_be_tried_out() {
    let world = World::start().await;
    let token = world.stack.secrets().organizer_token.clone();
    let attempts = (0..30).map(|number| {
        let world = &world;
        async move {
            // What a client says about where it is, is not believed.
            let elsewhere = format!("192.0.2.{number}");
            let caller = format!("{elsewhere}:80");
            let headers = [
                ("X-Forwarded-For", elsewhere.as_str()),
                ("spin-client-addr", &caller),
            ];
            sign_in(world, "not-a-token-of-ours", &headers).await
        }
    });
    let answers = futures::future::join_all(attempts).await;
    let refused = answers.iter().filter(|it| it.status == 403).count();
    assert_eq!(refused, 10);
    let limited: Vec<_> = answers.iter().filter(|it| it.status == 429).collect();
    assert_eq!(limited.len(), 20);
    for answer in limited {
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((500..=601).contains(&wait), "{answer:?}");
        assert!(
            answer.body.contains("Try again in 10 minutes"),
            "{answer:?}"
        );
    }
    assert_eq!(sign_in(&world, &token, &[]).await.status, 429);
    // When that time is over. The API never depended on it.
    let keys: Vec<String> = world.command("KEYS {votes}:sign-in:*").await;
    assert_eq!(keys, ["{votes}:sign-in:127.0.0.1"]);
    let _: i64 = world.command("DEL {votes}:sign-in:127.0.0.1").await;
    for _ in 0..9 {
        let wrong = sign_in(&world, "not-a-token-of-ours", &[]).await;
        assert_eq!(wrong.status, 403);
    }
    assert_eq!(sign_in(&world, &token, &[]).await.status, 303);
    let keys: Vec<String> = world.command("KEYS {votes}:sign-in:*").await;
    assert!(keys.is_empty(), "who signs in begins anew: {keys:?}");

    let _: () = world.command("CONFIG SET maxmemory 1").await;
    assert_eq!(
        sign_in(&world, &token, &[]).await.status,
        303,
        "Redis is full"
    );
    world.stack.redis.pause();
    let answer = sign_in(&world, &token, &[]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("Nobody can sign in at the moment"));
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_attempts() {
    let world = World::start_with(|stack| stack.variable("trusted_proxies", "1")).await;
    let token = world.stack.secrets().organizer_token.clone();
    // The proxy adds the last; the client may have sent anything before it.
    for number in 0..10 {
        let forwarded = format!("192.0.2.{number}, 2001:db8::{number}");
        let headers = [("X-Forwarded-For", forwarded.as_str())];
        assert_eq!(
            sign_in(&world, "not-a-token-of-ours", &headers)
                .await
                .status,
            403
        );
    }
    let from = async |address| sign_in(&world, &token, &[("X-Forwarded-For", address)]).await;
    assert_eq!(
        from("2001:db8::99").await.status,
        429,
        "one network of IPv6"
    );
    assert_eq!(from("2001:db8:0:1::1").await.status, 303);
    assert_eq!(from("192.0.2.1").await.status, 303);
}

#[tokio::test]
async fn without_organizers_there_is_nothing_to_sign_in_to() {
    let world = World::start_with(|stack| stack.variable("organizer_tokens", "")).await;
    for path in ["/organize", "/organize/polls/default"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    assert_eq!(sign_in(&world, "", &[]).await.status, 404);
}

async fn sign_in_at(browser: &Browser, world: &World) {
    browser.go("/organize").await;
    let token = &world.stack.secrets().organizer_token;
    browser.type_into("input[name=token]", token).await;
    browser.click_through("main form button").await;
    browser.shows("h2", &["Open now"]).await;
}

#[tokio::test]
async fn without_a_script_a_poll_is_created_closed_and_its_log_is_there() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    browser.switch_scripts_off().await;
    sign_in_at(&browser, &world).await;
    browser.type_into("input[name=poll]", "lunch").await;
    browser.type_into("input[name=question]", "Lunch?").await;
    browser.type_into("textarea", "soup\nsalad\n寿司").await;
    browser.click("input[type=checkbox]").await;
    browser.click_through("section form button").await;
    browser.shows(".notice", &["Saved."]).await;
    let document = definition(&world, "lunch").await;
    assert_eq!(document["options"], json!(["soup", "salad", "寿司"]));
    assert_eq!(document["one_vote_per_voter"], true);
    browser.click_through(".actions form button").await;
    browser.shows(".hours", &["Voting closed on", "UTC"]).await;
    assert!(definition(&world, "lunch").await["closes_at"].is_string());
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_organizer_watches_a_poll_live_in_a_time_zone_of_their_own() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    let zone = json!({ "timezoneId": "Asia/Kathmandu" });
    browser
        .devtools("Emulation.setTimezoneOverride", zone)
        .await;
    sign_in_at(&browser, &world).await;
    browser.shows("[data-zone]", &["Asia/Katmandu"]).await;
    browser.type_into("input[name=poll]", "lunch").await;
    browser.type_into("input[name=question]", "Lunch?").await;
    browser.type_into("textarea", "soup\nsalad").await;
    browser
        .run("document.querySelector('[name=closes_at]').value = '2099-06-30T18:00'")
        .await;
    browser.click_through("section form button").await;
    browser.shows(".notice", &["Saved."]).await;
    let document = definition(&world, "lunch").await;
    assert_eq!(document["closes_at"], "2099-06-30T12:15:00Z");
    assert_eq!(document["opens_at"], Value::Null);
    let shown = browser
        .run("return document.querySelector('[name=closes_at]').value")
        .await;
    assert_eq!(shown, "2099-06-30T18:00");

    browser.go("/organize").await;
    browser
        .shows("main", &["closes on June 30, 2099 at 6:00 PM."])
        .await;
    browser.go("/polls").await;
    browser
        .shows("main", &["closes on June 30, 2099 at 6:00 PM."])
        .await;
    browser.go("/organize/polls/lunch").await;

    let vote = json!({ "option": "soup" }).to_string();
    world.post("/api/polls/lunch/vote", vote).await;
    browser
        .shows("[data-option=soup]", &["1 vote", "100.00%"])
        .await;
    // What nobody touched stays as it is, to the millisecond.
    browser.click_through(".actions form button").await;
    let closed = definition(&world, "lunch").await["closes_at"].clone();
    browser.type_into("input[name=question]", " Now!").await;
    browser.click_through("section.card form button").await;
    browser.shows("h1", &["Lunch? Now!"]).await;
    assert_eq!(definition(&world, "lunch").await["closes_at"], closed);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn the_pages_are_for_everybody_on_every_screen() {
    let world = World::start().await;
    let browser = Browser::open(&world).await;
    let pages = ["/organize", "/organize/polls/default"];
    for signed_in in [false, true] {
        if signed_in {
            sign_in_at(&browser, &world).await;
        }
        for scheme in ["light", "dark"] {
            for width in [320, 1440] {
                browser.look(width, scheme).await;
                for page in pages {
                    browser.go(page).await;
                    let overflow = browser.overflow().await;
                    assert!(overflow <= 0, "{page}, {width} px: {overflow}");
                    browser.complains_of_the_network_only().await;
                    let violations = browser.violations().await;
                    assert_eq!(violations, json!([]), "{page}, {width} px, {scheme}");
                    browser.complaints().await;
                }
            }
        }
    }
}
