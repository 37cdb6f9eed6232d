//! A real browser, which a person could sit at: Chromium, driven through chromedriver.

mod webdriver;

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stack::process::{Farewell, Process};

use crate::{PATIENCE, World};
use webdriver::Session;

/// A browser with a profile of its own. Drop it before the [`World`] in whose directory that is.
pub struct Browser {
    session: Session,
    url: String,
    _chromedriver: Process,
}

/// What the browser wrote to its console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// `network`, `security`, `javascript`, `console-api`, …
    pub source: String,
    pub message: String,
}

impl Browser {
    /// One that prefers English, at the page of this world.
    pub async fn open(world: &World) -> Self {
        Self::open_in(world, "en").await
    }

    /// One that prefers this language.
    pub async fn open_in(world: &World, language: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let port = stack::ports::free().expect("a port");
        let mut command = Command::new("chromedriver");
        command
            .args([&format!("--port={port}"), "--silent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let chromedriver = Process::spawn(&mut command, Farewell::Terminate)
            .expect("chromedriver; `cargo xtask test` installs it");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = world.stack.directory().join(format!("browser-{number}"));
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1024,800",
            &format!("--accept-lang={language}"),
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let browser = Self {
            session: Session::open(port, wanted).await,
            url: world.stack.url(),
            _chromedriver: chromedriver,
        };
        browser.go("/").await;
        browser
    }

    pub async fn go(&self, path: &str) {
        let url = format!("{}{path}", self.url);
        self.session.post("url", json!({ "url": url })).await;
    }

    pub async fn reload(&self) {
        self.session.post("refresh", json!({})).await;
    }

    /// The path and query of where it is.
    pub async fn path(&self) -> String {
        let url = self.session.get("url").await;
        url.as_str()
            .and_then(|url| url.strip_prefix(&self.url))
            .expect("a page of ours")
            .to_owned()
    }

    /// Clicks with the mouse on what a selector finds.
    pub async fn click(&self, selector: &str) {
        let element = self.session.find(selector).await.expect("an element");
        let command = format!("element/{element}/click");
        self.session.post(&command, json!({})).await;
    }

    /// Clicks on what leads to another page, and waits until that is there, even if it looks the
    /// same.
    pub async fn click_through(&self, selector: &str) {
        let left = self.session.find("html").await;
        self.click(selector).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let here = self.session.find("html").await;
            if here.is_some() && here != left {
                return;
            }
            assert!(Instant::now() < deadline, "{selector} leads nowhere");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Presses a key, wherever the focus is.
    pub async fn press(&self, key: &str) {
        let strokes = [
            json!({ "type": "keyDown", "value": key }),
            json!({ "type": "keyUp", "value": key }),
        ];
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        let actions = json!({ "actions": [keyboard] });
        self.session.post("actions", actions).await;
    }

    /// What a function body returns that runs in the page.
    pub async fn run(&self, script: &str) -> Value {
        let call = json!({ "script": script, "args": [] });
        self.session.post("execute/sync", call).await
    }

    /// Likewise; the script calls its last argument with what it has to say.
    pub async fn run_async(&self, script: &str) -> Value {
        let call = json!({ "script": script, "args": [] });
        self.session.post("execute/async", call).await
    }

    /// A command of the Chrome DevTools Protocol.
    pub async fn devtools(&self, method: &str, parameters: Value) {
        let command = json!({ "cmd": method, "params": parameters });
        self.session.post("goog/cdp/execute", command).await;
    }

    /// The text that people see where a selector points; empty if there is nothing.
    pub async fn text(&self, selector: &str) -> String {
        let Some(element) = self.session.find(selector).await else {
            return String::new();
        };
        // It may be gone since: then its text is, too.
        let command = format!("element/{element}/text");
        let text = self.session.try_get(&command).await.unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a text has all of `parts`, and returns it.
    #[track_caller]
    pub fn shows<'a>(
        &'a self,
        selector: &'a str,
        parts: &'a [&'a str],
    ) -> impl Future<Output = String> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let text = self.text(selector).await;
                if parts.iter().all(|part| text.contains(part)) {
                    return text;
                }
                assert!(
                    Instant::now() < deadline,
                    "{caller}: {selector} shows {text:?}, not {parts:?}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// How wide, in pixels, the bar of an option is drawn at the moment.
    pub async fn bar(&self, option: &str) -> f64 {
        let width = self
            .run(&format!(
                "return document.querySelector('[data-option={option}] rect').getBoundingClientRect().width"
            ))
            .await;
        width.as_f64().expect("a width")
    }

    /// Puts the focus where a selector points, and types.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.session.find(selector).await.expect("an element");
        let command = format!("element/{element}/value");
        self.session.post(&command, json!({ "text": text })).await;
    }

    /// What axe has to say against the page: rules, and the elements that break them.
    pub async fn violations(&self) -> Value {
        let axe = stack::checkout::target().join("axe/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core; `cargo xtask test` installs it");
        self.run(&axe).await;
        self.run_async(
            "const done = arguments[arguments.length - 1];
             axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa',
                 'wcag22aa', 'best-practice'] })
               .then(result => done(result.violations.map(violation =>
                   [violation.id, violation.nodes.map(node => node.html)])),
                 error => done(String(error)));",
        )
        .await
    }

    /// Makes the window this wide, light or dark.
    pub async fn look(&self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
        self.prefer("prefers-color-scheme", scheme).await;
    }

    /// By how many pixels the page is wider than its window. A scroll bar takes its width from the
    /// window's `innerWidth`, so that is not what the page has to fit in.
    pub async fn overflow(&self) -> i64 {
        let overflow = self
            .run(
                "const { scrollWidth, clientWidth } = document.documentElement;
                 return scrollWidth - clientWidth",
            )
            .await;
        overflow.as_i64().expect("pixels")
    }

    /// Runs a script in every page before the page's own.
    pub async fn before_each_page(&self, script: &str) {
        let source = json!({ "source": script });
        self.devtools("Page.addScriptToEvaluateOnNewDocument", source)
            .await;
    }

    /// Makes it a phone: a touch screen, and nothing to hover or to point finely with.
    pub async fn become_a_phone(&self) {
        let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
        let touch = json!({ "enabled": true });
        self.devtools("Emulation.setTouchEmulationEnabled", touch)
            .await;
    }

    /// Runs no script of a page from now on.
    pub async fn switch_scripts_off(&self) {
        let off = json!({ "value": true });
        self.devtools("Emulation.setScriptExecutionDisabled", off)
            .await;
    }

    /// Sets a preference of the person at the browser, as media queries know it.
    pub async fn prefer(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Cuts the browser off from the network, or connects it again.
    pub async fn set_offline(&self, offline: bool) {
        self.devtools("Network.enable", json!({})).await;
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1
        });
        self.devtools("Network.emulateNetworkConditions", conditions)
            .await;
    }

    /// What it has written to its console since the last time.
    pub async fn complaints(&self) -> Vec<Complaint> {
        let log = self.session.post("se/log", json!({ "type": "browser" }));
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        log.await
            .as_array()
            .expect("a log")
            .iter()
            .map(|entry| Complaint {
                source: text(entry, "source"),
                message: text(entry, "message"),
            })
            .collect()
    }

    /// Nothing went wrong in the page: no violation of its policy, no error, no failed request. On a
    /// busy machine a receipt may be asked for before the vote is counted: then it is 404, and
    /// Chromium says so.
    #[track_caller]
    pub fn has_no_complaint(&self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let early = |complaint: &Complaint| {
                complaint.message.contains("/api/votes/") && complaint.message.contains("404")
            };
            let mut complaints = self.complaints().await;
            complaints.retain(|complaint| !early(complaint));
            assert!(complaints.is_empty(), "{caller}: {complaints:?}");
        }
    }

    /// Likewise, but that requests failed, which a browser always writes to its console, was meant.
    #[track_caller]
    pub fn complains_of_the_network_only(&self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let complaints = self.complaints().await;
            let others: Vec<_> = complaints
                .iter()
                .filter(|complaint| complaint.source != "network")
                .collect();
            assert!(others.is_empty(), "{caller}: {others:?}");
        }
    }
}
