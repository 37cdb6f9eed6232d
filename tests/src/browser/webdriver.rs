//! WebDriver (W3C), as far as the tests speak it: JSON over HTTP, which they can do anyway. The
//! clients to be had bring dozens of crates, and with them features of `serde` and `syn` for which
//! all of wasmtime would be built anew.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::PATIENCE;

/// A browser that chromedriver started.
pub struct Session {
    http: reqwest::Client,
    url: String,
}

impl Session {
    /// Waits for the chromedriver on this port, and has it start a browser.
    pub async fn open(port: u16, capabilities: Value) -> Self {
        let http = reqwest::Client::new();
        let driver = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + PATIENCE;
        while http.get(format!("{driver}/status")).send().await.is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let session = value(http.post(format!("{driver}/session")).json(&wanted)).await;
        let session = session.expect("a browser");
        let id = session["sessionId"].as_str().expect("a session's id");
        Self {
            url: format!("{driver}/session/{id}"),
            http,
        }
    }

    pub async fn post(&self, command: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/{command}", self.url));
        let answer = value(request.json(&body)).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub async fn get(&self, command: &str) -> Value {
        let answer = self.try_get(command).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub async fn try_get(&self, command: &str) -> Result<Value, Value> {
        value(self.http.get(format!("{}/{command}", self.url))).await
    }

    /// The reference of the first element that a CSS selector finds.
    pub async fn find(&self, selector: &str) -> Option<String> {
        let query = json!({ "using": "css selector", "value": selector });
        let request = self.http.post(format!("{}/element", self.url));
        let element = value(request.json(&query)).await.ok()?;
        let (_, reference) = element.as_object()?.iter().next()?;
        reference.as_str().map(str::to_owned)
    }
}

/// The `value` of an answer: what was asked for, or what went wrong.
async fn value(request: reqwest::RequestBuilder) -> Result<Value, Value> {
    let response = request.send().await.expect("an answer of chromedriver");
    let success = response.status().is_success();
    let mut body: Value = response.json().await.expect("JSON");
    let value = body["value"].take();
    if success { Ok(value) } else { Err(value) }
}
